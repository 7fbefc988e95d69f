//! Reads Kratos' answers: identities, pages, results of batches, errors. Only what is needed is required.

use http::HeaderMap;
use http::header::LINK;
use jiff::Timestamp;
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::names;
use super::requests::patch_id;
use crate::directory::{
    ApiError, Details, Found, IdentityDetails, Listed, Name, Recovery, UserDetails,
};
use crate::journal::outcome::ApiDetails;
use crate::row::Kind;
use crate::secret::Secret;
use crate::wire::Answer;

/// An answer that is an object.
pub(super) fn object(body: &[u8]) -> Option<Value> {
    serde_json::from_slice(body).ok().filter(Value::is_object)
}

/// Whether an answer is about an identity at all.
pub(super) fn has_id(body: &Value) -> bool {
    text(body, "id").is_some_and(|id| !id.is_empty())
}

/// An identity.
pub(super) fn identity(body: &Value) -> Option<Found> {
    let id = text(body, "id").filter(|id| !id.is_empty())?;
    Some(Found {
        id,
        created_at: time(body, "created_at"),
        used_at: None,
        details: Details::User(details(body)),
    })
}

/// What of an identity can be read and compared; also of one that is about to be made.
pub(super) fn details(body: &Value) -> UserDetails {
    let map = |name: &str| match body.get(name) {
        // Servers show an empty object and nothing in either way.
        Some(Value::Object(pairs)) if !pairs.is_empty() => Some(sorted(pairs)),
        _ => None,
    };
    let traits = map("traits").unwrap_or_default();
    let email = traits.get("email").and_then(Value::as_str);
    UserDetails {
        email: email.unwrap_or_default().to_lowercase(),
        first_name: first_name_of(&traits),
        external_id: text(body, "external_id").filter(|id| !id.is_empty()),
        identity: Some(Box::new(IdentityDetails {
            schema_id: text(body, "schema_id").unwrap_or_default(),
            traits,
            state: text(body, "state"),
            metadata_public: map("metadata_public"),
            metadata_admin: map("metadata_admin"),
            recovery_address: body["recovery_addresses"].as_array().and_then(|all| {
                let mut by_email = all.iter().filter(|one| one["via"] == "email");
                by_email.find_map(|one| text(one, "value"))
            }),
        })),
        ..UserDetails::default()
    }
}

/// An identity of a list, with the names under which it can be looked up.
pub(super) fn listed(body: &Value) -> Option<Listed> {
    let found = identity(body)?;
    let Details::User(user) = &found.details else {
        return None;
    };
    let mut names = vec![Name::new(Kind::User, "id", &found.id)];
    let identifiers = match identifiers(body) {
        // Other addresses may be those of somebody else, who signs in with them.
        None => vec![user.email.clone()],
        Some(shown) => shown.map(str::to_lowercase).collect(),
    };
    for identifier in identifiers.into_iter().filter(|text| !text.is_empty()) {
        let name = Name::new(Kind::User, names::IDENTIFIER, identifier);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.extend(
        user.external_id
            .as_ref()
            .map(|id| Name::new(Kind::User, "external_id", id)),
    );
    Some(Listed { found, names })
}

/// The identity that signs in with an identifier, of the list that was asked for it. A server that does not know the filter
/// shows everybody, and nobody's credentials: then it counts who has it as a trait.
pub(super) fn with_identifier(body: &Value, identifier: &str) -> Option<Found> {
    let all = body.as_array()?;
    let found = all.iter().find(|one| match identifiers(one) {
        Some(mut shown) => shown.any(|one| one.eq_ignore_ascii_case(identifier)),
        None => {
            let details = details(one);
            details
                .identity
                .is_some_and(|identity| identity.says(identifier))
        }
    });
    // The server may write an identifier in another way, such as a number of a telephone.
    let only = || match all.as_slice() {
        [one] if identifiers(one).is_some() => Some(one),
        _ => None,
    };
    found.or_else(only).and_then(identity)
}

/// What an identity signs in with; `None`: it is shown without its credentials.
fn identifiers(body: &Value) -> Option<impl Iterator<Item = &str>> {
    let credentials = body.get("credentials")?.as_object()?;
    let all = credentials
        .values()
        .filter_map(|one| one.get("identifiers"));
    Some(
        all.filter_map(Value::as_array)
            .flatten()
            .filter_map(Value::as_str),
    )
}

/// What the next page of a list begins with, as the `Link` header says it.
pub(super) fn next_page(headers: &HeaderMap) -> Option<String> {
    let links = headers
        .get_all(LINK)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let next = links
        .flat_map(|link| link.split(','))
        .find(|link| link.contains("rel=\"next\""))?;
    let (_, target) = next.split_once('<')?;
    let (target, _) = target.split_once('>')?;
    let (_, query) = target.split_once('?')?;
    form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "page_token")
        .map(|(_, token)| token.into_owned())
        .filter(|token| !token.is_empty())
}

/// What became of one item of a batch.
pub(super) enum Item {
    /// It was made, with this id.
    Made(String),
    Refused(ApiError),
}

