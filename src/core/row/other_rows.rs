//! Owns what a row means that is not about a user to be imported: organizations, memberships of users who are there,
//! roles, invitations, password resets, TOTP factors.

use super::IssueCode;
use super::claim::{
    Claim, ExistingUser, InvitationClaim, MembershipClaim, OrganizationClaim, OrganizationFields,
    RoleClaim, TotpFactorClaim,
};
use super::domain::Domain;
use super::field::Field;
use super::interpret::{Rules, email};
use super::issue::{Notes, quoted};
use super::row_kind::RowKind;
use super::step::Step;
use super::{convert, metadata, organization, password};
use crate::secret::Secret;
use crate::source::CellView;

/// workos.com/docs, invitations: `expires_in_days`.
const LONGEST_INVITATION: i64 = 30;

/// The steps that a row claims; what is wrong with it is noted. `default`: the organization that all rows belong to.
pub(super) fn read<'cell>(
    kind: RowKind,
    default: Option<&OrganizationClaim>,
    cell: impl Fn(Field) -> CellView<'cell>,
    rules: &Rules,
    notes: &mut Notes,
) -> Vec<Step> {
    let row = Cells {
        cell,
        default,
        rules,
    };
    let claims = match kind {
        // Theirs is another way: they are never read here.
        RowKind::Users | RowKind::Identities => None,
        RowKind::Organizations => row.organization(notes),
        RowKind::Memberships => row.membership(notes),
        RowKind::Roles => row.role(notes),
        RowKind::Invitations => row.invitation(notes),
        RowKind::PasswordResets => row.password_reset(notes),
        RowKind::TotpFactors => row.totp_factor(notes),
    };
    claims.into_iter().flatten().map(Step::new).collect()
}

struct Cells<'a, C> {
    cell: C,
    default: Option<&'a OrganizationClaim>,
    rules: &'a Rules,
}

