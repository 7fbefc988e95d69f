//! Owns a sending: who is next, what is made for them when their turn comes, and how each handing over is settled.

use std::collections::VecDeque;
use std::time::Duration;

use super::turns::Turns;
use super::{Recover, RecoveryOptions, SendingError, Settled};
use crate::clock::Clock;
use crate::directory::{ApiError, CallError, Details, Directory, Found, Name, Recovery};
use crate::journal::{DueRecovery, Journal, JournalError, RecoveryState};
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
    /// How many of those whom it has looked for are there, and how many are not.
    there: u64,
    gone: u64,
    turns: Turns,
}

impl<'a> Sending<'a> {
    /// Begins, or goes on where an earlier process stopped: [`settle_earlier`](super::settle_earlier) comes before.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn begin(
        directory: &'a dyn Directory,
        journal: &'a Journal,
        clock: Clock,
        options: RecoveryOptions,
        into: Option<String>,
    ) -> Result<Self, JournalError> {
        let latest = journal.ask(|store| store.latest_recovery()).await?;
        let since = latest.map(|latest| clock.now().duration_since(latest));
        let since = since.map(|since| Duration::try_from(since).unwrap_or_default());
        Ok(Self {
            directory,
            journal,
            turns: Turns::new(options.per_minute, since),
            clock,
            options,
            into,
            page: VecDeque::new(),
            after: 0,
            passed: 0,
            there: 0,
            gone: 0,
        })
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

    /// How many of those whom it has looked for are not in the directory.
    pub fn gone(&self) -> u64 {
        self.gone
    }

    /// Whether this seems to be another directory than the run's, to which the same address may lead: it has none of the
    /// users who were looked for. Where earlier sendings have found one, that one is looked for too.
    ///
    /// # Errors
    /// When nobody can be looked for at the moment, or the journal cannot be read.
    pub async fn is_elsewhere(&self) -> Result<bool, SendingError> {
        if self.there > 0 || self.gone == 0 {
            return Ok(false);
        }
        let latest = self.journal.ask(|store| store.latest_sent()).await?;
        let Some(user_id) = latest else {
            return Ok(true);
        };
        let name = Name::new(Kind::User, "id", &user_id);
        match self.directory.look_up(&name).await {
            Ok(found) => Ok(found.is_none()),
            Err(error) => message_of(error).map(|_| true),
        }
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
            Ok(recovery) => match address_of(due, &found) {
                Some(email) => Ok(Some(recover_of(due, email, found, recovery))),
                None => {
                    self.note(due.step, RecoveryState::Failed, Some(NO_ADDRESS.to_owned()))?;
                    Ok(None)
                }
            },
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
    async fn looked_up(&mut self, due: &DueRecovery) -> Result<Option<Found>, SendingError> {
        let name = Name::new(Kind::User, "id", &due.user_id);
        match self.directory.look_up(&name).await {
            Ok(Some(found)) => {
                self.there += 1;
                Ok(Some(found))
            }
            Ok(None) => {
                self.gone += 1;
                self.note(due.step, RecoveryState::Gone, None)?;
                Ok(None)
            }
            Err(error) => self.failed(due, error).map(|()| None),
        }
    }

    /// Notes that the API said no to one user.
    fn failed(&self, due: &DueRecovery, error: CallError) -> Result<(), SendingError> {
        let message = message_of(error)?;
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
        let settle = self.journal.commit(move |store| match settled {
            Settled::Delivered => store.end_recovery(step),
            Settled::Failed(reason) => {
                store.note_recovery(step, RecoveryState::Failed, Some(&reason), at)
            }
            Settled::NotHandedOver => store.forget_recovery(step),
            // As it is on disk already.
            Settled::InDoubt => Ok(()),
        });
        settle.await
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

/// What the API said of one user; what it says of all of them is an error.
fn message_of(error: CallError) -> Result<String, SendingError> {
    match error {
        CallError::Key(error) => Err(SendingError::Key(error)),
        CallError::Away(message) => Err(SendingError::Away(message)),
        CallError::Refused(ApiError { message, .. }) | CallError::Unavailable { message, .. } => {
            Ok(message)
        }
    }
}

/// Why nobody knows where a link is to go: it opens the account, and must not go astray.
const NO_ADDRESS: &str =
    "The user does not have the row's email any more, and no address for recovery.";

/// Where to write to a user: the email of the row, as long as they have it; else the address that the directory itself would
/// write to, or their email.
fn address_of(due: &DueRecovery, found: &Found) -> Option<String> {
    let Details::User(user) = &found.details else {
        return None;
    };
    let identity = user.identity.as_deref();
    let has_it = user.email.eq_ignore_ascii_case(&due.email)
        || identity.is_some_and(|identity| identity.says(&due.email));
    let email = match has_it {
        true => Some(&due.email),
        false => identity
            .and_then(|identity| identity.recovery_address.as_ref())
            .or(Some(&user.email)),
    };
    email.filter(|email| !email.is_empty()).cloned()
}

fn recover_of(due: &DueRecovery, email: String, found: Found, recovery: Recovery) -> Recover {
    let first_name = match found.details {
        Details::User(user) => user.first_name,
        _ => None,
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
