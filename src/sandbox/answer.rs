//! Owns what an answer is before it becomes HTTP: status, body, and the
//! shapes of every error that the API is known to give.

use crate::clock;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, DATE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use serde_json::{Value, json};
use std::time::SystemTime;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// An answer, or the refusal that takes its place.
pub(crate) type Answered = Result<Answer, Answer>;

/// What is said, apart from the headers that every answer has.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Body,
}

/// The forms that a body takes.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Json(Value),
    Text(&'static str),
    Html(String),
    Empty,
}

impl Answer {
    pub(crate) fn json(status: StatusCode, body: Value) -> Self {
        Self {
            status,
            body: Body::Json(body),
        }
    }

    pub(crate) fn ok(body: Value) -> Self {
        Self::json(StatusCode::OK, body)
    }

    pub(crate) fn created(body: Value) -> Self {
        Self::json(StatusCode::CREATED, body)
    }

    /// Deleted: users and memberships answer so, without a body.
    pub(crate) fn deleted() -> Self {
        Self {
            status: StatusCode::OK,
            body: Body::Empty,
        }
    }

    /// Deleted, in the newer parts of the API.
    pub(crate) fn no_content() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            body: Body::Empty,
        }
    }

    /// An organization is deleted behind the scenes, and plain text says so.
    pub(crate) fn accepted() -> Self {
        Self {
            status: StatusCode::ACCEPTED,
            body: Body::Text("Accepted"),
        }
    }

    pub(crate) fn message(status: StatusCode, message: impl Into<String>) -> Self {
        Self::json(status, json!({ "message": message.into() }))
    }

    pub(crate) fn code(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self::json(status, json!({ "code": code, "message": message.into() }))
    }

    fn with_reason(
        status: StatusCode,
        code: &str,
        message: &str,
        reason: &str,
        detail: impl Into<String>,
    ) -> Self {
        Self::json(
            status,
            json!({
                "code": code,
                "message": message,
                "errors": [{ "code": reason, "message": detail.into() }],
            }),
        )
    }

    /// 400, with a code of its own.
    pub(crate) fn refused(code: &str, message: impl Into<String>) -> Self {
        Self::code(StatusCode::BAD_REQUEST, code, message)
    }

    /// 409, with a code of its own.
    pub(crate) fn conflict(code: &str, message: impl Into<String>) -> Self {
        Self::code(StatusCode::CONFLICT, code, message)
    }

    /// 422, about one field.
    pub(crate) fn invalid(reason: &str, detail: impl Into<String>) -> Self {
        Self::with_reason(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_request_parameters",
            "Validation failed",
            reason,
            detail,
        )
    }

    /// A user was not made; why is told in `errors`, not by the code.
    pub(crate) fn user_creation_error(reason: &str, detail: impl Into<String>) -> Self {
        Self::with_reason(
            StatusCode::BAD_REQUEST,
            "user_creation_error",
            "Could not create user.",
            reason,
            detail,
        )
    }

    pub(crate) fn password_strength_error(reason: &str, detail: impl Into<String>) -> Self {
        Self::with_reason(
            StatusCode::BAD_REQUEST,
            "password_strength_error",
            "Password does not meet strength requirements.",
            reason,
            detail,
        )
    }

    pub(crate) fn entity_not_found(kind: &str, id: &str) -> Self {
        Self::json(
            StatusCode::NOT_FOUND,
            json!({
                "message": format!("{kind} not found: '{id}'."),
                "code": "entity_not_found",
                "entity_id": id,
            }),
        )
    }

    pub(crate) fn not_found() -> Self {
        Self::message(StatusCode::NOT_FOUND, "Not Found")
    }

    pub(crate) fn unauthorized() -> Self {
        Self::message(StatusCode::UNAUTHORIZED, "Unauthorized")
    }

    pub(crate) fn too_many_requests() -> Self {
        Self::json(
            StatusCode::TOO_MANY_REQUESTS,
            json!({ "message": "Too many requests.", "code": "rate_limit_exceeded" }),
        )
    }

    pub(crate) fn daily_quota_exceeded() -> Self {
        Self::code(
            StatusCode::TOO_MANY_REQUESTS,
            "daily_quota_exceeded",
            "Daily email quota exceeded.",
        )
    }

    /// The HTTP form. An answer without a request id is one that a proxy gave
    /// in the API's place.
    pub(crate) fn into_response(
        self,
        request_id: Option<&str>,
        retry_after: Option<String>,
        now: SystemTime,
    ) -> Response<Bytes> {
        let (content_type, body) = match self.body {
            Body::Json(value) => (
                Some("application/json; charset=utf-8"),
                Bytes::from(value.to_string()),
            ),
            Body::Text(text) => (
                Some("text/plain; charset=utf-8"),
                Bytes::from_static(text.as_bytes()),
            ),
            Body::Html(page) => (Some("text/html"), Bytes::from(page)),
            Body::Empty => (None, Bytes::new()),
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if let Some(content_type) = content_type {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        let texts = [
            (DATE, Some(clock::http_date(now))),
            (REQUEST_ID, request_id.map(str::to_owned)),
            (RETRY_AFTER, retry_after),
        ];
        for (name, text) in texts {
            if let Some(Ok(value)) = text.map(HeaderValue::try_from) {
                headers.insert(name, value);
            }
        }
        response
    }
}