impl<'cell, C: Fn(Field) -> CellView<'cell>> Cells<'_, C> {
    fn text(&self, field: Field, notes: &mut Notes) -> Option<String> {
        convert::text((self.cell)(field), field, notes)
    }

    /// The organization that the row belongs to, by its cells or else by an option.
    fn named_organization(&self, notes: &mut Notes) -> Option<OrganizationClaim> {
        if let Some(default) = self.default {
            return Some(default.clone());
        }
        let (id, external_id) = ((self.cell)(Field::OrgId), (self.cell)(Field::OrgExternalId));
        organization::organization(id, external_id, CellView::Missing, notes)
    }

    fn organization(&self, notes: &mut Notes) -> Option<Vec<Claim>> {
        let (id, external_id) = ((self.cell)(Field::OrgId), (self.cell)(Field::OrgExternalId));
        let has_id = !id.is_blank() || !external_id.is_blank();
        let name = self.text(Field::OrgName, notes);
        let claim = organization::organization(id, external_id, CellView::Missing, notes);
        let domains = self.domains(notes);
        let metadata = metadata::metadata((self.cell)(Field::Metadata), None, notes);
        if !has_id {
            let message = "the row names no organization. Fill in org_external_id (your own id for it) or org_id";
            notes.error(
                IssueCode::MissingOrganization,
                Field::OrgExternalId,
                message,
            );
        }
        let mut claim = claim?;
        claim.name = name;
        claim.fields = Some(Box::new(OrganizationFields { domains, metadata }));
        Some(vec![Claim::Organization(claim)])
    }

    fn domains(&self, notes: &mut Notes) -> Vec<Domain> {
        let Some(texts) = organization::list((self.cell)(Field::Domains), Field::Domains, notes)
        else {
            return Vec::new();
        };
        let mut domains: Vec<Domain> = Vec::with_capacity(texts.len());
        for text in texts {
            match Domain::read(&text) {
                Some(domain) if domains.iter().all(|known| known.name != domain.name) => {
                    domains.push(domain);
                }
                Some(_) => {}
                None => {
                    let message = format!(
                        "{} is no domain. Write acme.com, or acme.com:verified if you vouch for it",
                        quoted(&text)
                    );
                    notes.error(IssueCode::InvalidDomain, Field::Domains, message);
                }
            }
        }
        domains
    }

    fn membership(&self, notes: &mut Notes) -> Option<Vec<Claim>> {
        let organization = self.named_organization(notes);
        let user = self.existing_user(notes);
        let roles = organization::roles((self.cell)(Field::RoleSlugs), notes);
        if organization.is_none() && notes.errors.is_empty() {
            let message = "the row names no organization. Fill in org_external_id (your own id for it) or org_id";
            notes.error(
                IssueCode::MissingOrganization,
                Field::OrgExternalId,
                message,
            );
        }
        Some(vec![
            Claim::Organization(organization?),
            Claim::ExistingUser(user?),
            Claim::Membership(MembershipClaim { roles }),
        ])
    }

    /// The one cell that names a user: the id if there is one, else the external id, else the email.
    fn existing_user(&self, notes: &mut Notes) -> Option<ExistingUser> {
        if let Some(id) = self.text(Field::UserId, notes) {
            return Some(ExistingUser::Id(id));
        }
        let external_id = (self.cell)(Field::UserExternalId);
        if let Some(id) = convert::identifier(external_id, Field::UserExternalId, notes) {
            return Some(ExistingUser::ExternalId(id));
        }
        let cell = (self.cell)(Field::Email);
        if cell.is_blank() {
            let message = "the row names no user. Fill in email, user_external_id or user_id";
            notes.error(IssueCode::MissingUser, Field::Email, message);
            return None;
        }
        Some(ExistingUser::Email(email(cell, notes))).filter(|user| !user.as_str().is_empty())
    }

    fn role(&self, notes: &mut Notes) -> Option<Vec<Claim>> {
        let organization = self.named_organization(notes);
        let kind = self.text(Field::RoleType, notes);
        let is_of_organization = match kind.as_deref().map(str::to_ascii_lowercase).as_deref() {
            None => organization.is_some(),
            Some("organization" | "organizationrole") => true,
            Some("environment" | "environmentrole") => false,
            Some(other) => {
                let message = format!(
                    "{} is neither `environment` nor `organization`",
                    quoted(other)
                );
                notes.error(IssueCode::InvalidRoleType, Field::RoleType, message);
                return None;
            }
        };
        let slug = self.text(Field::RoleSlug, notes);
        let name = self.text(Field::RoleName, notes);
        let permissions =
            organization::list((self.cell)(Field::Permissions), Field::Permissions, notes);
        let permissions = permissions.unwrap_or_default();
        let Some(slug) = slug else {
            let message = "the row has no role_slug. Fill it in, or remove the row";
            notes.error(IssueCode::MissingRoleSlug, Field::RoleSlug, message);
            return None;
        };
        match (&organization, is_of_organization) {
            (None, true) => {
                let message = "the role is one of an organization, and the row names none. Fill in org_external_id or \
                               org_id, or make role_type `environment`";
                notes.error(
                    IssueCode::MissingOrganization,
                    Field::OrgExternalId,
                    message,
                );
            }
            (Some(_), true) if !slug.starts_with("org-") => {
                let message = format!(
                    "{} is a role of an organization: their slugs begin with `org-`",
                    quoted(&slug)
                );
                notes.error(IssueCode::InvalidRoleType, Field::RoleSlug, message);
            }
            _ => {}
        }
        let organization = organization.filter(|_| is_of_organization);
        let role = RoleClaim {
            slug,
            name,
            organization: organization.as_ref().map(|claim| claim.reference.clone()),
            permissions: permissions.clone(),
            exact: self.rules.exact_permissions && !(self.cell)(Field::Permissions).is_blank(),
        };
        let organization = organization.map(Claim::Organization).into_iter();
        let permissions = permissions.into_iter().map(Claim::Permission);
        let role = std::iter::once(Claim::Role(Box::new(role)));
        Some(organization.chain(permissions).chain(role).collect())
    }

    fn invitation(&self, notes: &mut Notes) -> Option<Vec<Claim>> {
        let organization = self.named_organization(notes);
        let claim = InvitationClaim {
            email: email((self.cell)(Field::Email), notes),
            organization: organization.as_ref().map(|claim| claim.reference.clone()),
            role: self.text(Field::RoleSlug, notes),
            expires_in_days: self.days(notes),
            inviter_user_id: self.text(Field::InviterUserId, notes),
            locale: self.text(Field::Locale, notes),
        };
        let organization = organization.map(Claim::Organization).into_iter();
        let invitation = std::iter::once(Claim::Invitation(Box::new(claim)));
        Some(organization.chain(invitation).collect())
    }

    fn days(&self, notes: &mut Notes) -> Option<u8> {
        let cell = (self.cell)(Field::ExpiresInDays);
        let days = match cell {
            cell if cell.is_blank() => return None,
            CellView::Integer(days) => Some(days),
            CellView::Text(text) => text.trim().parse().ok(),
            _ => None,
        };
        match days.filter(|days| (1..=LONGEST_INVITATION).contains(days)) {
            Some(days) => u8::try_from(days).ok(),
            None => {
                let message = format!(
                    "expires_in_days must be a whole number from 1 to {LONGEST_INVITATION}"
                );
                notes.error(
                    IssueCode::InvalidExpiresInDays,
                    Field::ExpiresInDays,
                    message,
                );
                None
            }
        }
    }

    /// Who brings a password has one after the import: nothing is sent.
    fn password_reset(&self, notes: &mut Notes) -> Option<Vec<Claim>> {
        let has_password = password::password(
            (self.cell)(Field::Password),
            (self.cell)(Field::PasswordHash),
            (self.cell)(Field::PasswordHashType),
            notes,
        )
        .is_some();
        let email = email((self.cell)(Field::Email), notes);
        let user = Claim::ExistingUser(ExistingUser::Email(email.clone()));
        let reset = (!has_password).then_some(Claim::PasswordReset(email));
        Some(std::iter::once(user).chain(reset).collect())
    }

    fn totp_factor(&self, notes: &mut Notes) -> Option<Vec<Claim>> {
        let of = ExistingUser::Email(email((self.cell)(Field::Email), notes));
        let secret = self.totp_secret(notes);
        let claim = TotpFactorClaim {
            issuer: self.text(Field::TotpIssuer, notes),
            user: self.text(Field::TotpUser, notes),
            secret: secret?,
            of: of.clone(),
        };
        let factor = Claim::TotpFactor(Box::new(claim));
        Some(vec![Claim::ExistingUser(of), factor])
    }

    /// Base32 (RFC 4648): letters and the digits 2 to 7; spaces and dashes, by which people group it, are left out. No
    /// message quotes it.
    fn totp_secret(&self, notes: &mut Notes) -> Option<Secret> {
        let CellView::Text(text) = (self.cell)(Field::TotpSecret) else {
            let message = "the row has no totp_secret. Fill it in, or remove the row";
            notes.error(IssueCode::MissingTotpSecret, Field::TotpSecret, message);
            return None;
        };
        let kept = text
            .chars()
            .filter(|letter| !letter.is_whitespace() && *letter != '-');
        let secret: String = kept.map(|letter| letter.to_ascii_uppercase()).collect();
        let secret = zeroize::Zeroizing::new(secret);
        let plain = secret.trim_end_matches('=');
        let is_base32 = |letter: char| letter.is_ascii_uppercase() || ('2'..='7').contains(&letter);
        if plain.is_empty() {
            let message = "the row has no totp_secret. Fill it in, or remove the row";
            notes.error(IssueCode::MissingTotpSecret, Field::TotpSecret, message);
            return None;
        }
        // Of these lengths no bytes are written as Base32.
        if !plain.chars().all(is_base32) || matches!(plain.len() % 8, 1 | 3 | 6) {
            let message = "the secret is not Base32: letters A to Z and digits 2 to 7 only, and of a length that whole \
                           bytes have";
            notes.error(IssueCode::InvalidTotpSecret, Field::TotpSecret, message);
            return None;
        }
        Some(Secret::new(plain.to_owned()))
    }
}
