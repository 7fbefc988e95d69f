//! `import --dry-run`: what is wrong in the source and what an import would do, offline, without a key.

use serde::Serialize;

use super::options::ImportOptions;
use super::workload::least_seconds;
use crate::directory::workos::Limits;
use crate::row::{Issue, RowKind, Rules};
use crate::source::Source;
use crate::validate::{ValidateError, ValidateOptions, ValidateSummary, validate};

/// What an import would do.
#[derive(Clone, Debug, Serialize)]
pub struct DryRun {
    /// `user-only`, `single-org`, `multi-org`.
    pub mode: String,
    pub mode_sentence: String,
    /// Records of the source.
    pub total: u64,
    /// Records that would be imported.
    pub would_import: u64,
    pub failed: u64,
    pub users: u64,
    pub organizations: u64,
    pub memberships: u64,
    pub errors: u64,
    pub warnings: u64,
    /// The least time that the limits allow, in seconds.
    pub least_seconds: f64,
    /// 0, or 1 if anything is wrong or there are no rows.
    pub exit_code: i32,
}

impl ImportOptions {
    /// What the checks of a source need to know of the options.
    pub fn validation(&self) -> ValidateOptions {
        ValidateOptions {
            rows: self.rows,
            mapping: self.mapping.clone(),
            record_id: self.record_id.clone(),
            organization: self.organization.clone(),
            rules: Rules {
                create_organizations: !self.no_create_orgs,
                clear_empty: self.clear_empty,
                exact_permissions: self.remove_permissions,
                identities: self.identities.clone(),
            },
            own_rules: self.own_rules.clone(),
        }
    }
}

/// Checks the whole source and says what an import would do. Opens no connection and writes nothing.
///
/// # Errors
/// When the source cannot be read, or options and columns contradict each other.
pub fn dry_run(
    options: &ImportOptions,
    source: &mut dyn Source,
    tell: impl FnMut(Issue),
) -> Result<DryRun, ValidateError> {
    let summary: ValidateSummary = validate(source, &options.validation(), tell)?;
    let limits = Limits::kept(options.write_limit(), options.headroom.unwrap_or(0.0));
    let writes = summary.users + summary.memberships;
    Ok(DryRun {
        mode: summary.mode.as_str().to_owned(),
        mode_sentence: summary.mode.sentence(),
        total: summary.records,
        would_import: summary.valid,
        failed: summary.failed,
        users: summary.users,
        organizations: summary.organizations,
        memberships: summary.memberships,
        errors: summary.errors,
        warnings: summary.warnings,
        // Identities go to a server that documents no limit.
        least_seconds: match options.rows {
            RowKind::Identities => 0.0,
            _ => least_seconds(writes, &limits),
        },
        exit_code: i32::from(summary.errors > 0 || summary.valid == 0),
    })
}
