//! Owns the documented limits (workos.com/docs, rate limits), and which call counts in which of them.

use std::time::Duration;

use http::Method;
use serde_json::Value;

use crate::directory::Write;
use crate::journal::outcome::Effect;
use crate::pace::{Call, Limit, Pace, Subject, Turn, WindowIndex};
use crate::row::Kind;

/// Each kind of call has a window of its own, which comes first; the order is that in which kinds go before each other
/// where they share one.
pub(super) const WRITES: WindowIndex = WindowIndex(0);
const MAILS: WindowIndex = WindowIndex(1);
const READS: WindowIndex = WindowIndex(2);
const ORGANIZATION_DELETES: WindowIndex = WindowIndex(3);
const OTHERS: WindowIndex = WindowIndex(4);
const EVERYTHING: WindowIndex = WindowIndex(5);

/// What a write below `/user_management/` counts in.
pub(super) const OF_WRITES: &[WindowIndex] = &[WRITES, EVERYTHING];
const OF_MAILS: &[WindowIndex] = &[MAILS, WRITES, EVERYTHING];
const OF_READS: &[WindowIndex] = &[READS, EVERYTHING];
const OF_ORGANIZATION_DELETES: &[WindowIndex] = &[ORGANIZATION_DELETES, EVERYTHING];
const OF_OTHERS: &[WindowIndex] = &[OTHERS, EVERYTHING];

/// The documented limits that this target's calls count in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `/user_management/*` writes, for each environment: 500 in 10 s.
    pub writes: Limit,
    /// `/user_management/*` reads, for each environment: 1,000 in 10 s.
    pub reads: Limit,
    /// Everything, for each key: 6,000 in 60 s.
    pub everything: Limit,
    /// Organizations that are deleted, for each key: 50 in 60 s.
    pub organization_deletes: Limit,
    /// Mails (password reset, magic auth, verification), for each address or user: 3 in 60 s.
    pub mails: Limit,
}

impl Limits {
    pub fn documented() -> Self {
        let limit = |count, seconds| Limit {
            count,
            period: Duration::from_secs(seconds),
        };
        Self {
            writes: limit(500, 10),
            reads: limit(1_000, 10),
            everything: limit(6_000, 60),
            organization_deletes: limit(50, 60),
            mails: limit(3, 60),
        }
    }

    /// The documented limits, or those that belong to the caller's own for writes, less what is left to the application.
    pub fn kept(rate_limit: Option<Limit>, headroom: f64) -> Self {
        rate_limit
            .map_or_else(Self::documented, Self::with_writes)
            .with_headroom(headroom)
    }

    /// The documented limits with another one for writes; those of the other traffic grow with it where the plan is
    /// larger.
    pub fn with_writes(writes: Limit) -> Self {
        let documented = Self::documented();
        let factor = (writes.per_second() / documented.writes.per_second()).max(1.0);
        let grown = |limit: Limit| Limit {
            count: (f64::from(limit.count) * factor).floor() as u32,
            period: limit.period,
        };
        Self {
            writes,
            reads: grown(documented.reads),
            everything: grown(documented.everything),
            ..documented
        }
    }

    /// Leaves a share (0 to 1) of each to the live application. Mails to one address are not shared in this way.
    pub fn with_headroom(self, share: f64) -> Self {
        let cut = |limit: Limit| Limit {
            // A millionth against what floating point loses on the way.
            count: ((f64::from(limit.count) * (1.0 - share) + 1e-6).floor() as u32).max(1),
            period: limit.period,
        };
        Self {
            writes: cut(self.writes),
            reads: cut(self.reads),
            everything: cut(self.everything),
            organization_deletes: cut(self.organization_deletes),
            mails: self.mails,
        }
    }

    /// A pace that keeps these limits, or none; each kind of call can pause all the same.
    pub(super) fn pace(limits: Option<&Self>, concurrency: Option<usize>) -> Pace {
        let per_subject = limits.map(|limits| limits.mails);
        Pace::new(&Self::windows(limits), per_subject, concurrency)
    }

    /// By window index.
    pub(super) fn windows(limits: Option<&Self>) -> [Option<Limit>; 6] {
        let Some(limits) = limits else {
            return [None; 6];
        };
        [
            Some(limits.writes),
            None,
            Some(limits.reads),
            Some(limits.organization_deletes),
            None,
            Some(limits.everything),
        ]
    }
}

