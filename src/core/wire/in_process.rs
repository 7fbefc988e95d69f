//! Owns the way to a stand-in in this process, without sockets: for rehearsals and for simulations in virtual time.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use tokio::time::{sleep, timeout};
use workos_importer_sandbox::{Ending, StandIn};

use super::{Answer, Request, SendError, Transport};
use crate::clock::Clock;
use crate::secret::Secret;

/// Hands each request to a stand-in as a network would: latency before and after, faults as resets, hangs and torn bodies.
pub struct InProcess {
    stand_in: Arc<dyn StandIn>,
    key: [Secret; 1],
    clock: Clock,
}

impl InProcess {
    /// `key` is what the stand-in sees as the bearer token; that of WorkOS takes any that begins with `sk_test_`.
    pub fn new(stand_in: impl StandIn + 'static, key: impl Into<String>, clock: Clock) -> Self {
        Self {
            stand_in: Arc::new(stand_in),
            key: [Secret::new(key)],
            clock,
        }
    }

    async fn exchange(&self, request: http::Request<bytes::Bytes>) -> Result<Answer, SendError> {
        let (before, after) = self.stand_in.latency(&request);
        pause(before).await;
        let exchange = self
            .stand_in
            .handle(&request, SystemTime::from(self.clock.now()));
        match exchange.ending {
            Ending::Answer(response) => {
                pause(after).await;
                let (parts, body) = response.into_parts();
                Ok(Answer {
                    status: parts.status.as_u16(),
                    headers: parts.headers,
                    body,
                })
            }
            Ending::Truncated(_) => {
                pause(after).await;
                Err(SendError::AnswerLost("the answer broke off".into()))
            }
            Ending::Reset => Err(SendError::AnswerLost("connection reset".into())),
            Ending::Hang => std::future::pending().await,
        }
    }
}

#[async_trait]
impl Transport for InProcess {
    async fn send(&self, request: Request) -> Result<Answer, SendError> {
        let longest = request.timeout;
        let request = http::Request::builder()
            .method(request.method)
            .uri(request.target)
            .header(AUTHORIZATION, format!("Bearer {}", self.key[0].expose()))
            .header(CONTENT_TYPE, "application/json")
            .body(request.body.unwrap_or_default())
            .map_err(|error| SendError::NeverSent(error.to_string()))?;
        match timeout(longest, self.exchange(request)).await {
            Ok(result) => result,
            Err(_) => Err(SendError::AnswerLost("no answer in time".into())),
        }
    }

    async fn read_elsewhere(&self, url: &str) -> Result<Answer, SendError> {
        let mut next = url.to_owned();
        loop {
            let request = http::Request::builder()
                .uri(next)
                .body(bytes::Bytes::new())
                .map_err(|error| SendError::NeverSent(error.to_string()))?;
            let answer = self.exchange(request).await?;
            match answer.header("location").map(str::to_owned) {
                Some(location) if (300..=399).contains(&answer.status) => next = location,
                _ => return Ok(answer),
            }
        }
    }

    fn secrets(&self) -> &[Secret] {
        &self.key
    }
}

/// Sleeps only where there is something to wait for: a timer costs more than a request in a rehearsal without latency.
async fn pause(duration: Duration) {
    if !duration.is_zero() {
        sleep(duration).await;
    }
}