/// What became of the item at each of these places; `None`: the answer does not say.
pub(super) fn items(body: &Value, places: &[usize]) -> Option<Vec<Option<Item>>> {
    let entries = body.get("identities")?.as_array()?;
    let by_id = |place: &usize| {
        let id = patch_id(*place);
        entries
            .iter()
            .find(|entry| text(entry, "patch_id").as_deref() == Some(id.as_str()))
    };
    // In order, as is documented: looking each up among a thousand is for those that are not.
    let found = places.iter().enumerate().map(|(index, place)| {
        let in_order = entries
            .get(index)
            .filter(|entry| text(entry, "patch_id").as_deref() == Some(patch_id(*place).as_str()));
        item(in_order.or_else(|| by_id(place))?)
    });
    Some(found.collect())
}

fn item(entry: &Value) -> Option<Item> {
    if let Some(id) = text(entry, "identity").filter(|id| !id.is_empty()) {
        return Some(Item::Made(id));
    }
    let error = entry.get("error")?;
    let code = error.get("code").and_then(Value::as_u64);
    let status = code.and_then(|code| u16::try_from(code).ok());
    Some(Item::Refused(error_in(error, status.unwrap_or(400))))
}

/// Reads what an answer that is no success says: Kratos' own error, a proxy's JSON or page, nothing.
pub(super) fn error(answer: &Answer) -> ApiError {
    let body: Option<Value> = serde_json::from_slice(&answer.body).ok();
    let mut error = match &body {
        Some(Value::Object(fields)) => {
            let inner = fields.get("error").filter(|error| error.is_object());
            error_in(
                inner.or(body.as_ref()).unwrap_or(&Value::Null),
                answer.status,
            )
        }
        _ => ApiError {
            message: match answer.body.is_empty() {
                true => format!("HTTP {} without a text", answer.status),
                false => format!(
                    "HTTP {} with a page that is not the API's (a proxy's?)",
                    answer.status
                ),
            },
            details: ApiDetails {
                http_status: Some(answer.status),
                ..ApiDetails::default()
            },
        },
    };
    if error.details.workos_request_id.is_none() {
        error.details.workos_request_id = answer.header("x-request-id").map(str::to_owned);
    }
    error
}

fn error_in(error: &Value, status: u16) -> ApiError {
    let message = text(error, "message").or_else(|| text(error, "status"));
    let reason = text(error, "reason").filter(|reason| !reason.is_empty());
    let message = match (message, reason) {
        (Some(message), Some(reason)) if !message.contains(&reason) => {
            format!("{}: {reason}", message.trim_end_matches('.'))
        }
        (Some(text), _) | (None, Some(text)) => text,
        (None, None) => format!("HTTP {status} without a text"),
    };
    ApiError {
        message,
        details: ApiDetails {
            http_status: Some(status),
            workos_code: text(error, "id"),
            workos_request_id: text(error, "request"),
            ..ApiDetails::default()
        },
    }
}

/// A link, or a code and its link.
pub(super) fn recovery(body: &Value) -> Option<Recovery> {
    Some(Recovery {
        link: Secret::new(text(body, "recovery_link")?),
        code: text(body, "recovery_code").map(Secret::new),
        expires_at: time(body, "expires_at")?,
    })
}

/// When somebody last signed in, by a list of sessions.
pub(super) fn last_sign_in(body: &Value) -> Option<Timestamp> {
    let sessions = body.as_array().into_iter().flatten();
    let times =
        sessions.filter_map(|one| time(one, "authenticated_at").or_else(|| time(one, "issued_at")));
    times.max()
}

