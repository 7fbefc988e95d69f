//! Owns the answers of Kratos: the shape of its errors, and answers that have
//! headers of their own.

use crate::answer::{Answer, Body};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde_json::{Value, json};
use std::time::SystemTime;

/// An answer with what it says in headers.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) answer: Answer,
    headers: Vec<(HeaderName, String)>,
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        Self {
            answer,
            headers: Vec::new(),
        }
    }
}

impl Reply {
    /// The same with one more header.
    pub(super) fn with(mut self, name: HeaderName, text: String) -> Self {
        self.headers.push((name, text));
        self
    }

    /// The HTTP form. An error says which request it answers.
    pub(super) fn into_response(self, request_id: &str, now: SystemTime) -> Response<Bytes> {
        let answer = identified(self.answer, request_id);
        let mut response = answer.into_response(None, None, now);
        for (name, text) in self.headers {
            if let Ok(value) = HeaderValue::try_from(text) {
                response.headers_mut().append(name, value);
            }
        }
        response
    }
}

/// Writes the identifier of the request into an error; other answers have none.
pub(super) fn identified(mut answer: Answer, request_id: &str) -> Answer {
    if let Body::Json(body) = &mut answer.body
        && let Some(Value::Object(error)) = body.get_mut("error")
    {
        error.insert("request".to_owned(), Value::from(request_id));
    }
    answer
}

/// An error with a status, a reason and a message, where there are any.
pub(super) fn error(status: StatusCode, message: &str, reason: Option<&str>) -> Answer {
    let mut error = json!({
        "code": status.as_u16(),
        "status": status.canonical_reason().unwrap_or("Error"),
        "message": message,
    });
    if let Some(reason) = reason {
        error["reason"] = Value::from(reason);
    }
    Answer::json(status, json!({ "error": error }))
}

/// 400, with what is wrong.
pub(super) fn bad_request(reason: &str) -> Answer {
    let message = "The request was malformed or contained invalid parameters";
    error(StatusCode::BAD_REQUEST, message, Some(reason))
}

/// 400: a body that cannot be read. The message has what the decoder says.
pub(super) fn undecodable(message: &str) -> Answer {
    error(StatusCode::BAD_REQUEST, message, None)
}

/// 409: an identifier, an address or an external identifier is taken.
pub(super) fn conflict() -> Answer {
    let message = "The resource could not be created due to a conflict";
    let reason = "This identity conflicts with another identity that already exists.";
    error(StatusCode::CONFLICT, message, Some(reason))
}

/// 404: there is no such identity or schema.
pub(super) fn not_found() -> Answer {
    error(StatusCode::NOT_FOUND, "Unable to locate the resource", None)
}

/// 404: there is no such call, or none any more.
pub(super) fn no_such_call() -> Answer {
    let message = "The requested resource could not be found";
    error(StatusCode::NOT_FOUND, message, None)
}

/// 404: a call that the configuration switches off.
pub(super) fn switched_off() -> Answer {
    let message = "The requested resource could not be found";
    let reason = "This endpoint was disabled by system administrator. Please check your url or contact the system administrator to enable it.";
    error(StatusCode::NOT_FOUND, message, Some(reason))
}

/// 401, from the proxy that asks for the token.
pub(super) fn unauthorized() -> Answer {
    let message = "The request could not be authorized";
    error(StatusCode::UNAUTHORIZED, message, None)
}

/// What an error has as its body.
pub(super) fn body_of(answer: Answer) -> Bytes {
    match answer.body {
        Body::Json(body) => Bytes::from(body.to_string()),
        Body::Text(_) | Body::Html(_) | Body::Empty => Bytes::new(),
    }
}

/// What stands for an error among the results of a batch.
pub(super) fn within_a_batch(answer: Answer) -> Value {
    match answer.body {
        Body::Json(mut body) => body["error"].take(),
        Body::Text(_) | Body::Html(_) | Body::Empty => Value::Null,
    }
}
