//! What one record means: columns, conversion, rules, and the steps that a row claims. Pure functions.

pub mod claim;
pub mod columns;
pub mod digest;
pub mod interpret;
pub mod issue;
pub mod mode;
pub mod step;

mod clearing;
mod code;
mod convert;
mod domain;
mod field;
mod identity;
mod metadata;
pub(crate) mod near;
mod organization;
mod other_rows;
mod own;
mod password;
mod row_identity;
mod row_kind;
mod secrecy;
#[cfg(test)]
mod tests;

pub use claim::{
    Claim, Clear, ExistingUser, HashKind, IdentityFields, IdentityState, InvitationClaim,
    MembershipClaim, OrganizationClaim, OrganizationFields, OrganizationReference, Password,
    RoleClaim, TotpFactorClaim, UserClaim,
};
pub use code::IssueCode;
pub use columns::{Columns, ColumnsError, parse_mapping};
pub use digest::{NOTHING_CLAIMED, fields_digest, row_digest};
pub use domain::Domain;
pub use field::Field;
pub use identity::{IdentityRules, IdentitySchema};
pub use interpret::{Interpreted, Rejected, Row, Rules, interpret};
pub use issue::{Issue, Severity};
pub use mode::{Mode, ModeError, OrganizationOptions};
pub use own::{Judged, OwnRules, Remark, SeenRow, seen};
pub use row_identity::RowIdentity;
pub use row_kind::RowKind;
pub use secrecy::may_hold_secrets;
pub use step::{Kind, Step, StepKey};