/// `first_name`, or the `first` of a `name`, as Kratos' own examples have it.
fn first_name_of(traits: &Map<String, Value>) -> Option<String> {
    let plain = traits.get("first_name");
    let nested = || traits.get("name").and_then(|name| name.get("first"));
    let name = plain.or_else(nested)?.as_str()?.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// The same with its keys in order: databases do not keep it.
pub(super) fn sorted(pairs: &Map<String, Value>) -> Map<String, Value> {
    let mut pairs: Vec<_> = pairs.iter().collect();
    pairs.sort_unstable_by_key(|(key, _)| key.as_str());
    pairs
        .into_iter()
        .map(|(key, value)| (key.clone(), sorted_value(value)))
        .collect()
}

fn sorted_value(value: &Value) -> Value {
    match value {
        Value::Object(pairs) => Value::Object(sorted(pairs)),
        Value::Array(items) => Value::Array(items.iter().map(sorted_value).collect()),
        other => other.clone(),
    }
}

fn time(body: &Value, name: &str) -> Option<Timestamp> {
    text(body, name).and_then(|time| time.parse().ok())
}

fn text(body: &Value, name: &str) -> Option<String> {
    body.get(name).and_then(Value::as_str).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;

    #[test]
    fn every_shape_of_an_error_is_read() {
        let table = [
            (
                r#"{"error":{"code":409,"status":"Conflict","message":"Taken.","reason":"This one","request":"r1"}}"#,
                "Taken: This one",
            ),
            (
                r#"{"error":{"code":404,"status":"Not Found","message":"Unable to locate"}}"#,
                "Unable to locate",
            ),
            (r#"{"message":"a proxy's own"}"#, "a proxy's own"),
            (r#"{"error":"denied"}"#, "HTTP 500 without a text"),
            (
                "<html>502</html>",
                "HTTP 500 with a page that is not the API's (a proxy's?)",
            ),
            ("", "HTTP 500 without a text"),
        ];
        for (body, message) in table {
            let answer = Answer {
                status: 500,
                headers: HeaderMap::new(),
                body: Bytes::copy_from_slice(body.as_bytes()),
            };
            assert_eq!(error(&answer).message, message, "{body}");
        }
    }

    #[test]
    fn the_next_page_is_told_by_the_link() {
        let mut headers = HeaderMap::new();
        assert_eq!(next_page(&headers), None);
        let link = "<http://k/admin/identities?page_size=2>; rel=\"first\",</admin/identities?page_size=2&page_token=a%2Bb>; rel=\"next\"";
        headers.insert(LINK, link.parse().unwrap());
        assert_eq!(next_page(&headers).as_deref(), Some("a+b"));
        headers.insert(LINK, "</x?page_token=a>; rel=\"first\"".parse().unwrap());
        assert_eq!(next_page(&headers), None);
    }

    #[test]
    fn items_are_found_by_their_id_in_whatever_order() {
        let made = |place: usize| json!({"action": "create", "identity": format!("i{place}"), "patch_id": patch_id(place)});
        let refused = json!({"action": "error", "patch_id": patch_id(7), "error": {"code": 409, "message": "no"}});
        let body = json!({ "identities": [made(2), refused, null, made(1)] });
        let read: Vec<String> = items(&body, &[1, 2, 7, 8])
            .unwrap()
            .into_iter()
            .map(|item| match item {
                Some(Item::Made(id)) => id,
                Some(Item::Refused(error)) => error.status().to_string(),
                None => "unknown".into(),
            })
            .collect();
        assert_eq!(read, ["i1", "i2", "409", "unknown"]);
        assert!(items(&json!({"id": 1}), &[1]).is_none());
    }

    #[test]
    fn a_filter_that_a_server_does_not_know_finds_nobody_else() {
        let one = |id: &str, email: &str| json!({"id": id, "traits": {"email": email}});
        let all = json!([one("1", "a@b.c"), one("2", "D@e.f")]);
        let found =
            |all: &Value, identifier| with_identifier(all, identifier).map(|found| found.id);
        assert_eq!(found(&all, "d@e.f").as_deref(), Some("2"));
        assert_eq!(found(&all, "x@y.z"), None);
        assert_eq!(found(&json!([one("1", "a@b.c")]), "x@y.z"), None);
        let by_name = json!([{"id": "3", "traits": {"login": "Ada"}}]);
        assert_eq!(found(&by_name, "ada").as_deref(), Some("3"));
        // The one that the server has found, whose number it writes in its own way.
        let by_number =
            json!([{"id": "4", "traits": {}, "credentials": {"code": {"identifiers": ["+491"]}}}]);
        assert_eq!(found(&by_number, "+49 1").as_deref(), Some("4"));
    }

    /// An address for recovery is not what its owner signs in with: somebody else may.
    #[test]
    fn the_names_of_an_identity_are_what_it_signs_in_with() {
        let mut body = json!({
            "id": "1", "external_id": "e", "traits": {"email": "Alice@b.c", "backup": "bob@b.c"},
            "verifiable_addresses": [{"value": "bob@b.c"}], "recovery_addresses": [{"value": "bob@b.c"}]
        });
        let names = |body: &Value| -> Vec<String> {
            listed(body).unwrap().names.iter().map(Name::text).collect()
        };
        let expected = ["user.id:1", "user.email:alice@b.c", "user.external_id:e"];
        assert_eq!(names(&body), expected);
        body["credentials"] = json!({"password": {"identifiers": ["Ali", "alice@b.c"]}, "code": {"identifiers": ["ali"]}});
        let expected = [
            "user.id:1",
            "user.email:ali",
            "user.email:alice@b.c",
            "user.external_id:e",
        ];
        assert_eq!(names(&body), expected);
        assert_eq!(
            listed(&json!({"id": "2", "traits": {"login": "a@b.c"}}))
                .unwrap()
                .names
                .len(),
            1
        );
    }

    #[test]
    fn an_identity_is_the_same_whatever_the_order_of_its_keys() {
        let one = json!({"id": "1", "traits": {"name": {"last": "L", "first": "A"}, "email": "A@b.c"}, "metadata_public": {}});
        let other = json!({"id": "1", "metadata_public": null, "traits": {"email": "A@b.c", "name": {"first": "A", "last": "L"}}});
        let text = |body| serde_json::to_string(&details(body)).unwrap();
        assert_eq!(text(&one), text(&other));
        let details = details(&one);
        assert_eq!(
            (details.email.as_str(), details.first_name.as_deref()),
            ("a@b.c", Some("A"))
        );
    }
}
