//! Owns the list of identities: one filter at most, and pages whose next token
//! is in the `Link` header. Pages go by the identifier, so what is made while
//! somebody turns pages may land on one that is already read.

use super::answers::{self, Reply};
use super::identities::Identities;
use super::identity::Identity;
use super::uuids::is_uuid;
use crate::answer::Answer;
use http::header::LINK;
use serde_json::Value;
use std::collections::BTreeSet;
use url::form_urlencoded;

const DEFAULT_SIZE: usize = 250;
const LARGEST_SIZE: usize = 500;
const LARGEST_IDS: usize = 500;

/// The kinds of credentials.
const CREDENTIALS: [&str; 12] = [
    "password",
    "oidc",
    "saml",
    "totp",
    "lookup_secret",
    "webauthn",
    "code",
    "passkey",
    "profile",
    "deviceauthn",
    "link_recovery",
    "code_recovery",
];

/// What a token begins with, before the identifier of the last one on a page.
const TOKEN: &str = "after-";

/// What one call asks for.
#[derive(Debug, Default)]
struct Asked {
    ids: Vec<String>,
    identifier: Option<String>,
    organization_id: Option<String>,
    /// Credentials of some kind are asked for: then all are shown, without
    /// what is secret in them.
    with_credentials: bool,
    size: Option<usize>,
    after: Option<String>,
    /// Everything but the token and the size, for the links.
    rest: Vec<(String, String)>,
}

/// Answers a list with this query.
///
/// # Errors
/// 400, for a size, a token or an identifier that is none, too many
/// identifiers, or several filters.
pub(super) fn list(identities: &Identities, query: &str) -> Result<Reply, Answer> {
    let asked = Asked::of(query)?;
    let size = asked.size.unwrap_or(DEFAULT_SIZE).clamp(1, LARGEST_SIZE);
    // UUIDs are all greater than "".
    let after = asked.after.as_deref().unwrap_or_default();
    let mut found = candidates(identities, &asked, after).filter(|identity| {
        asked.organization_id.is_none() || asked.organization_id == identity.organization_id
    });
    let page: Vec<&Identity> = found.by_ref().take(size).collect();
    let more = found.next().is_some();
    let with_credentials = asked.identifier.is_some() || asked.with_credentials;
    let shown = page.iter().map(|identity| match with_credentials {
        true => identity.shown(),
        false => identity.without_credentials(),
    });
    let reply = Reply::from(Answer::ok(shown.collect()));
    let mut links = asked.link("first", size, None);
    if let Some(last) = page.last().filter(|_| more) {
        links.push(',');
        links.push_str(&asked.link("next", size, Some(&last.id)));
    }
    Ok(reply.with(LINK, links))
}

/// Those after one identifier that the filters by identifier let through, in
/// the order of their identifiers.
fn candidates<'a>(
    identities: &'a Identities,
    asked: &'a Asked,
    after: &'a str,
) -> Box<dyn Iterator<Item = &'a Identity> + 'a> {
    let wanted: BTreeSet<&str> = match &asked.identifier {
        Some(identifier) => identities.by_identifier(identifier),
        None if asked.ids.is_empty() => return Box::new(identities.after(after)),
        None => asked.ids.iter().map(String::as_str).collect(),
    };
    let wanted = wanted.into_iter().filter(move |id| *id > after);
    Box::new(wanted.filter_map(|id| identities.get(id).ok()))
}

impl Asked {
    fn of(query: &str) -> Result<Self, Answer> {
        let mut asked = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()).into_owned() {
            match name.as_str() {
                "page_size" => {
                    let size = value.parse();
                    asked.size = Some(size.map_err(|_| invalid(&name, &value))?);
                    continue;
                }
                "page_token" if value.is_empty() => continue,
                "page_token" => {
                    let id = value.strip_prefix(TOKEN).filter(|id| is_uuid(id));
                    asked.after = Some(id.ok_or_else(|| invalid(&name, &value))?.to_owned());
                    continue;
                }
                "ids" if is_uuid(&value) => asked.ids.push(value.to_lowercase()),
                "ids" => return Err(invalid(&name, &value)),
                "organization_id" if value.is_empty() => {}
                "organization_id" if is_uuid(&value) => {
                    asked.organization_id = Some(value.to_lowercase());
                }
                "organization_id" => return Err(invalid(&name, &value)),
                "include_credential" if CREDENTIALS.contains(&value.as_str()) => {
                    asked.with_credentials = true;
                }
                "include_credential" => return Err(invalid(&name, &value)),
                "credentials_identifier" if !value.is_empty() => {
                    asked.identifier = Some(value.clone());
                }
                _ => {}
            }
            asked.rest.push((name, value));
        }
        if asked.ids.len() > LARGEST_IDS {
            return Err(answers::bad_request(
                "The number of ids to filter must not exceed 500.",
            ));
        }
        let filters = [
            !asked.ids.is_empty(),
            asked.identifier.is_some(),
            asked.organization_id.is_some(),
        ];
        if filters.iter().filter(|is_set| **is_set).count() > 1 {
            return Err(answers::bad_request(
                "You cannot combine multiple filters in this API",
            ));
        }
        Ok(asked)
    }

    fn link(&self, relation: &str, size: usize, after: Option<&str>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(&self.rest);
        query.append_pair("page_size", &size.to_string());
        let token = after.map_or_else(String::new, |id| format!("{TOKEN}{id}"));
        query.append_pair("page_token", &token);
        format!("</admin/identities?{}>; rel=\"{relation}\"", query.finish())
    }
}

fn invalid(name: &str, value: &str) -> Answer {
    answers::bad_request(&format!("Invalid value `{value}` for parameter `{name}`."))
}

/// The schemas with their identifiers.
pub(super) fn schemas(identities: &Identities) -> Value {
    let schema = |(id, schema): &(String, Value)| serde_json::json!({ "id": id, "schema": schema });
    identities.schemas().iter().map(schema).collect()
}
