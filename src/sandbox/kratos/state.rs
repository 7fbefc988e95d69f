//! Owns which call a request is, and what each does to the identities. Pure: no
//! token, no fault, no clock.

use super::answers::{self, Reply};
use super::draft::Draft;
use super::identities::Identities;
use super::recovery::{Recoveries, Way};
use super::settings::Settings;
use super::{batch, identity_patch, listing, redirects, sessions};
use crate::answer::Answer;
use crate::clock;
use crate::route::percent_decoded;
use bytes::Bytes;
use http::header::LOCATION;
use http::{Method, Request};
use serde_json::{Value, json};
use std::time::SystemTime;

/// A larger body is refused before it is read to its end.
const LARGEST_BODY: usize = 5 * 1024 * 1024;

/// The calls that are answered, with what is written in the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Create,
    Batch,
    List,
    Get(String),
    GetByExternalId(String),
    Replace(String),
    Patch(String),
    Delete(String),
    Sessions(String),
    Recover(Way),
    ListSchemas,
    GetSchema(String),
    Unknown,
}

impl Route {
    pub(super) fn of(method: &Method, path: &str) -> Self {
        let path = path.strip_prefix(redirects::PUBLIC).unwrap_or(path);
        let parts: Vec<String> = path.split('/').skip(1).map(percent_decoded).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        match (method.as_str(), parts.as_slice()) {
            ("POST", ["admin", "identities"]) => Self::Create,
            ("PATCH", ["admin", "identities"]) => Self::Batch,
            ("GET", ["admin", "identities"]) => Self::List,
            ("GET", ["admin", "identities", "by", "external", id]) => {
                Self::GetByExternalId((*id).to_owned())
            }
            ("GET", ["admin", "identities", id]) => Self::Get((*id).to_lowercase()),
            ("PUT", ["admin", "identities", id]) => Self::Replace((*id).to_lowercase()),
            ("PATCH", ["admin", "identities", id]) => Self::Patch((*id).to_lowercase()),
            ("DELETE", ["admin", "identities", id]) => Self::Delete((*id).to_lowercase()),
            ("GET", ["admin", "identities", id, "sessions"]) => {
                Self::Sessions((*id).to_lowercase())
            }
            ("POST", ["admin", "recovery", "link"]) => Self::Recover(Way::Link),
            ("POST", ["admin", "recovery", "code"]) => Self::Recover(Way::Code),
            ("GET", ["schemas"] | ["admin", "schemas"]) => Self::ListSchemas,
            ("GET", ["schemas", id] | ["admin", "schemas", id]) => {
                Self::GetSchema((*id).to_owned())
            }
            _ => Self::Unknown,
        }
    }

    /// Method and path template, under which counters have it.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Create => "POST /admin/identities",
            Self::Batch => "PATCH /admin/identities",
            Self::List => "GET /admin/identities",
            Self::Get(_) => "GET /admin/identities/{id}",
            Self::GetByExternalId(_) => "GET /admin/identities/by/external/{externalID}",
            Self::Replace(_) => "PUT /admin/identities/{id}",
            Self::Patch(_) => "PATCH /admin/identities/{id}",
            Self::Delete(_) => "DELETE /admin/identities/{id}",
            Self::Sessions(_) => "GET /admin/identities/{id}/sessions",
            Self::Recover(Way::Link) => "POST /admin/recovery/link",
            Self::Recover(Way::Code) => "POST /admin/recovery/code",
            Self::ListSchemas => "GET /schemas",
            Self::GetSchema(_) => "GET /schemas/{id}",
            Self::Unknown => "unknown",
        }
    }
}

/// The identities and the recoveries.
#[derive(Debug)]
pub(super) struct State {
    identities: Identities,
    recoveries: Recoveries,
    schemas_are_redirected: bool,
    batches: bool,
    failed_batches_are_refused: bool,
    conflicts_refuse_batches: bool,
    links: bool,
    codes: bool,
}

