//! How bytes reach the API and come back: one trait, and what a failed exchange means. Never retries.

mod http_transport;
#[cfg(feature = "sandbox")]
mod in_process;
mod proxy;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method};

use crate::secret::Secret;

pub(crate) use http_transport::is_loopback;
pub use http_transport::{Connection, ConnectionError, HttpTransport, count_certificates};
#[cfg(feature = "sandbox")]
pub use in_process::InProcess;
pub use proxy::{Proxy, proxy_for};

/// How long an exchange about one object may take before its answer counts as lost.
pub const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(30);

/// The most that is read of one answer, decompressed.
pub const ANSWER_LIMIT: usize = 8 * 1024 * 1024;

/// A request as the API sees it, without host and key. Deliberately without `Debug`: bodies hold secrets.
#[derive(Clone)]
pub struct Request {
    pub method: Method,
    /// Path and query, beginning with `/`, percent-encoded.
    pub target: String,
    pub body: Option<Bytes>,
    /// How long the exchange may take before its answer counts as lost.
    pub timeout: Duration,
}

/// An answer that arrived whole.
#[derive(Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// The text of a header, if it is there and readable.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// Why there is no answer. The difference decides whether a write may be sent again as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The request did not reach the API: it was not applied.
    #[error("{0}")]
    NeverSent(String),
    /// The request left and its answer did not come whole: it may or may not have been applied.
    #[error("{0}")]
    AnswerLost(String),
}

/// Sends one request once.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Returns the answer, whatever its status, or says whether the request can have been applied.
    async fn send(&self, request: Request) -> Result<Answer, SendError>;

    /// Reads from another address, which an answer has named, without the key.
    async fn read_elsewhere(&self, _url: &str) -> Result<Answer, SendError> {
        Err(SendError::NeverSent("redirects are not followed".into()))
    }

    /// What must not come back in anything that is shown: the key.
    fn secrets(&self) -> &[Secret] {
        &[]
    }
}
