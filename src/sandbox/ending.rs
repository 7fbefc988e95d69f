//! Owns how a request ends for the transport, and what each fault makes of the
//! answer that there would have been.

use crate::answer::{Answer, Body};
use crate::clock;
use crate::faults::{Fault, RetryAfter};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderValue};
use http::{Response, StatusCode};
use std::time::{Duration, SystemTime};

/// What a transport must do with one request.
#[derive(Debug)]
pub struct Exchange {
    /// How it ends.
    pub ending: Ending,
}

/// The ways in which a request ends.
#[derive(Debug)]
pub enum Ending {
    /// This is the answer.
    Answer(Response<Bytes>),
    /// The connection is reset and nothing is answered.
    Reset,
    /// Nothing is ever answered, and the connection stays open.
    Hang,
    /// The head of this answer is sent, whose `Content-Length` is larger than
    /// its body; then the body; then the connection is closed.
    Truncated(Response<Bytes>),
}

/// Turns the answer that there would have been (if the request was carried
/// out) into what the fault makes of it.
pub(crate) fn under_fault(
    fault: Fault,
    answer: Option<Answer>,
    request_id: &str,
    now: SystemTime,
) -> Ending {
    match fault {
        Fault::TooManyRequests(retry_after) => {
            let retry_after = match retry_after {
                RetryAfter::Seconds(seconds) => Some(seconds.to_string()),
                RetryAfter::Date(seconds) => {
                    let then = now.checked_add(Duration::from_secs(seconds.into()));
                    Some(clock::http_date(then.unwrap_or(now)))
                }
                RetryAfter::None => None,
            };
            let refusal = Answer::too_many_requests();
            Ending::Answer(refusal.into_response(Some(request_id), retry_after, now))
        }
        Fault::Status { status, .. } => {
            let refusal = Answer::message(status, reason_of(status));
            Ending::Answer(refusal.into_response(Some(request_id), None, now))
        }
        Fault::HtmlPage { status, .. } => {
            let title = format!("{} {}", status.as_u16(), reason_of(status));
            let page = format!(
                "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
            );
            let body = Body::Html(page);
            Ending::Answer(Answer { status, body }.into_response(None, None, now))
        }
        Fault::EmptyBody { status, .. } => {
            let body = Body::Empty;
            Ending::Answer(Answer { status, body }.into_response(None, None, now))
        }
        Fault::ResetBefore | Fault::ResetAfter => Ending::Reset,
        Fault::Hang { .. } => Ending::Hang,
        Fault::TruncatedBody => {
            let answer = answer.unwrap_or_else(Answer::deleted);
            Ending::Truncated(truncated(answer.into_response(Some(request_id), None, now)))
        }
    }
}

/// Half of the body under the length of the whole. An empty body cannot be
/// shortened, so there it is the length that is too large.
fn truncated(response: Response<Bytes>) -> Response<Bytes> {
    let (mut parts, body) = response.into_parts();
    let declared = body.len().max(1);
    parts
        .headers
        .insert(CONTENT_LENGTH, HeaderValue::from(declared));
    Response::from_parts(parts, body.slice(..body.len() / 2))
}

fn reason_of(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or("Error")
}
