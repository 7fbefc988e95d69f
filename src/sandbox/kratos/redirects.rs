//! Owns where schemas are when the port of the admin API has none of its own,
//! as Kratos' has not: it sends on, first to a path below `/admin`, then to the
//! public API. Here that is a path of the same server.

use super::answers::Reply;
use crate::answer::{Answer, Body};
use bytes::Bytes;
use http::header::{HOST, LOCATION};
use http::{Request, StatusCode};

/// Where the public API is.
pub(super) const PUBLIC: &str = "/.ory/kratos/public";

const ADMIN: &str = "/admin";

/// The answer that sends a request for schemas on. None, if it is at the public
/// API already.
pub(super) fn of(request: &Request<Bytes>) -> Option<Reply> {
    let path = request.uri().path();
    let place = if path.starts_with(PUBLIC) {
        return None;
    } else if let Some(rest) = path.strip_prefix(ADMIN) {
        format!("{}{PUBLIC}{rest}", origin(request))
    } else {
        format!("{ADMIN}{path}")
    };
    let page = format!("<a href=\"{place}\">Temporary Redirect</a>.\n\n");
    let status = StatusCode::TEMPORARY_REDIRECT;
    let body = Body::Html(page);
    Some(Reply::from(Answer { status, body }).with(LOCATION, place))
}

/// Kratos names another server. Without a socket there is no name.
fn origin(request: &Request<Bytes>) -> String {
    let host = request.headers().get(HOST);
    let host = host.and_then(|host| host.to_str().ok());
    host.map_or_else(String::new, |host| format!("http://{host}"))
}
