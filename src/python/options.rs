//! Owns the way of an import's options from a Python mapping to the engine's type.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use pyo3::prelude::*;
use workos_importer_core::directory::OnExisting;
use workos_importer_core::engine::MaxErrors;
use workos_importer_core::import::{AuditPlace, ImportOptions, PaceChange};
use workos_importer_core::pace::Limit;
use workos_importer_core::row::{Columns, Mode, ModeError, OrganizationOptions, RowKind};
use workos_importer_core::source::Format;

use crate::errors;
use crate::kratos::GivenIdentities;

/// As `_native.pyi` has them.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Options {
    rows: String,
    remove_permissions: bool,
    org_id: Option<String>,
    org_external_id: Option<String>,
    org_name: Option<String>,
    create_org_if_missing: bool,
    on_existing: String,
    update_passwords: bool,
    clear_empty: bool,
    reactivate: bool,
    no_create_orgs: bool,
    require_membership: bool,
    strict: bool,
    max_errors_count: Option<u64>,
    max_errors_percent: Option<f64>,
    mapping: Vec<(String, String)>,
    record_id: Option<String>,
    concurrency: Option<usize>,
    rate_limit: Option<(u32, f64)>,
    headroom: Option<f64>,
    give_up_after: Option<f64>,
    stop_at: Option<f64>,
    errors_out: Option<PathBuf>,
    results_out: Option<PathBuf>,
    audit_file: Option<PathBuf>,
    audit_beside: bool,
    actor: Option<String>,
    run_dir: Option<PathBuf>,
    asks_first: bool,
    rules: Vec<String>,
    identities: Option<GivenIdentities>,
}

impl Options {
    /// The engine's own type.
    pub fn into_core(self, py: Python<'_>) -> PyResult<ImportOptions> {
        let on_existing = match self.on_existing.as_str() {
            "skip" => OnExisting::Skip,
            "update" => OnExisting::Update,
            "fail" => OnExisting::Fail,
            _ => {
                return Err(errors::config(
                    py,
                    "config",
                    "on_existing must be \"skip\", \"update\" or \"fail\"",
                ));
            }
        };
        let lasting = |seconds| {
            Duration::try_from_secs_f64(seconds)
                .map_err(|_| errors::config(py, "config", "give_up_after is no time"))
        };
        let moment = |seconds: f64| {
            Duration::try_from_secs_f64(seconds)
                .ok()
                .and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since))
                .ok_or_else(|| errors::config(py, "config", "stop_at is no moment"))
        };
        let rows = RowKind::named(&self.rows).ok_or_else(|| {
            let names = RowKind::ALL.map(RowKind::as_str).join(", ");
            errors::config(py, "config", &format!("rows must be one of {names}"))
        })?;
        Ok(ImportOptions {
            rows,
            remove_permissions: self.remove_permissions,
            organization: OrganizationOptions {
                id: self.org_id,
                external_id: self.org_external_id,
                create_if_missing: self.create_org_if_missing,
                name: self.org_name,
            },
            on_existing,
            update_passwords: self.update_passwords,
            clear_empty: self.clear_empty,
            reactivate: self.reactivate,
            no_create_orgs: self.no_create_orgs,
            require_membership: self.require_membership,
            strict: self.strict,
            max_errors: self
                .max_errors_count
                .map(MaxErrors::Count)
                .or(self.max_errors_percent.map(MaxErrors::Percent)),
            mapping: self.mapping,
            record_id: self.record_id,
            concurrency: self.concurrency,
            rate_limit: self.rate_limit.map(|given| limit(py, given)).transpose()?,
            headroom: self.headroom,
            give_up_after: self.give_up_after.map(lasting).transpose()?,
            stop_at: self.stop_at.map(moment).transpose()?,
            errors_out: self.errors_out,
            results_out: self.results_out,
            audit: self
                .audit_file
                .map(AuditPlace::File)
                .or(self.audit_beside.then_some(AuditPlace::RunFolder))
                .zip(self.actor),
            run_dir: self.run_dir,
            asks_first: self.asks_first,
            rules: self.rules,
            identities: self
                .identities
                .map(|given| given.into_core(py))
                .transpose()?,
            ..ImportOptions::default()
        })
    }
}

fn limit(py: Python<'_>, (count, seconds): (u32, f64)) -> PyResult<Limit> {
    let period = Duration::try_from_secs_f64(seconds)
        .map_err(|_| errors::config(py, "config", "The period of the rate limit is no time"))?;
    Ok(Limit { count, period })
}

/// Another pace for a run that is under way.
pub fn pace_change(
    py: Python<'_>,
    rate_limit: Option<(u32, f64)>,
    headroom: Option<f64>,
) -> PyResult<PaceChange> {
    Ok(PaceChange {
        rate_limit: rate_limit.map(|given| limit(py, given)).transpose()?,
        headroom,
    })
}

/// Refuses organization options that contradict each other, before there is a source.
#[pyfunction]
pub fn check_options(py: Python<'_>, options: Options) -> PyResult<()> {
    let options = options.into_core(py)?;
    // No source has fewer columns, so what is wrong now is wrong with every source.
    let names: Vec<String> = match options.rows {
        RowKind::Users => vec!["email".to_owned()],
        kind => kind
            .fields()
            .iter()
            .map(|field| field.as_str().to_owned())
            .collect(),
    };
    let Ok(columns) = Columns::of(options.rows, (names.as_slice(), false), &[], None) else {
        return Ok(());
    };
    match Mode::decide(&options.organization, &columns) {
        Ok(_) | Err(ModeError::OrganizationNameColumnAlone { .. }) => Ok(()),
        Err(error) => Err(errors::mode(py, &error)),
    }
}

/// How a file is written, as far as the caller says it.
pub fn format(
    py: Python<'_>,
    delimiter: Option<&str>,
    encoding: Option<String>,
) -> PyResult<Format> {
    let delimiter = match delimiter {
        None => None,
        // Shells do not write tabs easily.
        Some("\\t" | "tab") => Some(b'\t'),
        Some(text) => match text.as_bytes() {
            [byte] => Some(*byte),
            _ => {
                return Err(errors::config(
                    py,
                    "config",
                    "The delimiter must be one plain character such as , ; or a tab",
                ));
            }
        },
    };
    Ok(Format {
        delimiter,
        encoding,
    })
}
