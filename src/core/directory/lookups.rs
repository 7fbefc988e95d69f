//! Owns how a claim's object is found by its names: one after another, and a user by two of them.

use super::{Ask, CallError, Details, Directory, Found, Name, State};
use crate::row::Kind;
use crate::row::claim::UserClaim;

/// By the claim's names, one after another, until its state is known.
pub(super) async fn observe<D: Directory + ?Sized>(
    directory: &D,
    ask: &Ask<'_>,
) -> Result<State, CallError> {
    let mut found = Vec::new();
    let mut names = directory.names_asked(ask).into_iter();
    loop {
        if let Some(state) = directory.state(ask, &found) {
            return Ok(state);
        }
        match names.next() {
            Some(name) => found.push(directory.look_up(&name).await?),
            None => return Ok(State::Absent),
        }
    }
}

/// A user's names: the email, then the external id, if there is one.
pub(super) fn names_of_user(user: &UserClaim) -> Vec<Name> {
    let by_email = Name::new(Kind::User, "email", user.email.to_lowercase());
    let external_id = user.external_id.as_ref();
    let by_external_id = external_id.map(|id| Name::new(Kind::User, "external_id", id));
    [Some(by_email), by_external_id]
        .into_iter()
        .flatten()
        .collect()
}

/// The state of a user by what these names were found to be; `None`: the next one has to be looked up too. Who has the
/// row's external id already is not looked for by it.
pub(super) fn state_of_user(user: &UserClaim, found: &[Option<Found>]) -> Option<State> {
    let one = |found: &Option<Found>| found.clone().map_or(State::Absent, State::Found);
    let by_email = found.first()?;
    let Some(external_id) = &user.external_id else {
        return Some(one(by_email));
    };
    let has_it = by_email.as_ref().is_some_and(|found| {
        matches!(&found.details, Details::User(user) if user.external_id.as_ref() == Some(external_id))
    });
    if has_it {
        return Some(one(by_email));
    }
    Some(match (by_email, found.get(1)?) {
        (Some(one), Some(other)) if one.id != other.id => State::Conflict {
            by_email: one.id.clone(),
            by_external_id: other.id.clone(),
        },
        (Some(found), _) | (None, Some(found)) => State::Found(found.clone()),
        (None, None) => State::Absent,
    })
}