/// What a read counts in. It goes on with something: it looks for what a row needs, or at what became of a write.
pub(super) fn of_read(target: &str) -> Call {
    Call::in_windows(match is_user_management(target) {
        true => OF_READS,
        false => OF_OTHERS,
    })
}

/// What a write counts in. A row begins to change the directory with its user: rows that have theirs come first.
pub(super) fn of_write(write: &Write) -> Call {
    let subject = mailed(write);
    let windows = if subject.is_some() {
        OF_MAILS
    } else if is_user_management(&write.target) {
        OF_WRITES
    } else if write.method == Method::DELETE && is_organization(&write.target) {
        OF_ORGANIZATION_DELETES
    } else {
        OF_OTHERS
    };
    let begins = write.kind == Kind::User && write.effect == Effect::Created;
    Call {
        windows,
        subject,
        turn: if begins { Turn::Begins } else { Turn::GoesOn },
    }
}

fn is_user_management(target: &str) -> bool {
    target.starts_with("/user_management/")
}

fn is_organization(target: &str) -> bool {
    let id = target.strip_prefix("/organizations/");
    id.is_some_and(|id| !id.is_empty() && !id.contains('/'))
}

/// Whom a write sends a mail to: an address in the body, or the user in the path.
fn mailed(write: &Write) -> Option<Subject> {
    if write.method != Method::POST {
        return None;
    }
    let path = write.target.strip_prefix("/user_management/")?;
    match path {
        "password_reset" | "magic_auth" => {
            let body: Value = serde_json::from_slice(write.body.as_ref()?).ok()?;
            let email = body.get("email")?.as_str()?;
            Some(Subject::new(&email.to_ascii_lowercase()))
        }
        _ => {
            let user = path.strip_prefix("users/")?;
            let user = user.strip_suffix("/email_verification/send")?;
            Some(Subject::new(user))
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn call(method: Method, target: &str, body: &'static str) -> Call {
        of_write(&Write {
            effect: Effect::Updated,
            kind: Kind::User,
            call: "test",
            method,
            target: target.into(),
            body: Some(Bytes::from_static(body.as_bytes())),
            compare_again: false,
            is_suspect: false,
            fallback: None,
            before: None,
            secrets: Vec::new(),
        })
    }

    #[test]
    fn each_call_counts_where_the_documents_say() {
        assert_eq!(of_read("/user_management/users?limit=1").windows, OF_READS);
        assert_eq!(of_read("/organizations/org_1").windows, OF_OTHERS);
        let writes = [
            (Method::POST, "/user_management/users", OF_WRITES),
            (Method::DELETE, "/user_management/users/user_1", OF_WRITES),
            (Method::POST, "/user_management/invitations", OF_WRITES),
            (Method::POST, "/organizations", OF_OTHERS),
            (Method::PUT, "/organizations/org_1", OF_OTHERS),
            (
                Method::DELETE,
                "/organizations/org_1",
                OF_ORGANIZATION_DELETES,
            ),
            (
                Method::DELETE,
                "/organizations/org_1/api_keys/key_1",
                OF_OTHERS,
            ),
        ];
        for (method, target, windows) in writes {
            let call = call(method, target, "{}");
            assert_eq!((call.windows, call.subject), (windows, None), "{target}");
        }
    }

    #[test]
    fn mails_count_by_address_or_user() {
        let body = r#"{"email": "A@x.com"}"#;
        let reset = call(Method::POST, "/user_management/password_reset", body);
        assert_eq!(reset.windows, OF_MAILS);
        assert_eq!(reset.subject, Some(Subject::new("a@x.com")));
        let magic = call(Method::POST, "/user_management/magic_auth", body);
        assert_eq!(magic.subject, reset.subject);
        let verification = "/user_management/users/user_1/email_verification/send";
        let verification = call(Method::POST, verification, "{}");
        assert_eq!(verification.subject, Some(Subject::new("user_1")));
    }

    #[test]
    fn headroom_is_left_of_what_is_shared() {
        let limits = Limits::with_writes(Limit {
            count: 1_000,
            period: Duration::from_secs(10),
        });
        let limits = limits.with_headroom(0.5);
        let counts = [
            limits.writes.count,
            limits.reads.count,
            limits.everything.count,
            limits.organization_deletes.count,
            limits.mails.count,
        ];
        assert_eq!(counts, [500, 1_000, 6_000, 25, 3]);
        let cut = |share| Limits::documented().with_headroom(share).writes.count;
        assert_eq!([0.0, 0.1, 0.8, 0.999].map(cut), [500, 450, 100, 1]);
    }
}
