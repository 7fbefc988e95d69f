//! Owns the invitations: how a body asks for one, which there are, and how
//! each stands at a given time.

use crate::answer::Answer;
use crate::clock;
use crate::fields::{Fields, Given};
use crate::users;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, SystemTime};

pub(crate) const KIND: &str = "Invitation";

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const DEFAULT_DAYS: u32 = 7;
const MOST_DAYS: u32 = 30;

#[derive(Clone, Debug)]
pub(crate) struct Invitation {
    pub(crate) email: String,
    pub(crate) organization_id: Option<String>,
    pub(crate) role_slug: Option<String>,
    pub(crate) inviter_user_id: Option<String>,
    pub(crate) token: String,
    expires: SystemTime,
    accepted_at: Option<String>,
    accepted_user_id: Option<String>,
    revoked_at: Option<String>,
    created_at: String,
    updated_at: String,
}

/// How an invitation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Pending,
    Accepted,
    Revoked,
    Expired,
}

/// Every invitation of the environment, with its indexes.
#[derive(Debug, Default)]
pub(crate) struct Invitations {
    by_id: BTreeMap<String, Invitation>,
    by_email: HashMap<String, BTreeSet<String>>,
    by_organization: HashMap<String, BTreeSet<String>>,
}

/// What a body asks for, without a token yet. Whether user, organization and
/// role are there is not looked at.
pub(crate) fn read(fields: &Fields, now: SystemTime) -> Result<Invitation, Answer> {
    let email = users::normalized(&fields.required_text("email", "Email")?);
    let organization_id = fields.text("organization_id")?.value();
    let role_slug = fields.text("role_slug")?.value();
    let inviter_user_id = fields.text("inviter_user_id")?.value();
    fields.text("locale")?;
    let days = days(fields)?;
    if !users::is_email(&email) {
        return Err(Answer::invalid(
            "email_invalid",
            "Email should be an email address.",
        ));
    }
    let time = clock::written(now);
    Ok(Invitation {
        email,
        organization_id,
        role_slug,
        inviter_user_id,
        token: String::new(),
        expires: now.checked_add(DAY * days).unwrap_or(now),
        accepted_at: None,
        accepted_user_id: None,
        revoked_at: None,
        created_at: time.clone(),
        updated_at: time,
    })
}

fn days(fields: &Fields) -> Result<u32, Answer> {
    let Given::Value(value) = fields.raw("expires_in_days") else {
        return Ok(DEFAULT_DAYS);
    };
    let Some(days) = value.as_i64() else {
        return Err(Answer::invalid(
            "expires_in_days_must_be_integer",
            "expires_in_days should be of type integer.",
        ));
    };
    if days < 1 {
        return Err(Answer::refused(
            "expires_in_days_too_short",
            "An invitation should be open for at least 1 day.",
        ));
    }
    let days = u32::try_from(days).ok().filter(|days| *days <= MOST_DAYS);
    days.ok_or_else(|| {
        Answer::refused(
            "expires_in_days_too_long",
            "An invitation should be open for at most 30 days.",
        )
    })
}

impl Invitations {
    pub(crate) fn get(&self, id: &str) -> Result<&Invitation, Answer> {
        self.by_id
            .get(id)
            .ok_or_else(|| Answer::entity_not_found(KIND, id))
    }

    /// Those to an address, into an organization, both, or all.
    pub(crate) fn ids_of(
        &self,
        email: Option<&str>,
        organization_id: Option<&str>,
    ) -> BTreeSet<String> {
        let to = email.map(|email| self.by_email.get(email));
        let into = organization_id.map(|id| self.by_organization.get(id));
        match (to, into) {
            (None, None) => self.by_id.keys().cloned().collect(),
            (Some(ids), None) | (None, Some(ids)) => ids.cloned().unwrap_or_default(),
            (Some(to), Some(into)) => {
                let both = to.zip(into).map(|(to, into)| to & into);
                both.unwrap_or_default()
            }
        }
    }

    /// Whether an address has an open invitation into this organization, or
    /// (`None`) into none.
    pub(crate) fn is_open(
        &self,
        email: &str,
        organization_id: Option<&str>,
        now: SystemTime,
    ) -> bool {
        let to = self.by_email.get(email).into_iter().flatten();
        let mut invitations = to.filter_map(|id| self.by_id.get(id));
        invitations.any(|invitation| {
            invitation.organization_id.as_deref() == organization_id
                && invitation.standing(now) == Standing::Pending
        })
    }

    pub(crate) fn insert(&mut self, id: String, invitation: Invitation) {
        let to = self.by_email.entry(invitation.email.clone());
        to.or_default().insert(id.clone());
        if let Some(organization) = &invitation.organization_id {
            let into = self.by_organization.entry(organization.clone());
            into.or_default().insert(id.clone());
        }
        self.by_id.insert(id, invitation);
    }

    pub(crate) fn accept(&mut self, id: &str, user_id: &str, now: &str) {
        if let Some(invitation) = self.by_id.get_mut(id) {
            invitation.accepted_at = Some(now.to_owned());
            invitation.accepted_user_id = Some(user_id.to_owned());
            invitation.updated_at = now.to_owned();
        }
    }

    pub(crate) fn revoke(&mut self, id: &str, now: &str) {
        if let Some(invitation) = self.by_id.get_mut(id) {
            invitation.revoked_at = Some(now.to_owned());
            invitation.updated_at = now.to_owned();
        }
    }

    pub(crate) fn delete_of_organization(&mut self, organization_id: &str) {
        for id in self
            .by_organization
            .remove(organization_id)
            .unwrap_or_default()
        {
            if let Some(invitation) = self.by_id.remove(&id)
                && let Some(to) = self.by_email.get_mut(&invitation.email)
            {
                to.remove(&id);
            }
        }
    }

    /// As the API shows it at a time, or null.
    pub(crate) fn shown(&self, id: &str, now: SystemTime) -> Value {
        let invitation = self.by_id.get(id);
        invitation.map_or(Value::Null, |invitation| {
            let token = &invitation.token;
            let mut shown = invitation.shown(id, now);
            shown["token"] = json!(token);
            shown["accept_invitation_url"] =
                json!(format!("https://sandbox.invalid/invite?token={token}"));
            shown
        })
    }

    /// Every invitation, without its token.
    pub(crate) fn dump(&self, now: SystemTime) -> Value {
        let dumped = self.by_id.iter();
        dumped
            .map(|(id, invitation)| invitation.shown(id, now))
            .collect()
    }
}

impl Invitation {
    pub(crate) fn standing(&self, now: SystemTime) -> Standing {
        if self.accepted_at.is_some() {
            Standing::Accepted
        } else if self.revoked_at.is_some() {
            Standing::Revoked
        } else if now >= self.expires {
            Standing::Expired
        } else {
            Standing::Pending
        }
    }

    fn shown(&self, id: &str, now: SystemTime) -> Value {
        json!({
            "object": "invitation",
            "id": id,
            "email": self.email,
            "state": match self.standing(now) {
                Standing::Pending => "pending",
                Standing::Accepted => "accepted",
                Standing::Revoked => "revoked",
                Standing::Expired => "expired",
            },
            "accepted_at": self.accepted_at,
            "revoked_at": self.revoked_at,
            "expires_at": clock::written(self.expires),
            "organization_id": self.organization_id,
            "inviter_user_id": self.inviter_user_id,
            "accepted_user_id": self.accepted_user_id,
            "role_slug": self.role_slug,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
        })
    }
}

#[cfg(test)]
mod tests;
