//! Owns how a row ends: outcome, what became of each of its steps, evidence, error. The words are those of the
//! results file and never change.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::row::{Kind, RowIdentity};

/// How one row ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Created,
    Updated,
    Unchanged,
    Failed,
    Pending,
}

impl Outcome {
    pub const ALL: [Outcome; 5] = [
        Self::Created,
        Self::Updated,
        Self::Unchanged,
        Self::Failed,
        Self::Pending,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
            Self::Failed => "failed",
            Self::Pending => "pending",
        }
    }

    /// The number that the journal has for it.
    pub fn code(self) -> i64 {
        match self {
            Self::Pending => 0,
            Self::Created => 1,
            Self::Updated => 2,
            Self::Unchanged => 3,
            Self::Failed => 4,
        }
    }

    /// The outcome of this number.
    pub fn of_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.code() == code)
    }
}

/// What a step did to its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    Created,
    Updated,
    Reactivated,
    Existing,
    Deleted,
}

impl Effect {
    pub const ALL: [Effect; 5] = [
        Self::Created,
        Self::Updated,
        Self::Reactivated,
        Self::Existing,
        Self::Deleted,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Reactivated => "reactivated",
            Self::Existing => "existing",
            Self::Deleted => "deleted",
        }
    }

    /// The number that the journal has for it.
    pub fn code(self) -> i64 {
        match self {
            Self::Created => 1,
            Self::Updated => 2,
            Self::Reactivated => 3,
            Self::Existing => 4,
            Self::Deleted => 5,
        }
    }

    /// The effect of this number.
    pub fn of_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|effect| effect.code() == code)
    }
}

/// How sure it is that a step did what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// This run read the API's own 2xx.
    Confirmed,
    /// The answer was lost, and reading back found it.
    Inferred,
}

impl Evidence {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Inferred => "inferred",
        }
    }
}

/// What became of one step of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepResult {
    pub kind: Kind,
    pub effect: Effect,
    /// The directory's id of the object.
    pub id: String,
    pub evidence: Evidence,
    /// The object was there, differs from the row, and was left as it is (on-existing `skip`).
    pub differs: bool,
    /// What the object has beside what the row says, where that is worth telling.
    pub remark: Option<String>,
}

/// Why a row failed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RowError {
    /// The stage: `validation`, `org_resolution`, `user`, `membership`, `role_assignment` or `in_doubt`; of rows that are not
    /// about users to be imported also `organization`, `role`, `permission`, `invitation`, `password_reset`, `totp_factor`.
    pub error_type: &'static str,
    /// Stable: an issue code for validation errors, else the stage and what went wrong.
    pub code: &'static str,
    pub message: String,
    /// What the API said, where it said something.
    #[serde(flatten)]
    pub api: ApiDetails,
}

/// The API's own words about a failure.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ApiDetails {
    pub http_status: Option<u16>,
    pub workos_code: Option<String>,
    pub workos_request_id: Option<String>,
    /// The `errors` array of the answer.
    pub workos_errors: Vec<Value>,
}

/// How one row ended, in full. Given once.
#[derive(Clone, Debug)]
pub struct RowResult {
    pub identity: RowIdentity,
    pub outcome: Outcome,
    pub steps: Vec<StepResult>,
    pub error: Option<RowError>,
    pub at: Timestamp,
}

impl RowResult {
    /// What became of the step of this kind, if it got that far.
    pub fn step(&self, kind: Kind) -> Option<&StepResult> {
        self.steps.iter().find(|step| step.kind == kind)
    }

    /// The weakest evidence among the row's steps; `None` for rows that failed or did nothing.
    pub fn evidence(&self) -> Option<Evidence> {
        if matches!(self.outcome, Outcome::Failed | Outcome::Pending) {
            return None;
        }
        self.steps.iter().map(|step| step.evidence).max()
    }
}

/// The outcome that follows from the steps of a row that did not fail: the row's subject decides whether it was created.
pub fn outcome_of(steps: &[StepResult], subject: Kind) -> Outcome {
    let created = steps
        .iter()
        .any(|step| step.kind == subject && step.effect == Effect::Created);
    if created {
        return Outcome::Created;
    }
    let wrote = steps
        .iter()
        .any(|step| step.kind >= subject && step.effect != Effect::Existing);
    if wrote {
        Outcome::Updated
    } else {
        Outcome::Unchanged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(kind: Kind, effect: Effect) -> StepResult {
        StepResult {
            kind,
            effect,
            id: "x".into(),
            evidence: Evidence::Confirmed,
            differs: false,
            remark: None,
        }
    }

    #[test]
    fn a_row_is_created_only_through_its_own_subject() {
        let organization = step(Kind::Organization, Effect::Created);
        let existing = step(Kind::User, Effect::Existing);
        let membership = step(Kind::Membership, Effect::Created);
        let kept = step(Kind::Membership, Effect::Existing);
        let user = step(Kind::User, Effect::Created);
        assert_eq!(
            outcome_of(
                &[organization.clone(), existing.clone(), kept.clone()],
                Kind::User
            ),
            Outcome::Unchanged
        );
        assert_eq!(
            outcome_of(&[organization, existing, membership], Kind::User),
            Outcome::Updated
        );
        assert_eq!(outcome_of(&[user, kept], Kind::User), Outcome::Created);
    }
}
