//! Checks everything that can be checked before anything is sent: source, options, connection, places to write to.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::SystemTime;

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::StartError;
use super::again::{Earlier, Identity, checked, earlier, goes_on};
use super::comparison_folder::{comparison_folder, remove_left_behind};
use super::event::Event;
use super::fingerprint::ContentDigest;
use super::folder::{Folder, Looking};
use super::judging::AskedByEvents;
use super::kept_pace::check_pace;
use super::options::{Again, ImportOptions, Input, Purpose, rules_of, without_plan};
use super::outputs::{
    absolute, audit_file_of, check_is_not_source, check_place, error_file_of, write_files_of,
};
use super::reading::{Fed, FedRows, Warnings};
use super::reporter::{Counters, Errors};
use super::runs::{FoundRun, find_run};
use super::sent_lately::sent_lately;
use super::target::{Connected, Target, connect};
use crate::clock::Clock;
use crate::directory::OnExisting;
use crate::journal::{Counters as Counted, JournalError, RunInfo, RunRecord, Store};
use crate::report::AuditFile;
use crate::row::{Columns, Issue, Mode, RowKind};
use crate::source::{self, Format, Source};

/// Everything that an import needs, checked. Nothing was sent.
pub(super) struct Prepared {
    pub(super) folder: Folder,
    /// What the journal knows of earlier attempts, and whether failed rows are tried again.
    pub(super) going_on: Option<GoingOn>,
    pub(super) identity: Identity,
    /// Keys the digests of the run.
    pub(super) key: [u8; 32],
    /// Rows are known by what they say, not by their place in the source.
    pub(super) knows_rows: bool,
    /// The rehearsed run that this one has to be.
    pub(super) plan: Option<Store>,
    /// The journal of the run whose rows are verified.
    pub(super) verified: Option<PathBuf>,
    /// What the comparison had counted that was killed and goes on.
    pub(super) compared: Option<Counted>,
    /// What has to be said of earlier runs.
    pub(super) note: Option<String>,
    pub(super) options: ImportOptions,
    /// Taken when reading begins.
    pub(super) origin: Option<Origin>,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) counters: Arc<Counters>,
    pub(super) warnings: Warnings,
    pub(super) errors: Option<Errors>,
    pub(super) audit: Option<AuditFile>,
    /// When earlier runs sent what still counts in the API's windows.
    pub(super) sent_lately: Vec<Timestamp>,
    pub(super) connection: Connected,
}

/// An import that is one of an earlier run again.
pub(super) struct GoingOn {
    pub(super) info: RunInfo,
    pub(super) retry: bool,
    /// All of its rows were read before.
    pub(super) was_whole: bool,
}

/// What an import turned out to be.
pub(super) enum Ready {
    Import(Box<Prepared>),
    /// All of it is done by this run.
    Done(Box<FoundRun>),
}

pub(super) enum Origin {
    File(Box<OpenFile>),
    Fed(Box<FedRows>),
}

pub(super) struct OpenFile {
    pub(super) source: Box<dyn Source>,
    pub(super) columns: Columns,
    pub(super) mode: Mode,
    /// What has to be said once about the mode.
    pub(super) said: Vec<Issue>,
}

