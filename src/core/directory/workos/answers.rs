//! Reads the API's answers tolerantly: an `id` is required, everything else may be missing, unknown fields are fine.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

use crate::directory::{ApiError, Details, Found, UserDetails};
use crate::journal::outcome::ApiDetails;
use crate::row::{Domain, Kind};
use crate::wire::Answer;

/// A page: its readable items, and the cursor of the next one.
pub(super) struct Listed<T> {
    pub(super) items: Vec<T>,
    pub(super) after: Option<String>,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            after: None,
        }
    }
}

pub(super) fn list<T>(body: &Value, read: impl Fn(&Value) -> Option<T>) -> Listed<T> {
    let items = body.get("data").and_then(Value::as_array);
    Listed {
        items: items
            .map(|items| items.iter().filter_map(read).collect())
            .unwrap_or_default(),
        after: body
            .get("list_metadata")
            .and_then(|metadata| text(metadata, "after")),
    }
}

/// How many fields an object has at most that are looked at.
const FIELDS: usize = 16;

/// Reads an answer that is an object, without what nobody looks at: every write has one, and most of what reading it costs
/// are the fields. `None` where it is none.
pub(super) fn object(body: &[u8]) -> Option<Value> {
    let object: Object = serde_json::from_slice(body).ok()?;
    Some(Value::Object(object.0))
}

struct Object(Map<String, Value>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Object, A::Error> {
        let mut kept = Map::with_capacity(FIELDS);
        while let Some(name) = pairs.next_key::<String>()? {
            match name.as_str() {
                "object" | "updated_at" | "profile_picture_url" | "locale" => {
                    pairs.next_value::<IgnoredAny>()?;
                }
                _ => match pairs.next_value()? {
                    // As if it were missing.
                    Value::Null => {}
                    value => {
                        kept.insert(name, value);
                    }
                },
            }
        }
        Ok(Object(kept))
    }
}

pub(super) fn user(body: &Value) -> Option<Found> {
    found(
        body,
        Details::User(UserDetails {
            email: text(body, "email").unwrap_or_default(),
            first_name: text(body, "first_name"),
            last_name: text(body, "last_name"),
            name: text(body, "name"),
            email_verified: body.get("email_verified").and_then(Value::as_bool),
            external_id: text(body, "external_id"),
            metadata: metadata(body),
            identity: None,
        }),
    )
}

pub(super) fn organization(body: &Value) -> Option<Found> {
    found(
        body,
        Details::Organization {
            name: text(body, "name"),
            external_id: text(body, "external_id"),
            domains: domains(body),
            metadata: metadata(body),
        },
    )
}

/// An organization's domains. States that cannot be written are read as what comes closest.
pub(crate) fn domains(body: &Value) -> Vec<Domain> {
    let domains = body.get("domains").and_then(Value::as_array);
    let read = domains.into_iter().flatten().filter_map(|one| {
        let name = text(one, "domain").or_else(|| one.as_str().map(str::to_owned))?;
        let state = text(one, "state");
        Some(Domain {
            name: name.to_lowercase(),
            verified: matches!(state.as_deref(), Some("verified" | "legacy_verified")),
        })
    });
    read.collect()
}

