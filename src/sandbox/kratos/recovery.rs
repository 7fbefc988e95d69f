//! Owns recovery: links and codes for an identity, and until when they hold.
//! Which were made is kept, but neither link nor code.

use super::answers;
use super::draft::{known, object, text};
use super::identities::Identities;
use super::uuids::{Uuids, is_uuid};
use crate::answer::Answer;
use crate::clock;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

/// How long a link or a code holds where the request does not say.
const LIFESPAN: Duration = Duration::from_secs(3_600);

const PAGE: &str = "http://127.0.0.1:4433/self-service/recovery";

/// The two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Link,
    Code,
}

/// Links and codes that were made, in that order.
#[derive(Debug)]
pub(super) struct Recoveries {
    made: Vec<Value>,
    uuids: Uuids,
}

impl Recoveries {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            made: Vec::new(),
            uuids: Uuids::new(seed ^ 0x2ec0_2ec0_2ec0_2ec0),
        }
    }

    /// Makes a link or a code.
    ///
    /// # Errors
    /// 400, for a body that cannot be decoded, a time that is none or not in
    /// the future, and for a link to somebody without an address; 404, if there
    /// is no such identity.
    pub(super) fn create(
        &mut self,
        way: Way,
        identities: &Identities,
        body: &Value,
        now: SystemTime,
    ) -> Result<Answer, Answer> {
        let fields = object(body, "body")?;
        known(fields, &["identity_id", "expires_in", "flow_type"])?;
        let id = text(fields, "identity_id")?.unwrap_or_default();
        if !is_uuid(&id) {
            return Err(answers::undecodable("uuid: incorrect UUID format"));
        }
        let expires_in = match text(fields, "expires_in")? {
            None => LIFESPAN,
            Some(text) => lifespan(&text)?,
        };
        let identity = identities.get(&id)?;
        if way == Way::Link && identity.recovery.is_empty() {
            return Err(answers::bad_request(
                "The identity does not have any recovery addresses set.",
            ));
        }
        let expires_at = clock::written(now.checked_add(expires_in).unwrap_or(now));
        let kind = match way {
            Way::Link => "link",
            Way::Code => "code",
        };
        self.made
            .push(json!({ "identity_id": id, "kind": kind, "expires_at": expires_at }));
        let flow = self.uuids.next();
        Ok(match way {
            Way::Link => {
                let token = self.uuids.next();
                Answer::ok(json!({
                    "recovery_link": format!("{PAGE}?flow={flow}&token={token}"),
                    "expires_at": expires_at,
                }))
            }
            Way::Code => Answer::created(json!({
                "recovery_link": format!("{PAGE}?flow={flow}"),
                "recovery_code": self.uuids.code(),
                "expires_at": expires_at,
            })),
        })
    }

    /// For whom, in which way, and until when.
    pub(super) fn dump(&self) -> Value {
        Value::from(self.made.clone())
    }
}

/// `12h`, `90m`, `1h30m`: whole numbers, each with a unit.
fn lifespan(text: &str) -> Result<Duration, Answer> {
    let parsed = parsed(text).ok_or_else(|| {
        answers::bad_request(&format!(
            "Unable to parse \"expires_in\" whose format should match \"[0-9]+(ns|us|ms|s|m|h)\" but did not: {text}"
        ))
    })?;
    if parsed.is_zero() {
        return Err(answers::bad_request(&format!(
            "Value from \"expires_in\" must result to a future time: {text}"
        )));
    }
    Ok(parsed)
}

fn parsed(text: &str) -> Option<Duration> {
    let (mut rest, mut whole) = (text, Duration::ZERO);
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit())?;
        let (number, tail) = rest.split_at(digits);
        let number: u64 = number.parse().ok()?;
        let letters = tail
            .find(|character: char| character.is_ascii_digit())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let part = match unit {
            "ns" => Duration::from_nanos(number),
            "us" => Duration::from_micros(number),
            "ms" => Duration::from_millis(number),
            "s" => Duration::from_secs(number),
            "m" => Duration::from_secs(number.checked_mul(60)?),
            "h" => Duration::from_secs(number.checked_mul(3_600)?),
            _ => return None,
        };
        whole = whole.checked_add(part)?;
        rest = tail;
    }
    Some(whole)
}