/// Checks everything that can be checked at once.
pub(super) fn prepare(
    options: ImportOptions,
    input: Input,
    target: Target,
    rows: mpsc::UnboundedReceiver<Fed>,
    events: mpsc::Sender<Event>,
    counters: Arc<Counters>,
) -> Result<Ready, StartError> {
    let mut options = options;
    options.rows = target.rows(options.rows)?;
    let named = match &options.again {
        Again::Resume(name) | Again::Retry(name) => {
            Some(find_run(options.run_dir.as_deref(), name)?)
        }
        Again::GoOn | Again::New => None,
    };
    let input = match &named {
        Some(run) => source_of(run, input, &mut options)?,
        None => input,
    };
    check_options(&options)?;
    if !options.rules.is_empty() {
        options.own_rules = Some(Arc::new(AskedByEvents(events.clone())));
    }
    let knows_rows = match &named {
        Some(run) => run.info.knows_rows(),
        None => options.run_name.is_some() || matches!(input, Input::Fed { .. }),
    };
    let knows_rows = knows_rows && !options.purpose.only_looks();
    let (source_name, content, shape) = described(&input, &options);
    // What is known row by row may differ as a whole.
    let content = content.filter(|_| !knows_rows);
    let warnings = Warnings {
        count: Arc::new(AtomicU64::new(0)),
        events: events.clone(),
    };
    let origin = match input {
        Input::Fed { can_rewind } => {
            if matches!(
                options.purpose,
                Purpose::Verify {
                    sample: Some(_),
                    ..
                }
            ) {
                return Err(StartError::Options(
                    "A sample needs a file: how many rows a program has is not known before."
                        .into(),
                ));
            }
            if options.strict && !can_rewind {
                return Err(strict_needs_two_readings());
            }
            Origin::Fed(Box::new(FedRows::new(rows, warnings.clone(), can_rewind)))
        }
        Input::Recorded => return Err(StartError::Options("No run is named.".into())),
        Input::Path { path, format } => {
            if options.strict && path == "-" {
                return Err(strict_needs_two_readings());
            }
            for output in options.errors_out.iter().chain(&options.results_out) {
                check_is_not_source(output, &path)?;
            }
            let source = source::open(&path, &format)?;
            let names = (source.columns(), source.columns_grow());
            let record_id = options.record_id.as_deref();
            let columns = Columns::of(options.rows, names, &options.mapping, record_id)?;
            let (mode, mut said) = Mode::decide(&options.organization, &columns)?;
            said.extend(columns.never_cleared(&options.validation().rules));
            Origin::File(Box::new(OpenFile {
                source,
                columns,
                mode,
                said,
            }))
        }
    };
    let connection = connect(&options, &target)?;
    let looking_only = options.purpose.only_looks();
    let audit = options.audit.as_ref().and_then(|(place, _)| place.named());
    for path in options
        .errors_out
        .iter()
        .chain(&options.results_out)
        .chain(audit)
    {
        check_place(path)?;
    }
    let identity = Identity::of(content, options.run_name.clone(), shape, &target);
    let run_dir = options.run_dir.clone();
    if looking_only {
        let verified = match named {
            Some(run) => {
                let journal = run.journal();
                checked(run, &identity, &options)?;
                Some(journal)
            }
            None => None,
        };
        let kind = kind_of_comparison(&options);
        let (folder, before) = comparison_folder(run_dir.as_deref(), |info| {
            kind.is_some_and(|kind| info.name.as_deref() == Some(kind))
                && info.options == identity.options
                && identity.same_content(info)
                && identity.same_environment(info)
        })?;
        let journal = folder.journal();
        let key = before
            .as_ref()
            .map_or_else(rand::random, |before| before.key);
        let store = match &before {
            Some(_) => Store::compare_again(&journal),
            None => {
                let mut record = run_record(&folder, &identity, &source_name, key);
                record.name = kind.map(str::to_owned);
                Store::create(Some(&journal), &record)
            }
        };
        drop(store.map_err(JournalError::from)?);
        let note = before.as_ref().map(|before| {
            format!(
                "An earlier comparison was killed: what it had read since {} is used.",
                before.started_at
            )
        });
        return Ok(Ready::Import(Box::new(Prepared {
            folder,
            key,
            knows_rows: false,
            going_on: None,
            identity,
            plan: None,
            verified,
            compared: before.map(|before| before.counters),
            note,
            options,
            origin: Some(origin),
            events,
            counters,
            warnings,
            errors: None,
            audit: None,
            sent_lately: Vec::new(),
            connection,
        })));
    }
    let plan = match &options.purpose {
        Purpose::Planned(path) => Some(open_plan(path, &identity)?),
        _ => None,
    };
    // Until the run is there for others to see, nobody else looks for it.
    let looking = Looking::begin(run_dir.as_deref())?;
    remove_left_behind(run_dir.as_deref());
    let seen = match (&options.again, named) {
        (Again::New, _) => Earlier::New(None),
        (_, Some(run)) => checked(run, &identity, &options)?,
        _ => earlier(run_dir.as_deref(), &identity, &source_name),
    };
    let (folder, key, going_on, note) = match seen {
        Earlier::Done(run) => {
            write_files_of(&run, &options)?;
            return Ok(Ready::Done(run));
        }
        Earlier::New(note) => {
            let key = rand::random();
            let folder = Folder::create(run_dir.as_deref(), identity.name.as_deref())?;
            let record = run_record(&folder, &identity, &source_name, key);
            Store::create(Some(&folder.journal()), &record).map_err(JournalError::from)?;
            (folder, key, None, note)
        }
        Earlier::GoesOn { run, retry } => {
            let note = goes_on(&run, retry);
            let was_whole = run.is_whole();
            let (folder, info) = (Folder::of(&run)?, run.info);
            let going_on = GoingOn {
                retry,
                was_whole,
                info,
            };
            (folder, going_on.info.key, Some(going_on), Some(note))
        }
    };
    drop(looking);
    let sent_lately = connection
        .limits
        .as_ref()
        .map(|limits| {
            let (period, longest) = (limits.writes.period, connection.longest_exchange());
            sent_lately(run_dir.as_deref(), &identity, period, longest)
        })
        .unwrap_or_default();
    // The file of an earlier attempt stays as it is until it is known that this one goes on.
    let (errors, audit) = match is_asked(&options, &connection) {
        true => (None, None),
        false => (
            Some(error_file_of(&options, &folder, going_on.as_ref())?),
            audit_file_of(&options, &folder, going_on.as_ref())?,
        ),
    };
    Ok(Ready::Import(Box::new(Prepared {
        folder,
        key,
        knows_rows,
        going_on,
        identity,
        plan,
        verified: None,
        compared: None,
        note,
        options,
        origin: Some(origin),
        events,
        counters,
        warnings,
        errors,
        audit,
        sent_lately,
        connection,
    })))
}

