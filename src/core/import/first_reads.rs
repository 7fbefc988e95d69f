//! Owns the reads that come before anything else of a run: is the key good, and what does the directory hold users to.

use std::sync::Arc;

use super::options::ImportOptions;
use crate::directory::{CallError, Directory};
use crate::engine::Ended;
use crate::row::{IdentityRules, IdentitySchema};

/// Asks the directory for the schema that it holds users to, where it has one and nobody gave it: rows are checked against
/// it before anything is sent.
pub(super) async fn learn_schema(
    options: &mut ImportOptions,
    directory: &dyn Directory,
) -> Result<(), Ended> {
    let rules = options.identity_rules();
    if rules.schema.is_some() {
        return Ok(());
    }
    let schema = match directory.user_schema(&rules.schema_id).await {
        Ok(Some(schema)) => schema,
        Ok(None) => return Ok(()),
        Err(error) => return Err(first_read_failed(error)),
    };
    let schema = IdentitySchema::new(schema).map_err(|why| {
        let id = &rules.schema_id;
        Ended::Unreachable(format!(
            "The identity schema `{id}` of the server cannot be used: {why}. --identity-schema FILE gives another one."
        ))
    })?;
    options.identities = Some(Arc::new(IdentityRules {
        schema: Some(schema.served()),
        ..rules.as_ref().clone()
    }));
    Ok(())
}

/// The first, small read: key, address and clock.
pub(super) async fn check(directory: &dyn Directory) -> Result<(), Ended> {
    let checked = directory.check().await;
    checked.map(|_| ()).map_err(first_read_failed)
}

/// How a run ends whose first read fails.
fn first_read_failed(error: CallError) -> Ended {
    match error {
        CallError::Key(error) => Ended::Key(error),
        CallError::Refused(error) => {
            let status = match error.status() {
                0 => String::new(),
                status => format!(" (HTTP {status})"),
            };
            Ended::Unreachable(format!(
                "The API refuses the first read{status}: {}.",
                error.message.trim_end_matches('.')
            ))
        }
        CallError::Away(message) => Ended::Unreachable(message),
        CallError::Unavailable { message, .. } => Ended::Unreachable(format!(
            "The API cannot be reached: {message}. Check the network, the proxy and the base URL."
        )),
    }
}