fn metadata(body: &Value) -> BTreeMap<String, String> {
    let pairs = body.get("metadata").and_then(Value::as_object);
    let pairs = pairs.into_iter().flatten();
    pairs
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// A role with its permissions, which come as slugs or as objects.
pub(super) fn role_details(body: &Value) -> Option<Found> {
    let permissions = body.get("permissions").and_then(Value::as_array);
    let permissions = permissions.into_iter().flatten();
    let slugs = permissions.filter_map(|one| {
        one.as_str()
            .map(str::to_owned)
            .or_else(|| text(one, "slug"))
    });
    let details = Details::Role {
        name: text(body, "name"),
        permissions: slugs.collect(),
    };
    found(body, details)
}

/// An object of which nothing is compared. A new factor comes inside of `authentication_factor`.
pub(super) fn other(body: &Value, kind: Kind) -> Option<Found> {
    let inner = body.get("authentication_factor").unwrap_or(body);
    found(inner, Details::Other(kind))
}

/// With the ids of its user and its organization, where the answer has them.
pub(super) fn membership(body: &Value) -> Option<(Option<String>, Option<String>, Found)> {
    let mut roles: Vec<String> = Vec::new();
    let one = body.get("role").into_iter();
    let many = body
        .get("roles")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    for role in one.chain(many) {
        let slug = text(role, "slug").or_else(|| role.as_str().map(str::to_owned));
        if let Some(slug) = slug
            && !roles.contains(&slug)
        {
            roles.push(slug);
        }
    }
    let active = text(body, "status").is_none_or(|status| status != "inactive");
    let found = found(body, Details::Membership { roles, active })?;
    Some((text(body, "user_id"), text(body, "organization_id"), found))
}

/// A role's slug.
pub(super) fn role(body: &Value) -> Option<String> {
    text(body, "slug")
}

/// Whether an answer is about an object at all.
pub(super) fn has_id(body: &Value) -> bool {
    let inner = body.get("authentication_factor").unwrap_or(body);
    text(inner, "id").is_some_and(|id| !id.is_empty())
}

fn found(body: &Value, details: Details) -> Option<Found> {
    let id = text(body, "id").filter(|id| !id.is_empty())?;
    Some(Found {
        id,
        created_at: time(body, "created_at"),
        used_at: time(body, "last_sign_in_at"),
        details,
    })
}

fn time(body: &Value, name: &str) -> Option<Timestamp> {
    text(body, name).and_then(|time| time.parse().ok())
}

fn text(body: &Value, name: &str) -> Option<String> {
    body.get(name).and_then(Value::as_str).map(str::to_owned)
}

/// Reads what an answer that is no success says, whatever its shape: JSON of five kinds, a proxy's page, nothing.
pub(super) fn error(answer: &Answer) -> ApiError {
    let request_id = answer.header("x-request-id").map(str::to_owned);
    let mut details = ApiDetails {
        http_status: Some(answer.status),
        workos_request_id: request_id,
        ..ApiDetails::default()
    };
    let body: Option<Value> = serde_json::from_slice(&answer.body).ok();
    let message = match &body {
        Some(Value::Object(_)) => {
            let body = body.as_ref().unwrap_or(&Value::Null);
            details.workos_code = text(body, "code").or_else(|| text(body, "error"));
            details.workos_errors = body
                .get("errors")
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default();
            let own = text(body, "message").or_else(|| text(body, "error_description"));
            with_particulars(own, &details)
        }
        Some(Value::String(text)) => text.clone(),
        _ if answer.body.is_empty() => format!("HTTP {} without a text", answer.status),
        _ => format!(
            "HTTP {} with a page that is not the API's (a proxy's?)",
            answer.status
        ),
    };
    ApiError { message, details }
}

/// The message, with what the single errors add to it.
fn with_particulars(message: Option<String>, details: &ApiDetails) -> String {
    let mut parts: Vec<String> = Vec::new();
    for error in &details.workos_errors {
        let part = text(error, "message")
            .or_else(|| match (text(error, "field"), text(error, "code")) {
                (Some(field), Some(code)) => Some(format!("{field}: {code}")),
                (None, code) => code,
                (field, None) => field,
            })
            .or_else(|| error.as_str().map(str::to_owned));
        parts.extend(part);
    }
    let message = message
        .or_else(|| details.workos_code.clone())
        .unwrap_or_else(|| format!("HTTP {} without a text", details.http_status.unwrap_or(0)));
    if parts.is_empty() {
        message
    } else {
        format!("{message} {}", parts.join(" ")).trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderMap;
    use serde_json::json;

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert("x-request-id", "req_1".parse().unwrap());
        Answer {
            status,
            headers,
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    #[test]
    fn every_shape_of_an_error_is_read() {
        let table = [
            (r#"{"message":"Not Found"}"#, None, "Not Found"),
            (r#"{"code":"a","message":"b"}"#, Some("a"), "b"),
            (
                r#"{"code":"user_creation_error","message":"Could not create user.","errors":[{"code":"email_not_available","message":"Taken."}]}"#,
                Some("user_creation_error"),
                "Could not create user. Taken.",
            ),
            (
                r#"{"message":"m","errors":[{"field":"domain","code":"taken"}]}"#,
                None,
                "m domain: taken",
            ),
            (
                r#"{"message":"gone","code":"entity_not_found","entity_id":"user_1"}"#,
                Some("entity_not_found"),
                "gone",
            ),
            (
                r#"{"error":"invalid","error_description":"why"}"#,
                Some("invalid"),
                "why",
            ),
            (
                "<html>502</html>",
                None,
                "HTTP 500 with a page that is not the API's (a proxy's?)",
            ),
            ("", None, "HTTP 500 without a text"),
        ];
        for (body, code, message) in table {
            let error = error(&answer(500, body));
            assert_eq!(error.details.workos_code.as_deref(), code, "{body}");
            assert_eq!(error.message, message, "{body}");
            assert_eq!(error.details.workos_request_id.as_deref(), Some("req_1"));
        }
    }

    #[test]
    fn memberships_without_user_roles_or_status_are_read() {
        let (user, organization, found) =
            membership(&json!({"id": "om_1", "unknown": [1]})).unwrap();
        assert_eq!((user, organization), (None, None));
        assert_eq!(
            found.details,
            Details::Membership {
                roles: vec![],
                active: true
            }
        );
        let (_, _, found) =
            membership(&json!({"id": "om_1", "status": "inactive", "role": {"slug": "admin"}, "roles": [{"slug": "admin"}, {"slug": "member"}]}))
                .unwrap();
        assert_eq!(
            found.details,
            Details::Membership {
                roles: vec!["admin".into(), "member".into()],
                active: false
            }
        );
    }

    #[test]
    fn an_object_says_the_same_without_what_nobody_looks_at() {
        let whole = json!({
            "object": "user", "id": "user_1", "email": "a@b.c", "first_name": "Ada", "last_name": null,
            "email_verified": true, "external_id": "7", "metadata": {"object": "kept", "a": "b"},
            "profile_picture_url": {"of": ["any", 1]}, "created_at": "2026-01-01T00:00:00Z", "locale": "en",
            "updated_at": "2026-01-01T00:00:00Z", "last_sign_in_at": null, "user_id": "user_2",
            "role": {"slug": "admin"}, "roles": [{"slug": "member"}], "status": "active",
        });
        let kept = object(whole.to_string().as_bytes()).unwrap();
        assert_eq!(user(&kept), user(&whole));
        assert_eq!(organization(&kept), organization(&whole));
        assert_eq!(membership(&kept), membership(&whole));
        assert_eq!(kept.as_object().map(|pairs| pairs.len()), Some(11));
        for other in ["[]", "null", "\"text\"", "{\"id\": 1} rest", "{\"id\"", ""] {
            assert_eq!(object(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn a_domain_of_old_stays_verified() {
        let body =
            json!({"domains": [{"domain": "A.b", "state": "legacy_verified"}, {"domain": "c.d"}]});
        let read: Vec<_> = domains(&body)
            .into_iter()
            .map(|one| (one.name, one.verified))
            .collect();
        assert_eq!(read, [("a.b".to_owned(), true), ("c.d".to_owned(), false)]);
    }

    #[test]
    fn without_an_id_there_is_no_object() {
        assert!(user(&json!({"email": "a@b.c"})).is_none());
        assert!(organization(&json!({"id": ""})).is_none());
    }
}
