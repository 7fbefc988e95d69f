//! Owns what the tests of this crate share: calls in one line, and answers
//! that can be compared.

use crate::{Ending, Limits, Sandbox, Settings};
use bytes::Bytes;
use http::{Method, Request, Response};
use serde_json::Value;
use std::time::{Duration, SystemTime};

pub(crate) fn unlimited() -> Settings {
    Settings {
        limits: Limits::none(),
        ..Settings::default()
    }
}

pub(crate) fn sandbox() -> Sandbox {
    Sandbox::new(unlimited())
}

/// So many milliseconds into the test.
pub(crate) fn at(milliseconds: u64) -> SystemTime {
    crate::clock::beginning() + Duration::from_millis(milliseconds)
}

/// A request from `POST /path`, with a key that is let in.
pub(crate) fn request(line: &str, body: &Value) -> Request<Bytes> {
    let (method, path) = line.split_once(' ').unwrap();
    let body = match body {
        Value::Null => Bytes::new(),
        body => Bytes::from(body.to_string()),
    };
    Request::builder()
        .method(method.parse::<Method>().unwrap())
        .uri(path)
        .header("authorization", "Bearer sk_test_1")
        .header("content-type", "application/json")
        .body(body)
        .unwrap()
}

pub(crate) fn answered(ending: Ending) -> Response<Bytes> {
    match ending {
        Ending::Answer(response) => response,
        other => panic!("not an answer: {other:?}"),
    }
}

/// Status and body of a call.
pub(crate) fn call(sandbox: &Sandbox, line: &str, body: Value) -> (u16, Value) {
    call_at(sandbox, line, body, 0)
}

/// The same, so many milliseconds into the test.
pub(crate) fn call_at(
    sandbox: &Sandbox,
    line: &str,
    body: Value,
    milliseconds: u64,
) -> (u16, Value) {
    let exchange = sandbox.handle(&request(line, &body), at(milliseconds));
    let response = answered(exchange.ending);
    let body = serde_json::from_slice(response.body()).unwrap_or(Value::Null);
    (response.status().as_u16(), body)
}

/// The identifier of what a call made.
pub(crate) fn made(sandbox: &Sandbox, line: &str, body: Value) -> String {
    let (status, body) = call(sandbox, line, body);
    assert_eq!(status, 201, "{body}");
    body["id"].as_str().unwrap().to_owned()
}

/// Status and code of an answer that has one.
pub(crate) fn coded(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["code"].as_str().unwrap_or_default())
}

pub(crate) fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    keys
}
