//! One object at a time: makes, reads, changes and deletes single organizations, users, memberships, invitations and API keys,
//! with the same pace and the same care about lost answers as an import, and without a journal. One file a noun. Answers
//! are the API's own objects.

mod api_keys;
mod domains;
mod error;
mod feature_flags;
mod find;
mod invitations;
mod memberships;
mod organizations;
mod page;
mod roles;
mod settle;
mod users;

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::directory::workos::{Limits, WorkOs};
use crate::import::Target;
use crate::wire::{ConnectionError, HttpTransport, Transport};
pub use error::ObjectsError;
use settle::Ensured;

/// How long is waited for an API that is away: somebody sits in front of it.
const GIVE_UP_AFTER: Duration = Duration::from_secs(120);

/// The share of the limits that is left to a live application, as for an import.
const HEADROOM: f64 = 0.1;

/// The way to single objects of one environment.
pub struct Objects {
    directory: WorkOs,
}

/// A named object, by whatever its noun is known by.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
}

impl Objects {
    /// Sets the way up; nothing is sent.
    ///
    /// # Errors
    /// For a base URL or certificates that cannot be used.
    pub fn connect(target: &Target) -> Result<Self, ConnectionError> {
        let (transport, limits): (Arc<dyn Transport>, _) = match target {
            Target::Api(connection) => {
                let live = !connection.key.expose().starts_with("sk_test_");
                let share = if live { HEADROOM } else { 0.0 };
                let limits = Limits::documented().with_headroom(share);
                (Arc::new(HttpTransport::new(connection)?), Some(limits))
            }
            Target::Kratos { .. } => return Err(ConnectionError::NoObjects),
            #[cfg(feature = "sandbox")]
            Target::KratosSandbox { .. } => return Err(ConnectionError::NoObjects),
            #[cfg(feature = "sandbox")]
            Target::Sandbox(sandbox) => {
                let limited = sandbox.limits().user_management_writes.is_some();
                let way =
                    crate::wire::InProcess::new(sandbox.clone(), "sk_test_sandbox", Clock::System);
                (Arc::new(way), limited.then(Limits::documented))
            }
        };
        Ok(Self::over(
            transport,
            limits.as_ref(),
            Clock::System,
            rand::random(),
        ))
    }

    /// The same over a transport; `seed` seeds the jitter of retries.
    pub fn over(
        transport: Arc<dyn Transport>,
        limits: Option<&Limits>,
        clock: Clock,
        seed: u64,
    ) -> Self {
        let directory =
            WorkOs::new(transport, limits, None, clock, seed).giving_up_after(GIVE_UP_AFTER);
        Self { directory }
    }

    /// Does one thing, such as `organizations` and `create`, with the input of that verb.
    ///
    /// Verbs that end with an object give `{"object", "created"}`; `delete` gives the object as it was, or null where there
    /// was none any more; `list` gives one page: `{"items", "after"}`, and memberships the names of organizations too.
    ///
    /// # Errors
    /// See [`ObjectsError`]; an input that cannot be read is `Input`.
    pub async fn call(&self, noun: &str, verb: &str, input: Value) -> Result<Value, ObjectsError> {
        match (noun, verb) {
            ("organizations", "create") => ensured(self.create_organization(read(input)?).await),
            ("organizations", "get") => as_is(self.organization_named(&name(input)?).await),
            ("organizations", "list") => page(self.list_organizations(read(input)?).await),
            ("organizations", "update") => as_is(self.update_organization(read(input)?).await),
            ("organizations", "delete") => deleted(self.delete_organization(&name(input)?).await),
            ("users", "create") => ensured(self.create_user(read(input)?).await),
            ("users", "get") => as_is(self.user_named(&name(input)?).await),
            ("users", "list") => page(self.list_users(read(input)?).await),
            ("users", "update") => as_is(self.update_user(read(input)?).await),
            ("users", "delete") => deleted(self.delete_user(&name(input)?).await),
            ("memberships", "create") => ensured(self.create_membership(read(input)?).await),
            ("memberships", "list") => page(self.list_memberships(read(input)?).await),
            ("memberships", "set-role") => as_is(self.set_roles(read(input)?).await),
            ("memberships", "deactivate") => as_is(self.set_active(read(input)?, false).await),
            ("memberships", "reactivate") => as_is(self.set_active(read(input)?, true).await),
            ("memberships", "delete") => deleted(self.delete_membership(read(input)?).await),
            ("roles", "list") => page(self.list_roles(read(input)?).await),
            ("invitations", "send") => ensured(self.send_invitation(read(input)?).await),
            ("invitations", "list") => page(self.list_invitations(read(input)?).await),
            ("invitations", "resend") => as_is(self.resend_invitation(read(input)?).await),
            ("invitations", "revoke") => as_is(self.revoke_invitation(read(input)?).await),
            ("feature-flags", "list") => page(self.list_feature_flags(read(input)?).await),
            ("api-keys", "create") => ensured(self.create_api_key(read(input)?).await),
            ("api-keys", "list") => page(self.list_api_keys(read(input)?).await),
            _ => Err(ObjectsError::Input(format!("There is no {noun} {verb}."))),
        }
    }
}

fn read<T: DeserializeOwned>(input: Value) -> Result<T, ObjectsError> {
    // The error names a field, and can quote a value: a password that is no text.
    serde_json::from_value(input).map_err(|error| {
        let words = error.to_string();
        let words = words.split(", ").next().unwrap_or_default();
        match words.starts_with("missing field") || words.starts_with("unknown field") {
            true => ObjectsError::Input(words.to_owned()),
            false => ObjectsError::Input("A value is of a type that cannot be.".into()),
        }
    })
}

fn name(input: Value) -> Result<String, ObjectsError> {
    read::<Named>(input).map(|named| named.name)
}

fn ensured(found: Result<Ensured, ObjectsError>) -> Result<Value, ObjectsError> {
    found.map(|found| json!({ "object": found.object, "created": found.created }))
}

fn as_is(found: Result<Value, ObjectsError>) -> Result<Value, ObjectsError> {
    found.map(|object| json!({ "object": object, "created": false }))
}

fn deleted(found: Result<Option<Value>, ObjectsError>) -> Result<Value, ObjectsError> {
    found.map(|object| json!({ "object": object }))
}

fn page(found: Result<impl serde::Serialize, ObjectsError>) -> Result<Value, ObjectsError> {
    found.map(|page| json!(page))
}
