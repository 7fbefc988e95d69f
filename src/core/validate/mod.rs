//! Owns the check of a whole source without a connection: each row by itself, then the rows against each other, in
//! memory that does not grow with the source.

mod examine;
mod remarks;
mod spill;

use std::io;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use thiserror::Error;

use crate::row::{
    Columns, ColumnsError, Issue, IssueCode, Judged, Mode, ModeError, OrganizationOptions,
    OwnRules, RowKind, Rules, Severity, seen,
};
use crate::source::{Record, Source, SourceError};

pub use remarks::Remarks;

use examine::{Examined, Examiner};
use spill::{Counts, Entry, Spill};

/// How many records are handed on at once: few enough to stay in the processor's cache.
const BATCH: usize = 1024;
/// How many batches of one worker wait to be collected.
const WAITING: usize = 2;
/// More workers than this only wait for their turn to read.
const WORKERS: usize = 4;
/// How many organizations are known to be remembered already. A slot is overwritten by the next that falls into it.
const RECENT: usize = 4096;

/// What a check needs to know of the options of an import.
#[derive(Clone, Debug, Default)]
pub struct ValidateOptions {
    /// Pairs such as (`E-Mail`, `email`).
    /// What the rows are about.
    pub rows: RowKind,
    pub mapping: Vec<(String, String)>,
    pub organization: OrganizationOptions,
    pub rules: Rules,
    /// The column that says what the caller calls each row.
    pub record_id: Option<String>,
    /// Rules of the caller's own.
    pub own_rules: Option<Arc<dyn OwnRules>>,
}

/// What a check counted. Every number is of the whole source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidateSummary {
    pub mode: Mode,
    pub records: u64,
    /// Records that would be imported.
    pub valid: u64,
    /// Records with an error.
    pub failed: u64,
    pub errors: u64,
    pub warnings: u64,
    /// Distinct users of the valid records.
    pub users: u64,
    /// Distinct organizations of the valid records.
    pub organizations: u64,
    /// Valid records that claim a membership.
    pub memberships: u64,
}

/// Why a source could not be checked.
#[derive(Debug, Error)]
pub enum ValidateError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Columns(#[from] ColumnsError),
    #[error(transparent)]
    Mode(#[from] ModeError),
    #[error("Cannot use the folder for temporary files: {0}. Free some space, or set TMPDIR")]
    Temporary(io::Error),
}

/// Checks all records of a source from where it stands. Each issue is told as it is found, in the order of the source;
/// those between rows come last, because a source is read once.
pub fn validate(
    source: &mut dyn Source,
    options: &ValidateOptions,
    mut tell: impl FnMut(Issue),
) -> Result<ValidateSummary, ValidateError> {
    let first = source.next_batch(BATCH)?;
    let names = (source.columns(), source.columns_grow());
    let record_id = options.record_id.as_deref();
    let columns = Columns::of(options.rows, names, &options.mapping, record_id)?;
    let (mode, said) = Mode::decide(&options.organization, &columns)?;
    let examiner = Examiner::new(mode.clone(), options.rules.clone());
    let mut check = Check::new(mode, &mut tell);
    for text in source.warnings() {
        check.tell(Issue::about_source(IssueCode::EncodingDoubt, text));
    }
    let said = said
        .into_iter()
        .chain(columns.never_cleared(&options.rules))
        .chain(columns.unmapped_traits(&options.rules))
        .chain(
            options
                .rules
                .identities
                .as_ref()
                .and_then(|rules| rules.unchecked_warning()),
        );
    for issue in columns.warnings().iter().cloned().chain(said) {
        check.tell(issue);
    }
    let reading = Reading {
        source,
        first: Some(first),
        columns: Arc::new(columns),
        own_rules: options.own_rules.as_deref(),
    };
    examine_all(reading, &examiner, &mut check)?;
    check.finish()
}

/// The source, on its way round the workers: who has it reads a batch and hands it on. So what a batch needs is
/// allocated and freed by one thread, and batches are collected in their order.
struct Reading<'source> {
    source: &'source mut dyn Source,
    /// The batch that was read to know the columns.
    first: Option<Vec<Record>>,
    columns: Arc<Columns>,
    own_rules: Option<&'source dyn OwnRules>,
}

