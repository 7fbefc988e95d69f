//! Owns single invitations. Each one that is sent is a mail to somebody: an open one counts as done.

use http::Method;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::page::{Page, Paging};
use super::settle::{Ensured, Look, id, text};
use super::{Objects, ObjectsError};
use crate::directory::workos::{Call, query, segment};

const PATH: &str = "/user_management/invitations";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Send {
    email: String,
    #[serde(default)]
    organization: Option<String>,
    #[serde(default)]
    role: Option<String>,
    #[serde(default)]
    expires_in_days: Option<u32>,
    /// An id, an email address or an external id.
    #[serde(default)]
    inviter: Option<String>,
    #[serde(default)]
    locale: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct List {
    #[serde(default)]
    organization: Option<String>,
    #[serde(default)]
    email: Option<String>,
    /// Such as `pending`; the API has no such filter, so a page can hold fewer than it could.
    #[serde(default)]
    state: Option<String>,
    #[serde(flatten)]
    paging: Paging,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    id: String,
}

impl Objects {
    /// Sends an invitation, unless one to this address and organization is open.
    pub(super) async fn send_invitation(&self, input: Send) -> Result<Ensured, ObjectsError> {
        let email = input.email.trim().to_lowercase();
        if !email.contains('@') {
            return Err(ObjectsError::Input(
                "An invitation needs an email address.".into(),
            ));
        }
        if input
            .expires_in_days
            .is_some_and(|days| !(1..=30).contains(&days))
        {
            return Err(ObjectsError::Input(
                "An invitation expires in 1 to 30 days.".into(),
            ));
        }
        let mut body = Map::new();
        body.insert("email".into(), json!(email));
        let mut organization_id = None;
        if let Some(named) = &input.organization {
            let organization = self.organization_named(named).await?;
            body.insert("organization_id".into(), json!(id(&organization)));
            organization_id = Some(id(&organization).to_owned());
        }
        if let Some(named) = &input.inviter {
            let inviter = self.user_named(named).await?;
            body.insert("inviter_user_id".into(), json!(id(&inviter)));
        }
        let others = [
            ("role_slug", input.role.map(Value::from)),
            ("expires_in_days", input.expires_in_days.map(Value::from)),
            ("locale", input.locale.map(Value::from)),
        ];
        for (name, value) in others {
            if let Some(value) = value {
                body.insert(name.into(), value);
            }
        }
        let looks = [open(&email, organization_id)];
        if let Some(object) = self.look(&looks).await? {
            return Ok(Ensured {
                object,
                created: false,
            });
        }
        let call = Call {
            name: "send invitation",
            method: Method::POST,
            target: PATH.into(),
            body: Some(Value::Object(body)),
            secrets: Vec::new(),
        };
        self.make(&call, &looks).await
    }

    pub(super) async fn list_invitations(&self, input: List) -> Result<Page, ObjectsError> {
        let organization = match &input.organization {
            Some(named) => Some(self.organization_named(named).await?),
            None => None,
        };
        let mut filters = Vec::new();
        if let Some(organization) = &organization {
            filters.push(("organization_id", id(organization)));
        }
        if let Some(email) = &input.email {
            filters.push(("email", email));
        }
        // What the state leaves out must not make the page too small.
        let paging = match input.state {
            None => input.paging,
            Some(_) => Paging {
                limit: None,
                ..input.paging
            },
        };
        let mut page = self
            .page("list invitations", PATH, &filters, &paging)
            .await?;
        if let Some(state) = &input.state {
            page.items.retain(|one| text(one, "state") == Some(state));
        }
        Ok(page)
    }

    /// Sends the mail again, once: whether a lost answer's mail went out cannot be told.
    pub(super) async fn resend_invitation(&self, input: Named) -> Result<Value, ObjectsError> {
        let call = act(&input.id, "resend invitation", "resend");
        match self.once(&call).await? {
            Ok(invitation) => Ok(invitation),
            Err(_) => Err(ObjectsError::InDoubt {
                message: format!(
                    "The answer was lost, and nothing tells whether the mail of {} went out again. It was asked for once, and \
                     is not asked for again.",
                    input.id
                ),
                candidates: Vec::new(),
            }),
        }
    }

    /// Takes an invitation back; one that is revoked already is left alone.
    pub(super) async fn revoke_invitation(&self, input: Named) -> Result<Value, ObjectsError> {
        let refused = match self
            .repeat(&act(&input.id, "revoke invitation", "revoke"))
            .await
        {
            Err(error @ (ObjectsError::Conflict { .. } | ObjectsError::Input(_))) => error,
            other => return other,
        };
        let target = format!("{PATH}/{}", segment(&input.id));
        let there = self
            .read("get invitation", target)
            .await?
            .unwrap_or_default();
        match text(&there, "state") {
            Some("revoked") => Ok(there),
            _ => Err(refused),
        }
    }
}

fn act(id: &str, name: &'static str, verb: &str) -> Call {
    Call {
        name,
        method: Method::POST,
        target: format!("{PATH}/{}/{verb}", segment(id)),
        body: None,
        secrets: Vec::new(),
    }
}

/// The look for an invitation that somebody can still accept.
fn open(email: &str, organization: Option<String>) -> Look {
    let mut pairs = vec![("email", email), ("limit", "100"), ("order", "desc")];
    if let Some(organization) = &organization {
        pairs.push(("organization_id", organization));
    }
    let target = format!("{PATH}?{}", query(&pairs));
    let email = email.to_owned();
    Look::among("find invitation", target, move |one| {
        let is_open = text(one, "state") == Some("pending") && !is_over(one);
        let same_email = text(one, "email").is_some_and(|found| found.eq_ignore_ascii_case(&email));
        is_open && same_email && text(one, "organization_id") == organization.as_deref()
    })
}

/// Whether its time is over: the API may go on to show it as `pending`.
fn is_over(invitation: &Value) -> bool {
    let until: Option<Timestamp> = text(invitation, "expires_at").and_then(|at| at.parse().ok());
    until.is_some_and(|until| until < Timestamp::now())
}
