//! Owns a sending: who is next, what is made for them when their turn comes, and how each handing over is settled.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use super::turns::Turns;
use super::{Recover, RecoveryOptions, SendingError, Settled};
use crate::clock::Clock;
use crate::directory::{ApiError, CallError, Details, Directory, Found, Name, Recovery};
use crate::journal::{DueRecovery, Journal, JournalError, OpenRecovery, RecoveryState};
use crate::row::Kind;

/// How many users are read from the journal at once.
const PAGE: usize = 256;

/// Something that is made for a user, and that nobody has seen yet. [`Sending::hand_over`] gives it away.
pub struct Made(Recover);

/// Goes through the users of one run who are to be handed something; each is tried once.
pub struct Sending<'a> {
    directory: &'a dyn Directory,
    journal: &'a Journal,
    clock: Clock,
    options: RecoveryOptions,
    /// The file that everything goes into; `None`: a program takes it.
    into: Option<String>,
    page: VecDeque<DueRecovery>,
    /// The step before the next page.
    after: i64,
    passed: u64,
    turns: Turns,
}

impl<'a> Sending<'a> {
    /// Begins, or goes on where an earlier process stopped. What that one had begun is looked up in its file: `handed`
    /// says, of these users, whether the file has them, and `None` if the file is not there any more. What cannot be
    /// looked up stays in doubt.
    ///
    /// # Errors
    /// When the journal cannot be read or written, or `handed` fails.
    pub async fn begin(
        directory: &'a dyn Directory,
        journal: &'a Journal,
        clock: Clock,
        options: RecoveryOptions,
        into: Option<String>,
        handed: impl Fn(&str, &[&str]) -> io::Result<Option<Vec<bool>>>,
    ) -> Result<Self, SendingError> {
        let open = journal.ask(|store| store.open_recoveries()).await?;
        let latest = journal.ask(|store| store.latest_recovery()).await?;
        let since = latest.map(|latest| clock.now().duration_since(latest));
        let since = since.map(|since| Duration::try_from(since).unwrap_or_default());
        let sending = Self {
            directory,
            journal,
            turns: Turns::new(options.per_minute, since),
            clock,
            options,
            into,
            page: VecDeque::new(),
            after: 0,
            passed: 0,
        };
        sending.settle_earlier(open, handed).await?;
        Ok(sending)
    }

    async fn settle_earlier(
        &self,
        open: Vec<OpenRecovery>,
        handed: impl Fn(&str, &[&str]) -> io::Result<Option<Vec<bool>>>,
    ) -> Result<(), SendingError> {
        let mut files: Vec<&str> = open.iter().filter_map(|one| one.into.as_deref()).collect();
        files.sort_unstable();
        files.dedup();
        for file in files {
            let of_file = open.iter().filter(|one| one.into.as_deref() == Some(file));
            let of_file: Vec<&OpenRecovery> = of_file.collect();
            let ids: Vec<&str> = of_file.iter().map(|one| one.user_id.as_str()).collect();
            let has = handed(file, &ids).map_err(|error| SendingError::Earlier {
                file: file.to_owned(),
                reason: error.to_string(),
            })?;
            let Some(has) = has else {
                continue;
            };
            for (one, has) in of_file.iter().zip(has) {
                let settled = match has {
                    true => Settled::Delivered,
                    false => Settled::NotHandedOver,
                };
                self.settle(one.step, settled).await?;
            }
        }
        Ok(())
    }

    /// Waits for the next turn, and makes what the next user is to be handed; `None` when there is nobody left. Users who
    /// are gone take no turn, users of whom the API says no are noted as failed. May be dropped while it waits: nothing
    /// is lost, since a link that nobody has seen does no harm.
    ///
    /// # Errors
    /// When nobody can be handed anything for now.
    pub async fn next(&mut self) -> Result<Option<Made>, SendingError> {
        loop {
            let Some(due) = self.due().await? else {
                return Ok(None);
            };
            self.turns.wait().await;
            let made = self.make(&due).await?;
            // From here on nothing waits.
            self.after = due.step;
            self.passed += 1;
            self.page.pop_front();
            if let Some(recover) = made {
                return Ok(Some(Made(recover)));
            }
        }
    }

    /// How many users it has come to, whatever became of them.
    pub fn passed(&self) -> u64 {
        self.passed
    }