/// By what a comparison knows its like again, beside source, options and environment: what it reads, and keeps of that.
/// `None`: it is made from the beginning.
fn kind_of_comparison(options: &ImportOptions) -> Option<&'static str> {
    match options.purpose {
        _ if options.again == Again::New => None,
        Purpose::Plan => Some("plan"),
        Purpose::Verify {
            extra: false,
            sample: None,
        } => Some("verify"),
        Purpose::Verify {
            extra: true,
            sample: None,
        } => Some("verify with extra"),
        // Each draws rows of its own.
        Purpose::Verify {
            sample: Some(_), ..
        } => None,
        Purpose::Import | Purpose::Planned(_) => None,
    }
}

/// Opens a plan; refuses one that is of another source, of other options or of another environment.
fn open_plan(path: &Path, identity: &Identity) -> Result<Store, StartError> {
    let refuse = |what: &str| {
        let path = path.display();
        Err(StartError::Options(format!("The plan {path} {what}.")))
    };
    let opened = Store::open(path).and_then(|store| Ok((store.run_info()?, store)));
    let (info, plan) = match opened {
        Ok(opened) => opened,
        Err(_) if !path.exists() => return refuse("is not there"),
        Err(_) => return refuse("cannot be read: `plan SOURCE --out FILE` writes one"),
    };
    if !identity.same_content(&info) {
        return refuse("was made for another source, or the source has changed since: plan again");
    }
    if info.options != without_plan(&identity.options) {
        return refuse("was made with other options: use the same ones, or plan again");
    }
    if !identity.same_environment(&info) {
        return refuse("was made for another environment, or with another key: plan again");
    }
    Ok(plan)
}

/// The source of a run that is gone on with: what is given, else the file that it was begun with. The options that shape
/// the result are the run's own.
fn source_of(
    run: &FoundRun,
    given: Input,
    options: &mut ImportOptions,
) -> Result<Input, StartError> {
    let shape = serde_json::from_str(&run.info.options).unwrap_or_default();
    let format = options.take_shape(&shape);
    // Without them, rows that they refuse would be imported now.
    let rules = rules_of(&shape);
    if rules != options.rules {
        return Err(other_rules(run, &rules));
    }
    options.run_name.clone_from(&run.info.name);
    let what = match (given, run.info.source.as_str()) {
        (_, "-") => "its rows came from standard input, and cannot be read again",
        (Input::Recorded, "rows") => {
            "its rows came from a program, and cannot be read again: hand them over (source=)"
        }
        (Input::Recorded, path) => {
            let path = path.to_owned();
            return Ok(Input::Path { path, format });
        }
        (Input::Path { path, .. }, _) => return Ok(Input::Path { path, format }),
        (Input::Fed { .. }, _) if !run.info.knows_rows() => {
            "it was begun with a file, and rows of a program are not known from there"
        }
        (fed, _) => return Ok(fed),
    };
    let (run, what) = (run.info.id.clone(), what.to_owned());
    Err(StartError::SourceChanged { run, what })
}

fn other_rules(run: &FoundRun, rules: &[String]) -> StartError {
    let id = &run.info.id;
    StartError::Options(match rules.is_empty() {
        true => format!("Run {id} was begun without rules: go on with it without them."),
        false => {
            let rules = rules.join(", ");
            format!(
                "Run {id} was begun with rules of a program ({rules}): go on with it from there, with the same rules."
            )
        }
    })
}

/// What the source is called, what it holds where that can be told, and the options that shape the result.
fn described(input: &Input, options: &ImportOptions) -> (String, Option<ContentDigest>, String) {
    let Input::Path { path, format } = input else {
        let shape = options.shape(&Format::default()).to_string();
        return ("rows".to_owned(), None, shape);
    };
    let file = source::expand_home(path);
    let content = match path.as_str() {
        "-" => None,
        // What cannot be read is said better when it is opened.
        _ => ContentDigest::of_file(&file).ok().flatten(),
    };
    let name = match &content {
        Some(_) => absolute(&file),
        None => path.clone(),
    };
    (name, content, options.shape(format).to_string())
}

