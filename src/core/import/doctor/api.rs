//! Looks at the API with three reads: is it there and does it accept the key, what time is it there, may a membership have
//! several roles.

use std::time::Duration;

use tokio::time::timeout;

use super::{Check, Trouble};
use crate::directory::{CallError, Details, Directory, End, Listing, Patience, Remote};
use crate::import::options::ImportOptions;
use crate::import::target::{Target, connect};

/// How long is waited for all of it. A connection that nobody answers is given up by itself before.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long is waited where the API turns calls away.
const TURNED_AWAY: Duration = Duration::from_secs(5);

/// A read is tried once more: one that is lost now and then is no reason to send people looking.
const ATTEMPTS: u32 = 2;

/// How far apart clocks may be, in milliseconds.
const CLOCKS_APART: i64 = 5_000;

/// Asks the API. Where it cannot be asked, that is the one check that is returned.
pub async fn ask_api(target: &Target) -> Vec<Check> {
    let connected = match connect(&ImportOptions::default(), target) {
        Ok(connected) => connected,
        Err(error) => {
            let remedy = "Correct the settings above.";
            let trouble = Trouble::Configuration;
            return vec![Check::problem("api", trouble, error.to_string(), remedy)];
        }
    };
    let patience = Patience {
        attempts: ATTEMPTS,
        give_up_after: TURNED_AWAY,
    };
    let directory = connected.directory(None, patience);
    match timeout(PATIENCE, ask(directory.as_ref())).await {
        Ok(checks) => checks,
        Err(_) => {
            let message = format!("no usable answer in {} s", PATIENCE.as_secs());
            vec![unreachable(message)]
        }
    }
}

async fn ask(directory: &dyn Remote) -> Vec<Check> {
    let offset = match directory.check().await {
        Ok(checked) => checked.clock_offset,
        Err(error) => return vec![refused(&error, directory.about_key())],
    };
    let mut checks = vec![
        Check::fine("api", "answers, and accepts the key", true),
        clock(offset),
    ];
    if directory.has_organizations() {
        checks.push(multiple_roles(directory).await);
    }
    checks
}

/// Why the first read failed.
fn refused(error: &CallError, about_key: &str) -> Check {
    match error {
        CallError::Key(error) => Check::problem(
            "api",
            Trouble::Key,
            format!(
                "does not accept the key (HTTP {}): {}",
                error.status(),
                error.message
            ),
            about_key,
        ),
        CallError::Refused(error) => Check::problem(
            "api",
            Trouble::Unreachable,
            format!(
                "refuses the first read (HTTP {}): {}",
                error.status(),
                error.message
            ),
            "Check the base URL.",
        ),
        CallError::Unavailable {
            api: Some(error), ..
        } if error.status() == 429 => Check::problem(
            "api",
            Trouble::Unreachable,
            "turns calls away: its limit is used up (HTTP 429)",
            "Wait a little, and see who else uses this environment.",
        ),
        CallError::Unavailable { message, .. } | CallError::Away(message) => {
            unreachable(format!("cannot be reached: {message}"))
        }
    }
}

fn unreachable(message: String) -> Check {
    let remedy = if message.contains("certificate") {
        "If your network inspects TLS, name its certificates: --ca-bundle company.pem (in Python ca_bundle=)."
    } else {
        "Check the network, the proxy and the base URL."
    };
    Check::problem("api", Trouble::Unreachable, message, remedy)
}

/// `offset`: milliseconds that the server's clock is ahead of ours.
fn clock(offset: Option<i64>) -> Check {
    let Some(offset) = offset else {
        return Check::unknown("clock", "cannot be told: the API says no time");
    };
    // The server's time has whole seconds.
    let seconds = (offset as f64 / 1_000.0).round() as i64;
    let apart = match seconds {
        -1..=1 => "agrees with the server's, to a second".to_owned(),
        2.. => format!("{seconds} s behind the server's"),
        _ => format!("{} s ahead of the server's", -seconds),
    };
    if offset.abs() <= CLOCKS_APART {
        return Check::fine("clock", apart, seconds);
    }
    let remedy = "Set this machine's clock (usually: switch network time on). Imports reckon with the difference; \
                  --stop-at and the times in your files do not.";
    Check::warning("clock", apart, remedy, seconds)
}

/// The API does not say it. Where one membership of the first organization has several roles, it is so.
async fn multiple_roles(directory: &dyn Directory) -> Check {
    const NAME: &str = "multiple_roles";
    let refused = |error: &CallError, what: &str| {
        let message = format!("cannot be told: {what} cannot be read: {}", words(error));
        let remedy = "Check what the key may do: imports read organizations and memberships too.";
        Check::warning(NAME, message, remedy, serde_json::Value::Null)
    };
    let organizations = Listing::Organizations;
    let organizations = match directory.list(&organizations, End::Oldest, None).await {
        Ok(page) => page.items,
        Err(error) => return refused(&error, "organizations"),
    };
    let Some(first) = organizations.into_iter().next() else {
        return Check::unknown(NAME, "cannot be told: there is no organization yet");
    };
    let memberships = Listing::MembershipsOf(first.found.id);
    let memberships = match directory.list(&memberships, End::Oldest, None).await {
        Ok(page) => page.items,
        Err(error) => return refused(&error, "memberships"),
    };
    let several = memberships.iter().any(
        |one| matches!(&one.found.details, Details::Membership { roles, .. } if roles.len() > 1),
    );
    match (several, memberships.len()) {
        (true, _) => Check::fine(NAME, "on: there is a membership with several", true),
        (false, 0) => Check::unknown(
            NAME,
            "cannot be told: the first organization has no membership",
        ),
        (false, count) => Check::unknown(
            NAME,
            format!(
                "cannot be told: of {count} memberships none has several (it may be off, or not used there)"
            ),
        ),
    }
}

fn words(error: &CallError) -> String {
    match error {
        CallError::Refused(error) | CallError::Key(error) => {
            format!("HTTP {}: {}", error.status(), error.message)
        }
        CallError::Unavailable { message, .. } | CallError::Away(message) => message.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Standing;
    use super::*;

    #[test]
    fn clocks_are_compared_in_seconds() {
        let told = |offset| {
            let check = clock(offset);
            (check.standing, check.message)
        };
        assert_eq!(told(None).0, Standing::Unknown);
        assert_eq!(told(Some(-900)).1, "agrees with the server's, to a second");
        assert_eq!(
            told(Some(4_600)),
            (Standing::Fine, "5 s behind the server's".into())
        );
        assert_eq!(
            told(Some(-37_000)),
            (Standing::Warning, "37 s ahead of the server's".into())
        );
    }
}