    /// The next user, who stays the next one.
    async fn due(&mut self) -> Result<Option<DueRecovery>, JournalError> {
        if self.page.is_empty() {
            let after = self.after;
            let page = self
                .journal
                .ask(move |store| store.due_recoveries(after, PAGE));
            self.page = page.await?.into();
        }
        Ok(self.page.front().cloned())
    }

    /// What is made for one user; `None`: there is nothing to be handed over, and why is noted.
    async fn make(&mut self, due: &DueRecovery) -> Result<Option<Recover>, SendingError> {
        let Some(found) = self.looked_up(due).await? else {
            return Ok(None);
        };
        self.turns.take();
        let (method, expires_in) = (self.options.method, self.options.expires_in);
        let made = self.directory.recover(&due.user_id, method, expires_in);
        match made.await {
            Ok(recovery) => Ok(Some(recover_of(due, found, recovery))),
            // The user was there a moment ago. Are they gone, or is this way switched off?
            Err(CallError::Refused(error)) if matches!(error.status(), 0 | 404) => {
                match self.looked_up(due).await? {
                    None => Ok(None),
                    Some(_) => Err(SendingError::Off {
                        method,
                        message: error.message,
                    }),
                }
            }
            Err(error) => self.failed(due, error).map(|()| None),
        }
    }

    /// The user as the directory has them now; `None`: they are gone, or cannot be looked at, and that is noted.
    async fn looked_up(&self, due: &DueRecovery) -> Result<Option<Found>, SendingError> {
        let name = Name::new(Kind::User, "id", &due.user_id);
        match self.directory.look_up(&name).await {
            Ok(Some(found)) => Ok(Some(found)),
            Ok(None) => {
                self.note(due.step, RecoveryState::Gone, None)?;
                Ok(None)
            }
            Err(error) => self.failed(due, error).map(|()| None),
        }
    }

    /// Notes that the API said no to one user.
    fn failed(&self, due: &DueRecovery, error: CallError) -> Result<(), SendingError> {
        let message = match error {
            CallError::Key(error) => return Err(SendingError::Key(error)),
            CallError::Away(message) => return Err(SendingError::Away(message)),
            CallError::Refused(ApiError { message, .. })
            | CallError::Unavailable { message, .. } => message,
        };
        Ok(self.note(due.step, RecoveryState::Failed, Some(message))?)
    }

    /// Notes on disk that this is about to be handed over, and then gives it away; [`Sending::settle`] says what became of
    /// it. To be waited for.
    ///
    /// # Errors
    /// When the journal cannot be written: then nobody has seen it.
    pub async fn hand_over(&self, made: Made) -> Result<Recover, JournalError> {
        let (step, at, into) = (made.0.step, self.clock.now(), self.into.clone());
        self.journal
            .commit(move |store| {
                store.note_recovery(step, RecoveryState::HandingOver, into.as_deref(), at)
            })
            .await?;
        Ok(made.0)
    }

    /// Notes on disk what became of a handing over.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub async fn settle(&self, step: i64, settled: Settled) -> Result<(), JournalError> {
        let at = self.clock.now();
        let (state, note) = match settled {
            Settled::Delivered => (RecoveryState::HandedOver, None),
            Settled::Failed(reason) => (RecoveryState::Failed, Some(reason)),
            Settled::NotHandedOver => {
                let forget = self
                    .journal
                    .commit(move |store| store.forget_recovery(step));
                return forget.await;
            }
            // As it is on disk already.
            Settled::InDoubt => return Ok(()),
        };
        self.journal
            .commit(move |store| store.note_recovery(step, state, note.as_deref(), at))
            .await
    }

    fn note(
        &self,
        step: i64,
        state: RecoveryState,
        note: Option<String>,
    ) -> Result<(), JournalError> {
        let at = self.clock.now();
        self.journal
            .note(move |store| store.note_recovery(step, state, note.as_deref(), at))
    }
}

fn recover_of(due: &DueRecovery, found: Found, recovery: Recovery) -> Recover {
    let (email, first_name) = match found.details {
        Details::User(user) => (user.email, user.first_name),
        _ => Default::default(),
    };
    Recover {
        step: due.step,
        record_number: due.record_number,
        user_id: due.user_id.clone(),
        email,
        first_name,
        link: recovery.link,
        code: recovery.code,
        expires_at: recovery.expires_at,
    }
}
