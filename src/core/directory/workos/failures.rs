//! Says what a failed call means: for the engine, and in the words of a row's error.

use crate::directory::{ApiError, CallError, Refusal, Then, Write};
use crate::journal::outcome::Effect;
use crate::row::Kind;

/// The API sends no more mails today (workos.com/docs, password reset).
pub(super) const DAILY_QUOTA: &str = "daily_quota_exceeded";

/// What to make of the API's no.
pub(super) fn after_refusal(write: &Write, error: &ApiError) -> Then {
    let status = error.status();
    let refuse = |error_type: &'static str, code: &'static str| Refusal {
        error_type,
        code,
        message: error.message.clone(),
        api: error.details.clone(),
    };
    let failed = || {
        let (error_type, code) = failure_code(write.kind, write.effect);
        refuse(error_type, code)
    };
    if error.has_code(DAILY_QUOTA) {
        return Then::End(error.message.clone());
    }
    match (write.kind, write.effect) {
        (kind, Effect::Deleted) if status == 404 => Then::Gone(kind, failed()),
        (_, Effect::Deleted) => Then::Fail(failed()),
        (Kind::User, Effect::Created) => {
            let taken = [
                "email_not_available",
                "external_id_already_used",
                "user_already_exists",
            ];
            let there = status == 409 || taken.iter().any(|code| error.has_code(code));
            if there {
                Then::Look(failed())
            } else {
                Then::Fail(failed())
            }
        }
        (Kind::Organization, _) => {
            let there = status == 409 || error.has_code("external_id_already_used");
            if there {
                Then::Look(failed())
            } else {
                Then::Fail(failed())
            }
        }
        (Kind::Membership, _) if error.has_code("multiple_roles_not_enabled") => {
            Then::FallBack(refuse("role_assignment", "role_assignment"))
        }
        (Kind::Membership, _) if error.has_code("invalid_role") => {
            Then::Fail(refuse("role_assignment", "invalid_role"))
        }
        (Kind::Membership, Effect::Created) if status == 404 => {
            Then::Gone(gone_kind(error), failed())
        }
        // "Already a member" is not in the specification: any of these may mean it.
        (Kind::Membership, Effect::Created) if matches!(status, 400 | 409 | 422) => {
            Then::Look(failed())
        }
        (Kind::Role, Effect::Created) if status == 409 || error.has_code("role_slug_conflict") => {
            Then::Look(failed())
        }
        (Kind::Permission, Effect::Created)
            if status == 409 || error.has_code("permission_slug_conflict") =>
        {
            Then::Look(failed())
        }
        (Kind::Invitation, Effect::Created)
            if error.has_code("email_already_invited_to_organization")
                || error.has_code("email_already_invited") =>
        {
            Then::Look(failed())
        }
        (Kind::Invitation | Kind::Role | Kind::Permission | Kind::PasswordReset, _) => {
            Then::Fail(failed())
        }
        // The factor's user.
        (Kind::TotpFactor, _) if status == 404 => Then::Gone(Kind::User, failed()),
        (kind, _) if status == 404 => Then::Gone(kind, failed()),
        _ => Then::Fail(failed()),
    }
}

/// The stage and the code of a failure, by what was to be done.
fn failure_code(kind: Kind, effect: Effect) -> (&'static str, &'static str) {
    match (kind, effect) {
        (Kind::User, Effect::Created) => ("user", "user_create_failed"),
        (Kind::User, Effect::Deleted) => ("user", "user_delete_failed"),
        (Kind::User, _) => ("user", "user_update_failed"),
        (Kind::Organization, Effect::Deleted) => ("org_resolution", "org_delete_failed"),
        (Kind::Organization, _) => ("org_resolution", "org_create_failed"),
        (Kind::Membership, Effect::Created) => ("membership", "membership_create_failed"),
        (Kind::Membership, Effect::Deleted) => ("membership", "membership_delete_failed"),
        (Kind::Membership, _) => ("membership", "membership_update_failed"),
        (Kind::Permission, _) => (kind.stage(), "permission_create_failed"),
        (Kind::Role, Effect::Created) => (kind.stage(), "role_create_failed"),
        (Kind::Role, _) => (kind.stage(), "role_update_failed"),
        (Kind::Invitation, _) => (kind.stage(), "invitation_failed"),
        (Kind::PasswordReset, _) => (kind.stage(), "password_reset_failed"),
        (Kind::TotpFactor, _) => (kind.stage(), "totp_factor_failed"),
    }
}

/// How a call that failed for good reads in a row's error.
pub(super) fn refusal(kind: Kind, error: &CallError) -> Refusal {
    let (error_type, code) = match kind {
        Kind::User => ("user", "user_unavailable"),
        Kind::Organization => ("org_resolution", "org_unavailable"),
        Kind::Membership => ("membership", "membership_unavailable"),
        Kind::Permission => (kind.stage(), "permission_unavailable"),
        Kind::Role => (kind.stage(), "role_unavailable"),
        Kind::Invitation => (kind.stage(), "invitation_unavailable"),
        Kind::PasswordReset => (kind.stage(), "password_reset_unavailable"),
        Kind::TotpFactor => (kind.stage(), "totp_factor_unavailable"),
    };
    let (message, api) = match error {
        CallError::Refused(error) | CallError::Key(error) => {
            (error.message.clone(), error.details.clone())
        }
        CallError::Away(message) => (message.clone(), Default::default()),
        CallError::Unavailable { message, api } => (
            format!("The API could not be reached after several attempts: {message}"),
            api.as_ref()
                .map(|error| error.details.clone())
                .unwrap_or_default(),
        ),
    };
    Refusal {
        error_type,
        code,
        message,
        api,
    }
}

/// Which of the two objects of a membership is missing; the API names its id.
fn gone_kind(error: &ApiError) -> Kind {
    let names_user = error.message.to_ascii_lowercase().contains("user")
        && !error.message.to_ascii_lowercase().contains("organization");
    if names_user {
        Kind::User
    } else {
        Kind::Organization
    }
}