impl State {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            identities: Identities::new(settings.seed, settings.schemas.clone()),
            recoveries: Recoveries::new(settings.seed),
            schemas_are_redirected: settings.schemas_are_redirected,
            batches: settings.batches,
            failed_batches_are_refused: settings.failed_batches_are_refused,
            conflicts_refuse_batches: settings.conflicts_refuse_batches,
            links: settings.recovery_links,
            codes: settings.recovery_codes,
        }
    }

    /// Carries out a call, or refuses it, at a time.
    pub(super) fn handle(
        &mut self,
        route: Route,
        request: &Request<Bytes>,
        now: SystemTime,
    ) -> Reply {
        self.answered(route, request, now)
            .unwrap_or_else(Reply::from)
    }

    fn answered(
        &mut self,
        route: Route,
        request: &Request<Bytes>,
        now: SystemTime,
    ) -> Result<Reply, Answer> {
        if self.schemas_are_redirected
            && matches!(route, Route::ListSchemas | Route::GetSchema(_))
            && let Some(reply) = redirects::of(request)
        {
            return Ok(reply);
        }
        let time = clock::written(now);
        let identities = &mut self.identities;
        let answer = match route {
            Route::Create => {
                let draft = Draft::of(&body(request)?)?;
                let identity = identities.create(draft, &time)?;
                let location = format!("/admin/identities/{}", identity.id);
                let reply = Reply::from(Answer::created(identity.shown()));
                return Ok(reply.with(LOCATION, location));
            }
            Route::Batch if self.batches => {
                let refusing = batch::Refusing {
                    failed: self.failed_batches_are_refused,
                    conflicts: self.conflicts_refuse_batches,
                };
                batch::create(identities, &body(request)?, refusing, &time)?
            }
            Route::List => {
                return listing::list(identities, request.uri().query().unwrap_or_default());
            }
            Route::Get(id) => Answer::ok(identities.get(&id)?.shown()),
            Route::GetByExternalId(id) => Answer::ok(identities.by_external_id(&id)?.shown()),
            Route::Replace(id) => {
                let body = body(request)?;
                let (changed, given) = identity_patch::replaced(identities.get(&id)?, &body)?;
                Answer::ok(identities.replace(changed, &given, &time)?.shown())
            }
            Route::Patch(id) => {
                let body = body(request)?;
                let (changed, given) = identity_patch::patched(identities.get(&id)?, &body)?;
                Answer::ok(identities.replace(changed, &given, &time)?.shown())
            }
            Route::Delete(id) => {
                identities.delete(&id)?;
                Answer::no_content()
            }
            Route::Sessions(id) => Answer::ok(sessions::of(identities.get(&id)?)),
            Route::Recover(way) => {
                let is_on = match way {
                    Way::Link => self.links,
                    Way::Code => self.codes,
                };
                if !is_on {
                    return Err(answers::switched_off());
                }
                let body = body(request)?;
                self.recoveries.create(way, identities, &body, now)?
            }
            Route::ListSchemas => Answer::ok(listing::schemas(identities)),
            Route::GetSchema(id) => {
                let schema = identities.schema(&id).ok_or_else(answers::not_found)?;
                Answer::ok(schema.clone())
            }
            Route::Batch | Route::Unknown => return Err(answers::no_such_call()),
        };
        Ok(Reply::from(answer))
    }

    /// Lets somebody sign in. False if there is no such identity.
    pub(super) fn sign_in(&mut self, id: &str, now: SystemTime) -> bool {
        self.identities.sign_in(id, &clock::written(now))
    }

    /// Everything there is, without what is secret.
    pub(super) fn dump(&self) -> Value {
        let identities = self.identities.in_order().into_iter().map(|identity| {
            let mut shown = identity.shown();
            shown["password"] = identity.password.map_or(Value::Null, Value::from);
            shown
        });
        json!({
            "identities": identities.collect::<Vec<_>>(),
            "recoveries": self.recoveries.dump(),
        })
    }
}

/// The body as JSON. What a decoder says of a body that is none may quote it,
/// so only the place is told.
fn body(request: &Request<Bytes>) -> Result<Value, Answer> {
    if request.body().len() > LARGEST_BODY {
        return Err(answers::undecodable("http: request body too large"));
    }
    serde_json::from_slice(request.body()).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        answers::undecodable(&format!("invalid JSON at line {line} column {column}"))
    })
}
