//! Owns the names under which an identity is looked up: what it signs in with, and its external id.

use crate::directory::Name;
use crate::row::Kind;
use crate::row::claim::UserClaim;

/// What a name is called that an identity signs in with: mostly an email.
pub(super) const IDENTIFIER: &str = "email";

/// What a row's identity signs in with, as the schema says it; where nothing is known of that, its email.
pub(super) fn identifiers(user: &UserClaim) -> impl Iterator<Item = String> {
    let known = user
        .identity
        .as_deref()
        .and_then(|identity| identity.identifiers.clone());
    known
        .unwrap_or_else(|| vec![user.email.to_lowercase()])
        .into_iter()
}

/// All of a row's names, the external id last.
pub(super) fn of(user: &UserClaim) -> Vec<Name> {
    let external_id = user.external_id.as_ref();
    identifiers(user)
        .map(|identifier| Name::new(Kind::User, IDENTIFIER, identifier))
        .chain(external_id.map(|id| Name::new(Kind::User, "external_id", id)))
        .collect()
}

/// The same in words.
pub(super) fn said(user: &UserClaim) -> String {
    let external_id = user.external_id.as_ref();
    let external_id = external_id.map(|id| format!("the external_id {id}"));
    let identifiers = identifiers(user).map(|identifier| format!("the identifier {identifier}"));
    identifiers
        .chain(external_id)
        .collect::<Vec<_>>()
        .join(", ")
}