/// A batch, and what is known of it before it is examined.
struct Batch {
    records: Vec<Record>,
    /// What has to be said about columns that are new with it.
    said: Vec<Issue>,
    /// What the caller's own rules say of its records.
    judged: Judged,
}

impl Reading<'_> {
    /// The next records. The caller's own rules are asked here, so that they see rows in the order of the source.
    fn next(&mut self, examiner: &Examiner) -> Result<Batch, SourceError> {
        let mut said = Vec::new();
        let records = match self.first.take() {
            Some(first) => first,
            None => {
                let records = self.source.next_batch(BATCH)?;
                if self.source.columns().len() > self.columns.names().len() {
                    said = Arc::make_mut(&mut self.columns).grow(
                        self.source.columns(),
                        &examiner.mode,
                        &examiner.rules,
                    );
                }
                records
            }
        };
        let mut judged = Judged::default();
        if let Some(rules) = self.own_rules
            && !records.is_empty()
        {
            let remarks = rules.judge(seen(&self.columns, &records));
            judged = Judged::new(remarks.map_err(SourceError::Other)?);
        }
        Ok(Batch {
            records,
            said,
            judged,
        })
    }
}

/// Some threads read and examine in turn, this one collects.
fn examine_all(
    reading: Reading,
    examiner: &Examiner,
    check: &mut Check,
) -> Result<(), ValidateError> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let workers = cores.min(WORKERS);
    let mut turns: Vec<_> = (0..workers).map(|_| sync_channel(1)).collect();
    // The ring: each worker has the receiver of its own turn and the sender of the next one's.
    let mut senders: Vec<_> = turns.iter().map(|(sender, _)| sender.clone()).collect();
    senders.rotate_left(1);
    // Nobody listens only if a thread could not start, which is told below.
    let _ = turns[0].0.send(reading);
    thread::scope(|scope| {
        let mut results = Vec::with_capacity(workers);
        for ((_, turn), next) in turns.drain(..).zip(senders.drain(..)) {
            let (result, collected) = sync_channel(WAITING);
            thread::Builder::new()
                .spawn_scoped(scope, move || work(examiner, &turn, &next, &result))
                .map_err(no_thread)?;
            results.push(collected);
        }
        // Returning early drops the channels, which ends the threads.
        for result in results.iter().cycle() {
            match result.recv() {
                Ok(examined) => check.take(examined?)?,
                // The source has ended: no later batch went to any other worker.
                Err(_) => break,
            }
        }
        Ok(())
    })
}

fn no_thread(error: io::Error) -> ValidateError {
    SourceError::Other(format!("Cannot start a thread: {error}")).into()
}

fn work<'source>(
    examiner: &Examiner,
    turn: &Receiver<Reading<'source>>,
    next: &SyncSender<Reading<'source>>,
    result: &SyncSender<Result<Examined, SourceError>>,
) {
    while let Ok(mut reading) = turn.recv() {
        let examined = match reading.next(examiner) {
            Ok(batch) if batch.records.is_empty() => return,
            Ok(batch) => {
                let columns = Arc::clone(&reading.columns);
                // The next worker is gone only if the check has failed; then this result is not awaited either.
                let _ = next.send(reading);
                Ok(examiner.examine(&columns, batch))
            }
            Err(error) => Err(error),
        };
        let is_last = examined.is_err();
        if result.send(examined).is_err() || is_last {
            return;
        }
    }
}

/// Collects what was found, and what is compared at the end.
struct Check<'tell> {
    summary: ValidateSummary,
    tell: &'tell mut dyn FnMut(Issue),
    users: Spill,
    external_ids: Spill,
    organizations: Spill,
    recent_organizations: Vec<(u64, u32)>,
}

impl<'tell> Check<'tell> {
    fn new(mode: Mode, tell: &'tell mut dyn FnMut(Issue)) -> Self {
        Self {
            summary: ValidateSummary {
                mode,
                records: 0,
                valid: 0,
                failed: 0,
                errors: 0,
                warnings: 0,
                users: 0,
                organizations: 0,
                memberships: 0,
            },
            tell,
            users: Spill::new(),
            external_ids: Spill::new(),
            organizations: Spill::new(),
            recent_organizations: vec![(0, 0); RECENT],
        }
    }

