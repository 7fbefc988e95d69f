//! Owns what becomes of a row whose user turns out to be another row's.

use super::Engine;
use super::settled::Progress;
use crate::directory::{Ask, Details, Refusal, State};
use crate::journal::JournalError;
use crate::row::{Claim, StepKey};

impl Engine<'_> {
    /// A user who is found by the external id alone, and is that of another row: one id names one user, and making this row
    /// true would make the other one untrue.
    pub(super) async fn made_for_another_row(
        &self,
        key: &StepKey,
        ask: &Ask<'_>,
        current: &State,
        progress: &Progress,
    ) -> Result<Option<Refusal>, JournalError> {
        let (Claim::User(user), State::Found(found)) = (ask.claim, current) else {
            return Ok(None);
        };
        let (Some(external_id), Details::User(there)) = (&user.external_id, &found.details) else {
            return Ok(None);
        };
        let is_by_it = there.external_id.as_ref() == Some(external_id)
            && !there.email.eq_ignore_ascii_case(&user.email);
        if !is_by_it || progress.is_known || progress.did.is_some() {
            return Ok(None);
        }
        let (name, id) = (key.name.clone(), found.id.clone());
        let other = self
            .journal
            .ask(move |store| store.row_of_the_same_user(&name, &id))
            .await?;
        Ok(other.map(|(record, email)| Refusal {
            error_type: "user",
            code: "user_conflict",
            message: format!(
                "The external_id {external_id} is that of {email}, which record {record} is about: two rows about different \
                 users have one id. Correct one of the two."
            ),
            api: Default::default(),
        }))
    }
}