/// What the journal of a new run begins with; the mode is known when the source is read.
fn run_record(folder: &Folder, identity: &Identity, source: &str, key: [u8; 32]) -> RunRecord {
    RunRecord {
        id: folder.id.clone(),
        name: identity.name.clone(),
        source: source.to_owned(),
        mode: String::new(),
        target: identity.target.clone(),
        options: identity.options.clone(),
        source_digest: identity.content.map(|content| content.keyed(&key)),
        environment: identity.environment(&key),
        key,
        started_at: Clock::System.now().to_string(),
    }
}

/// Whether the caller is asked before anything is written.
pub(super) fn is_asked(options: &ImportOptions, connection: &Connected) -> bool {
    options.asks_first && connection.live && !options.purpose.only_looks()
}

fn strict_needs_two_readings() -> StartError {
    StartError::Options(
        "--strict reads the source twice, and this one can be read only once. Save it as a file."
            .into(),
    )
}

pub(super) fn check_options(options: &ImportOptions) -> Result<(), StartError> {
    let refuse = |text: &str| Err(StartError::Options(text.to_owned()));
    if options.update_passwords && options.on_existing != OnExisting::Update {
        return refuse("--update-passwords needs --on-existing update.");
    }
    if options.clear_empty && options.on_existing != OnExisting::Update {
        return refuse("--clear-empty needs --on-existing update.");
    }
    match options.rows {
        RowKind::Users => {}
        RowKind::Identities => check_identities(options)?,
        _ => check_other_rows(options)?,
    }
    if options.concurrency == Some(0) {
        return refuse("--concurrency must be at least 1.");
    }
    check_pace(options.rate_limit, options.headroom)?;
    if let Some(name) = &options.run_name
        && !is_run_name(name)
    {
        return refuse(
            "run_id must be 1 to 100 letters, digits, dots, dashes or underscores, begin with a letter or a digit, and not \
             be `latest`.",
        );
    }
    if options.give_up_after.is_some_and(|after| after.is_zero()) {
        return refuse("--give-up-after must be longer than nothing. Write it like 30min.");
    }
    if options
        .stop_at
        .is_some_and(|moment| moment <= SystemTime::from(Clock::System.now()))
    {
        return refuse("--stop-at names a moment that is over.");
    }
    if options.errors_out.is_some() && options.errors_out == options.results_out {
        return refuse("--errors-out and --results-out name the same file.");
    }
    if let Some(path) = options.audit.as_ref().and_then(|(place, _)| place.named())
        && [&options.errors_out, &options.results_out].contains(&&Some(path.clone()))
    {
        return refuse("--audit-file names the same file as --errors-out or --results-out.");
    }
    Ok(())
}

/// What Kratos has no way to do is refused for identities.
fn check_identities(options: &ImportOptions) -> Result<(), StartError> {
    let refuse = |text: &str| Err(StartError::Options(text.to_owned()));
    if options.require_membership || options.reactivate {
        return refuse(
            "Kratos has no memberships: leave out --require-membership and --reactivate.",
        );
    }
    if options.clear_empty {
        return refuse(
            "--clear-empty is not for identities: an empty cell leaves a trait as it is.",
        );
    }
    if options.update_passwords {
        return refuse(
            "--update-passwords is not for identities: Kratos changes credentials by no patch. Send recovery links \
             (recovery send).",
        );
    }
    Ok(())
}

/// What belongs to imports of users alone is refused for other rows.
fn check_other_rows(options: &ImportOptions) -> Result<(), StartError> {
    let rows = options.rows.as_str();
    let refuse = |flag: &str| {
        let text = format!("{flag} is for imports of users, not for {rows}.");
        Err(StartError::Options(text))
    };
    if options.require_membership {
        return refuse("--require-membership");
    }
    if options.clear_empty {
        return refuse("--clear-empty");
    }
    if options.audit.is_some() {
        return refuse("--audit-file");
    }
    if options.purpose.only_looks() && !options.rows.is_comparable() {
        let text = format!(
            "{rows} cannot be compared with a directory. Send them again: what is there is left alone."
        );
        return Err(StartError::Options(text));
    }
    Ok(())
}

/// A name that is a folder's on every system, and cannot be taken for another word.
fn is_run_name(name: &str) -> bool {
    name.len() <= 100
        && name != "latest"
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|one| one.is_ascii_alphanumeric() || matches!(one, '.' | '-' | '_'))
}