    fn tell(&mut self, issue: Issue) {
        match issue.severity {
            Severity::Error => self.summary.errors += 1,
            Severity::Warning => self.summary.warnings += 1,
        }
        (self.tell)(issue);
    }

    fn take(&mut self, examined: Examined) -> Result<(), ValidateError> {
        self.summary.records += examined.valid + examined.failed;
        self.summary.valid += examined.valid;
        self.summary.failed += examined.failed;
        self.summary.memberships += examined.memberships;
        for issue in examined.issues {
            self.tell(issue);
        }
        for entry in &examined.users {
            self.users.push(entry).map_err(ValidateError::Temporary)?;
        }
        for entry in &examined.external_ids {
            let pushed = self.external_ids.push(entry);
            pushed.map_err(ValidateError::Temporary)?;
        }
        for entry in &examined.organizations {
            let recent = &mut self.recent_organizations[entry.key as usize % RECENT];
            let said = (entry.key, entry.value);
            if std::mem::replace(recent, said) != said {
                let pushed = self.organizations.push(entry);
                pushed.map_err(ValidateError::Temporary)?;
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<ValidateSummary, ValidateError> {
        let users = std::mem::replace(&mut self.users, Spill::new());
        let compared = users.groups(Counts::First, |first, later| {
            let message = format!(
                "the row is about the same user as record {} and says something else. The first row's fields count",
                first.record_number
            );
            self.tell(between_rows(IssueCode::ConflictingUserFields, later, message));
        });
        self.summary.users = compared.map_err(ValidateError::Temporary)?;
        let external_ids = std::mem::replace(&mut self.external_ids, Spill::new());
        let compared = external_ids.groups(Counts::First, |first, later| {
            let message = format!(
                "the row has the external_id of another user, that of record {}: an import will refuse one of the two",
                first.record_number
            );
            self.tell(between_rows(IssueCode::SharedExternalId, later, message));
        });
        compared.map_err(ValidateError::Temporary)?;
        let organizations = std::mem::replace(&mut self.organizations, Spill::new());
        let compared = organizations.groups(Counts::FirstThatSaysSomething, |first, later| {
            let message = format!(
                "the row gives its organization another name than record {}. The first name counts",
                first.record_number
            );
            let code = IssueCode::ConflictingOrganizationNames;
            self.tell(between_rows(code, later, message));
        });
        self.summary.organizations = compared.map_err(ValidateError::Temporary)?;
        Ok(self.summary)
    }
}

fn between_rows(code: IssueCode, entry: &Entry, message: String) -> Issue {
    Issue {
        severity: Severity::Warning,
        code,
        record_number: Some(u64::from(entry.record_number)),
        record_id: None,
        line: (entry.line > 0).then_some(u64::from(entry.line)),
        column: None,
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::{IdentityRules, IdentitySchema};
    use crate::source::{Format, open_reader};

    fn validated(text: &'static str) -> (ValidateSummary, Vec<String>) {
        let reader = Box::new(text.as_bytes());
        let mut source = open_reader("users.csv", reader, &Format::default()).unwrap();
        let mut issues = Vec::new();
        let options = ValidateOptions::default();
        let tell = |issue: Issue| {
            let record = issue.record_number.unwrap_or_default();
            issues.push(format!("{record} {}", issue.code.as_str()));
        };
        let summary = validate(source.as_mut(), &options, tell).unwrap();
        (summary, issues)
    }

    #[test]
    fn rows_are_checked_and_then_compared() {
        let (summary, issues) = validated(
            "email,first_name,org_external_id,org_name,phone\n\
             a@b.c,Ada,acme,Acme,1\n\
             A@B.C,Ada,beta,Beta,2\n\
             a@b.c,,acme,,3\n\
             a@b.c,Eve,acme,Acme Inc,4\n\
             nobody,x,acme,,5\n\
             d@e.f,\"x\"y,acme,,6\n\
             g@h.i,,,,\n",
        );
        let expected = [
            "0 unknown_columns",
            "5 invalid_email",
            "6 broken_record",
            "4 conflicting_user_fields",
            "4 conflicting_organization_names",
        ];
        assert_eq!(issues, expected);
        assert_eq!((summary.records, summary.valid, summary.failed), (7, 5, 2));
        assert_eq!((summary.errors, summary.warnings), (2, 3));
        assert_eq!(
            (summary.users, summary.organizations, summary.memberships),
            (2, 2, 4)
        );
    }

    #[test]
    fn an_external_id_is_that_of_one_user() {
        let (summary, issues) = validated(
            "email,external_id\na@b.c,7\nd@e.f,7\nA@b.c,7\ng@h.i,8\nj@k.l,\nm@n.o,\np@q.r,7\n",
        );
        assert_eq!(issues, ["2 shared_external_id", "7 shared_external_id"]);
        assert_eq!((summary.users, summary.warnings), (6, 2));
    }

    #[test]
    fn issues_come_in_the_order_of_the_source() {
        let mut text = String::from("{\"email\":\"first@b.c\"}\n");
        for number in 2..=20_000 {
            let email = if number % 7 == 0 { "wrong" } else { "a@b.c" };
            text.push_str(&format!(
                "{{\"email\":\"{email}\",\"key{}\":1}}\n",
                number / 5_000
            ));
        }
        let reader = Box::new(std::io::Cursor::new(text.into_bytes()));
        let mut source = open_reader("users.ndjson", reader, &Format::default()).unwrap();
        let (mut last, mut unknown) = (0, Vec::new());
        let summary = validate(
            source.as_mut(),
            &ValidateOptions::default(),
            |issue| match issue.record_number {
                Some(number) => {
                    assert!(number > last);
                    last = number;
                }
                None => unknown.push((last / 1_000, issue.message)),
            },
        )
        .unwrap();
        assert_eq!((summary.records, summary.failed), (20_000, 2_857));
        assert_eq!((summary.users, summary.warnings), (2, 5));
        // Each new key is told before the first batch that has it.
        let told: Vec<u64> = unknown.iter().map(|(after, _)| *after).collect();
        assert_eq!(told.len(), 5);
        assert!(told.windows(2).all(|pair| pair[0] < pair[1]), "{unknown:?}");
    }

    #[test]
    fn a_source_that_fails_on_its_way_fails_the_check() {
        struct Breaking(u8);
        impl io::Read for Breaking {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.0 += 1;
                let text: &[u8] = match self.0 {
                    1 => b"email\n",
                    2..=200 => &b"a@b.c\n".repeat(100),
                    _ => return Err(io::Error::other("the disk is gone")),
                };
                buffer[..text.len()].copy_from_slice(text);
                Ok(text.len())
            }
        }
        let mut source =
            open_reader("users.csv", Box::new(Breaking(0)), &Format::default()).unwrap();
        let error = validate(source.as_mut(), &ValidateOptions::default(), |_| {}).unwrap_err();
        assert_eq!(error.to_string(), "Cannot read users.csv: the disk is gone");
    }

    #[test]
    fn identities_are_held_to_their_schema_and_every_problem_is_told() {
        let document = serde_json::json!({
            "properties": {"traits": {"properties": {"seats": {"type": "integer"}}, "required": ["email", "role"]}}
        });
        let identities = IdentityRules {
            schema: Some(IdentitySchema::new(document).unwrap()),
            ..IdentityRules::default()
        };
        let options = ValidateOptions {
            rows: RowKind::Identities,
            rules: Rules {
                identities: Some(Arc::new(identities)),
                ..Rules::default()
            },
            ..ValidateOptions::default()
        };
        let text = "email,role,seats\na@b.c,user,1\nA@b.c,,2\nnobody,user,3\na@b.c,admin,4\n";
        let mut source =
            open_reader("users.csv", Box::new(text.as_bytes()), &Format::default()).unwrap();
        let mut issues = Vec::new();
        let summary = validate(source.as_mut(), &options, |issue| {
            let record = issue.record_number.unwrap_or_default();
            issues.push(format!("{record} {}", issue.code.as_str()));
        })
        .unwrap();
        let expected = [
            "0 unknown_columns",
            "0 unknown_columns",
            "2 missing_trait",
            "3 invalid_email",
            "4 conflicting_user_fields",
        ];
        assert_eq!(issues, expected);
        assert_eq!(
            (summary.valid, summary.users, summary.memberships),
            (2, 1, 0)
        );
        assert_eq!(summary.mode.as_str(), "identities");
    }

    #[test]
    fn a_header_without_rows_is_no_error_here() {
        let (summary, _) = validated("email\n");
        assert_eq!(summary.records, 0);
    }
}
