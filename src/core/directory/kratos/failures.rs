//! Says what a failed call means: for the engine, and in the words of a row's error.

use crate::directory::{ApiError, CallError, Refusal, Then, Write};
use crate::journal::outcome::{ApiDetails, Effect};
use crate::row::Kind;

/// What to make of the API's no to one write.
pub(super) fn after_refusal(write: &Write, error: &ApiError) -> Then {
    let refusal = Refusal {
        error_type: "user",
        code: match write.effect {
            Effect::Created => "user_create_failed",
            Effect::Deleted => "user_delete_failed",
            _ => "user_update_failed",
        },
        message: error.message.clone(),
        api: error.details.clone(),
    };
    match (write.effect, error.status()) {
        (Effect::Created, 409) => Then::Look(refusal),
        (Effect::Created, _) => Then::Fail(refusal),
        (_, 404) => Then::Gone(Kind::User, refusal),
        _ => Then::Fail(refusal),
    }
}

/// How a call that failed for good reads in a row's error.
pub(super) fn refusal(error: &CallError) -> Refusal {
    let (message, api) = match error {
        CallError::Refused(error) | CallError::Key(error) => {
            (error.message.clone(), error.details.clone())
        }
        CallError::Away(message) => (message.clone(), ApiDetails::default()),
        CallError::Unavailable { message, api } => (
            format!("The API could not be reached after several attempts: {message}"),
            api.as_ref()
                .map(|error| error.details.clone())
                .unwrap_or_default(),
        ),
    };
    Refusal {
        error_type: "user",
        code: "user_unavailable",
        message,
        api,
    }
}

/// The same; one about the key says where that comes from: Kratos has none of its own.
pub(super) fn with_place_of_token(error: CallError) -> CallError {
    match error {
        CallError::Key(error) => CallError::Key(ApiError {
            message: format!(
                "{}. The token of a proxy in front of Kratos comes from KRATOS_ADMIN_TOKEN",
                error.message.trim_end_matches('.')
            ),
            ..error
        }),
        other => other,
    }
}
