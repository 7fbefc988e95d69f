//! Owns what a caller can ask of an import, and where it reads from and writes to.

use std::path::PathBuf;

use crate::directory::OnExisting;
use crate::engine::MaxErrors;
use crate::pace::Limit;
use crate::row::OrganizationOptions;
use crate::source::{Cell, Format};
use crate::wire::Connection;

/// The options of one import; the defaults are those of the command line.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// `--org-id`, `--org-external-id`, `--create-org-if-missing`, `--org-name`.
    pub organization: OrganizationOptions,
    pub on_existing: OnExisting,
    /// `--update-passwords`: with on-existing `update`, passwords of existing users are written too.
    pub update_passwords: bool,
    /// `--reactivate`: inactive memberships are made active again.
    pub reactivate: bool,
    /// `--no-create-orgs`: organizations that are missing fail their rows.
    pub no_create_orgs: bool,
    pub require_membership: bool,
    /// Nothing is sent if any record fails its checks.
    pub strict: bool,
    pub max_errors: Option<MaxErrors>,
    /// `--map "E-Mail=email"`: (the source's column, ours).
    pub mapping: Vec<(String, String)>,
    /// Caps the requests in flight.
    pub concurrency: Option<usize>,
    /// The write window; default 500 in 10 s.
    pub rate_limit: Option<Limit>,
    /// The share (0 to 1) that is left to the live application; default 0.1 for a live key, 0 for a test key.
    pub headroom: Option<f64>,
    pub errors_out: Option<PathBuf>,
    pub results_out: Option<PathBuf>,
    /// Where run folders are made; default `.workos-importer/runs` in the current folder.
    pub run_dir: Option<PathBuf>,
}

/// Where rows come from.
pub enum Input {
    /// A file, or `-` for standard input.
    Path { path: String, format: Format },
    /// Rows that the caller hands over when [`super::Event::WantRows`] asks for them.
    Fed { can_rewind: bool },
}

/// One row as a caller hands it over: names and cells.
pub type FedRow = Vec<(String, Cell)>;

/// Which directory is written to.
pub enum Target {
    Api(Connection),
    #[cfg(feature = "sandbox")]
    Sandbox(workos_importer_sandbox::Sandbox),
}
