//! Owns the calls that send mail: invitations and password resets. Notes each
//! mail for who counts them.

use super::State;
use crate::answer::{Answer, Answered};
use crate::clock;
use crate::counters::Mail;
use crate::fields::Fields;
use crate::invitations::{self, Invitation, Standing};
use crate::memberships::Statuses;
use crate::organizations;
use crate::paging::Page;
use crate::route::{Mailing, Query};
use crate::users;
use bytes::Bytes;
use http::Request;
use serde_json::json;
use std::time::{Duration, SystemTime};

/// As recorded.
const RESET: Duration = Duration::from_secs(15 * 60);

impl State {
    pub(super) fn mailing(
        &mut self,
        call: Mailing,
        id: &str,
        request: &Request<Bytes>,
        now: SystemTime,
    ) -> Answered {
        match call {
            Mailing::ListInvitations => {
                let query = Query::of(request);
                let page = Page::of(&query)?;
                let given = |name| query.one(name).filter(|text| !text.is_empty());
                let email = given("email").map(users::normalized);
                let ids = self
                    .invitations
                    .ids_of(email.as_deref(), given("organization_id"));
                let found = page.of_sets(&[&ids]);
                let data = found.ids.iter().map(|id| self.invitations.shown(id, now));
                Ok(Answer::ok(found.list(data.collect())))
            }
            Mailing::SendInvitation => self.invite(&Fields::of(request)?, now),
            Mailing::GetInvitation => self.invitation(id, now),
            Mailing::AcceptInvitation => self.accept(id, now),
            Mailing::ResendInvitation => {
                let invitation = self.invitations.get(id)?;
                let (code, message) = match invitation.standing(now) {
                    Standing::Pending => {
                        self.mail = Some(Mail {
                            to: invitation.email.clone(),
                            kind: "invitation",
                        });
                        return self.invitation(id, now);
                    }
                    Standing::Accepted => ("invite_accepted", "Invite has already been accepted."),
                    Standing::Revoked => ("invite_revoked", "Invite has been revoked."),
                    Standing::Expired => ("invite_expired", "Invite has expired."),
                };
                Err(Answer::refused(code, message))
            }
            Mailing::RevokeInvitation => {
                self.pending(id, now)?;
                self.invitations.revoke(id, &clock::written(now));
                self.invitation(id, now)
            }
            Mailing::SendPasswordReset => self.send_reset(&Fields::of(request)?, now),
        }
    }

    fn invitation(&self, id: &str, now: SystemTime) -> Answered {
        self.invitations.get(id)?;
        Ok(Answer::ok(self.invitations.shown(id, now)))
    }

    /// The invitation, if it is still open.
    fn pending(&self, id: &str, now: SystemTime) -> Result<&Invitation, Answer> {
        let invitation = self.invitations.get(id)?;
        match invitation.standing(now) {
            Standing::Pending => Ok(invitation),
            _ => Err(Answer::refused(
                "invite_not_pending",
                "Invite is not pending.",
            )),
        }
    }

    fn invite(&mut self, fields: &Fields, now: SystemTime) -> Answered {
        let mut invitation = invitations::read(fields, now)?;
        let user_id = self.users.id_of_email(&invitation.email);
        if let Some(inviter) = &invitation.inviter_user_id {
            self.users.found(inviter)?;
        }
        if let Some(organization) = &invitation.organization_id {
            if !self.organizations.contains(organization) {
                return Err(Answer::entity_not_found(organizations::KIND, organization));
            }
            let active = Statuses {
                active: true,
                inactive: false,
            };
            let is_member = user_id.is_some_and(|user| {
                let ids = self.memberships.ids_of_pair(user, organization, &active);
                !ids.is_empty()
            });
            if is_member {
                return Err(Answer::refused(
                    "user_already_organization_member",
                    "The user is already a member of the organization.",
                ));
            }
        } else if user_id.is_some() {
            return Err(Answer::refused(
                "user_already_exists",
                "A user with this email already exists.",
            ));
        }
        let organization = invitation.organization_id.as_deref();
        if let Some(role) = &invitation.role_slug
            && !self.roles.contains(organization, role)
        {
            return Err(Answer::refused(
                "invalid_role",
                format!("Role '{role}' does not exist."),
            ));
        }
        if self
            .invitations
            .is_open(&invitation.email, organization, now)
        {
            let email = &invitation.email;
            return Err(match organization {
                Some(_) => Answer::refused(
                    "email_already_invited_to_organization",
                    format!("The email {email} has already been invited to the organization."),
                ),
                None => Answer::refused(
                    "email_already_invited",
                    format!("The email {email} has already been invited."),
                ),
            });
        }
        let id = self.identifiers.next("invitation_", now);
        invitation.token = self.identifiers.next("", now).to_lowercase();
        self.mail = Some(Mail {
            to: invitation.email.clone(),
            kind: "invitation",
        });
        self.invitations.insert(id.clone(), invitation);
        Ok(Answer::created(self.invitations.shown(&id, now)))
    }

    /// Accepts an invitation for the user with its address, who has to be there.
    fn accept(&mut self, id: &str, now: SystemTime) -> Answered {
        let invitation = self.pending(id, now)?.clone();
        let user_id = self.users.id_of_email(&invitation.email).cloned();
        let user_id = user_id.ok_or_else(|| {
            Answer::refused("invalid_invite", "There is no user with this email yet.")
        })?;
        let time = clock::written(now);
        if let Some(organization) = &invitation.organization_id {
            let role = invitation.role_slug.map(|role| vec![role]);
            let roles = role.unwrap_or_else(|| self.roles.default_roles());
            let identifiers = &mut self.identifiers;
            let new_id = || identifiers.next("om_", now);
            // Who has become a member in another way is one already.
            let _ = self
                .memberships
                .create(&user_id, organization, roles, new_id, &time);
        }
        self.invitations.accept(id, &user_id, &time);
        self.invitation(id, now)
    }

    fn send_reset(&mut self, fields: &Fields, now: SystemTime) -> Answered {
        let email = users::normalized(&fields.required_text("email", "Email")?);
        let user_id = self.users.id_of_email(&email).cloned();
        let user_id = user_id.ok_or_else(|| Answer::entity_not_found(users::KIND, &email))?;
        let id = self.identifiers.next("password_reset_", now);
        let token = self.identifiers.next("", now).to_lowercase();
        self.mail = Some(Mail {
            to: email.clone(),
            kind: "password_reset",
        });
        Ok(Answer::created(json!({
            "object": "password_reset",
            "id": id,
            "user_id": user_id,
            "email": email,
            "password_reset_token": token,
            "password_reset_url": format!("https://sandbox.invalid/password-reset?token={token}"),
            "expires_at": clock::written(now.checked_add(RESET).unwrap_or(now)),
            "created_at": clock::written(now),
        })))
    }
}
