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

/// The state of a user by what these names were found to be; `None`: the next one has to be looked up too.
pub(super) fn state_of_user(user: &UserClaim, found: &[Option<Found>]) -> Option<State> {
    state_by_names(1, user.external_id.as_deref(), found)
}

/// The same for a user with so many names before the external id. Who has the row's external id already is not looked for by
/// it.
pub(super) fn state_by_names(
    names: usize,
    external_id: Option<&str>,
    found: &[Option<Found>],
) -> Option<State> {
    let by_names = found.get(..names)?;
    let mut by_names = by_names.iter().flatten();
    let first = by_names.next();
    let other = by_names.find(|other| first.is_some_and(|first| first.id != other.id));
    let by_external_id = match (external_id, first) {
        (None, _) => None,
        (Some(external_id), Some(found)) if has_external_id(found, external_id) => None,
        (Some(_), _) => found.get(names)?.as_ref(),
    };
    let other = other
        .or_else(|| by_external_id.filter(|other| first.is_some_and(|first| first.id != other.id)));
    Some(match (first, other) {
        (Some(one), Some(other)) => State::Conflict {
            by_email: one.id.clone(),
            by_external_id: other.id.clone(),
        },
        _ => first
            .or(by_external_id)
            .cloned()
            .map_or(State::Absent, State::Found),
    })
}

fn has_external_id(found: &Found, external_id: &str) -> bool {
    matches!(&found.details, Details::User(user) if user.external_id.as_deref() == Some(external_id))
}
