//! Owns the exchange of calls and answers that every directory has: permit, intent, send, what an answer means, how often
//! a call is tried, and what must not be shown. What differs between APIs is told by their [`Dialect`].

mod calls;
mod patience;
mod retry_after;
mod scrub;

use std::time::Duration;

use http::Method;
use serde_json::Value;

pub(super) use calls::{Caller, Delivered, Heard};
pub use patience::GIVE_UP_AFTER;

use super::{ApiError, Write};
use crate::pace::Call;
use crate::secret::Secret;
use crate::wire::Answer;

/// What differs between APIs in how their calls are paced and their answers are read.
#[derive(Clone, Copy)]
pub(super) struct Dialect {
    /// What an answer says that is no success.
    pub(super) error: fn(&Answer) -> ApiError,
    /// The object that the answer to a write is; `None`: it is none.
    pub(super) object: fn(&[u8]) -> Option<Value>,
    /// Whether an answer is about an object at all.
    pub(super) has_id: fn(&Value) -> bool,
    /// What a read of this target counts in.
    pub(super) of_read: fn(&str) -> Call,
    /// What a write counts in.
    pub(super) of_write: fn(&Write) -> Call,
    /// The target of a small read that tells whether the API is there at all.
    pub(super) probe: fn() -> String,
    /// The longest that one of its exchanges may take: what was sent before has arrived, or never will.
    pub(super) longest_exchange: Duration,
    /// The code of a 429 that no pause of a run is long enough for.
    pub(super) used_up: Option<&'static str>,
}

impl Dialect {
    fn is_used_up(&self, error: &ApiError) -> bool {
        self.used_up.is_some_and(|code| error.has_code(code))
    }
}

/// A call as it is about to be sent, without its body.
pub(super) struct Letter<'a> {
    pub(super) call: &'static str,
    pub(super) paced: Call,
    pub(super) method: Method,
    pub(super) target: &'a str,
    /// Texts that must not come back in anything that is shown.
    pub(super) secrets: &'a [Secret],
    /// After which the answer counts as lost.
    pub(super) timeout: Duration,
}
