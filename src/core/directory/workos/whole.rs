//! Owns calls about single objects, whose answers are handed on as the API wrote them. They keep the same pace and are
//! tried again in the same cases as those of an import.

use async_trait::async_trait;
use bytes::Bytes;
use http::Method;
use serde_json::Value;

use super::WorkOs;
use crate::directory::exchange::Heard;
use crate::directory::{ApiError, BeforeSend, CallError, Doubt, Write};
use crate::journal::JournalError;
use crate::journal::outcome::Effect;
use crate::row::Kind;
use crate::secret::Secret;

/// One write about one object. Deliberately without `Debug`: bodies hold secrets.
#[derive(Clone)]
pub(crate) struct Call {
    /// What the log calls it.
    pub(crate) name: &'static str,
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) body: Option<Value>,
    /// Texts that must not come back in anything that is shown.
    pub(crate) secrets: Vec<Secret>,
}

/// What was heard of such a write. Without `Debug`: an answer can hold a key.
pub(crate) enum Written {
    /// The object as the API shows it; `Null` where it was deleted.
    Body(Value),
    Refused(ApiError),
    /// It may or may not have been applied between these two moments of the server's clock.
    InDoubt(Doubt, ApiError),
}

/// A single object has no journal: its command ends, and says what became of it.
struct NoJournal;

#[async_trait]
impl BeforeSend for NoJournal {
    async fn commit(&self) -> Result<(), JournalError> {
        Ok(())
    }
}

impl WorkOs {
    /// Reads, as often as it takes; `None` for 404.
    pub(crate) async fn read_whole(
        &self,
        call: &'static str,
        target: String,
    ) -> Result<Option<Value>, CallError> {
        self.get(call, target).await
    }

    /// Writes once, as far as can be told.
    pub(crate) async fn write_whole(&self, call: &Call) -> Result<Written, CallError> {
        let write = Write {
            effect: match call.method {
                Method::DELETE => Effect::Deleted,
                _ => Effect::Updated,
            },
            // Only whose turn it is depends on this, and nobody else waits here.
            kind: Kind::User,
            call: call.name,
            method: call.method.clone(),
            target: call.target.clone(),
            body: call.body.as_ref().map(|body| Bytes::from(body.to_string())),
            compare_again: false,
            is_suspect: false,
            fallback: None,
            before: None,
            secrets: call.secrets.clone(),
        };
        let heard = self
            .caller
            .write_and_read(&write, &NoJournal, whole_object)
            .await;
        match heard {
            Ok(Heard::Body(body)) => Ok(Written::Body(body)),
            Ok(Heard::Refused(error)) => Ok(Written::Refused(error)),
            Ok(Heard::Doubt(doubt, error)) => Ok(Written::InDoubt(doubt, error)),
            Ok(Heard::Failed(error)) => Err(error),
            // Neither happens without a journal.
            Ok(Heard::Withdrawn) => Err(CallError::Away("The request was not sent.".into())),
            Err(error) => Err(CallError::Away(error.to_string())),
        }
    }
}

fn whole_object(body: &[u8]) -> Option<Value> {
    serde_json::from_slice(body).ok().filter(Value::is_object)
}
