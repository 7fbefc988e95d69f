//! Owns what a caller can ask of an import, and where it reads from and writes to.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::directory::{GIVE_UP_AFTER, OnExisting, Patience};
use crate::engine::MaxErrors;
use crate::pace::Limit;
use crate::row::{IdentityRules, OrganizationOptions, OwnRules, RowKind};
use crate::source::Format;

/// The options of one import; the defaults are those of the command line.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// What the rows are about.
    pub rows: RowKind,
    /// What identities are held to: `--schema-id`, `--identity-schema`, `--allowed-roles`, `--allowed-tenants`,
    /// `--random-password`. Where the schema itself is not known, an import asks the directory for it.
    pub identities: Option<Arc<IdentityRules>>,
    /// `--remove-permissions`: permissions of a role that its row does not name are taken away.
    pub remove_permissions: bool,
    /// `--org-id`, `--org-external-id`, `--create-org-if-missing`, `--org-name`.
    pub organization: OrganizationOptions,
    pub on_existing: OnExisting,
    /// `--update-passwords`: with on-existing `update`, passwords of existing users are written too.
    pub update_passwords: bool,
    /// `--clear-empty`: with on-existing `update`, an empty cell clears its field.
    pub clear_empty: bool,
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
    /// `record_id=`: the column that says what the caller calls each row.
    pub record_id: Option<String>,
    /// The names of rules of the caller's own. A run with rules asks them by [`super::Event::Judge`].
    pub rules: Vec<String>,
    /// Whom checks ask in their place, which have no events.
    pub own_rules: Option<Arc<dyn OwnRules>>,
    /// Caps the requests in flight.
    pub concurrency: Option<usize>,
    /// The write window; default 500 in 10 s.
    pub rate_limit: Option<Limit>,
    /// The share (0 to 1) that is left to the live application; default 0.1 for a live key, 0 for a test key.
    pub headroom: Option<f64>,
    /// How long the API may be without a success before the run ends; default 30 minutes.
    pub give_up_after: Option<Duration>,
    /// When the run ends, whatever is left.
    pub stop_at: Option<SystemTime>,
    pub errors_out: Option<PathBuf>,
    pub results_out: Option<PathBuf>,
    /// `--audit-file`, `--actor`: where a line is added for each user that is imported, and who imports.
    pub audit: Option<(AuditPlace, String)>,
    /// Where run folders are made; default `.workos-importer/runs` in the current folder.
    pub run_dir: Option<PathBuf>,
    /// `run_id=`: the name of the run. Its rows are known by what they say, so that another attempt goes on with them in
    /// whatever order they come.
    pub run_name: Option<String>,
    pub again: Again,
    pub purpose: Purpose,
    /// Before anything is written with a live key, [`super::Event::Asks`] waits for [`super::Import::confirm`].
    pub asks_first: bool,
    /// `--new-key`: the run to go on with was begun with another key of the same environment.
    pub new_key: bool,
}

/// Where the audit's lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditPlace {
    File(PathBuf),
    /// Beside the journal: the caller reads them there, and does with them what it likes.
    RunFolder,
}

impl AuditPlace {
    /// The file that the caller named.
    pub(super) fn named(&self) -> Option<&PathBuf> {
        match self {
            Self::File(path) => Some(path),
            Self::RunFolder => None,
        }
    }
}

/// Mails go out one a second unless something else is said: nobody's mail provider is surprised.
const MAILS: Limit = Limit {
    count: 1,
    period: Duration::from_secs(1),
};

impl ImportOptions {
    /// The write window, if it is not the documented one.
    pub(super) fn write_limit(&self) -> Option<Limit> {
        self.rate_limit.or(self.rows.sends_mails().then_some(MAILS))
    }

    /// What identities are held to.
    pub(super) fn identity_rules(&self) -> Arc<IdentityRules> {
        self.identities.clone().unwrap_or_default()
    }

    /// How long calls are tried.
    pub(super) fn patience(&self) -> Patience {
        Patience {
            give_up_after: self.give_up_after.unwrap_or(GIVE_UP_AFTER),
            ..Patience::default()
        }
    }

    /// The options that shape the result, as the journal records them.
    pub(super) fn shape(&self, format: &Format) -> Value {
        let mut shape = json!({
            "organization": {
                "id": self.organization.id,
                "external_id": self.organization.external_id,
                "create_if_missing": self.organization.create_if_missing,
                "name": self.organization.name,
            },
            "on_existing": match self.on_existing {
                OnExisting::Skip => "skip",
                OnExisting::Update => "update",
                OnExisting::Fail => "fail",
            },
            "update_passwords": self.update_passwords,
            "clear_empty": self.clear_empty,
            "reactivate": self.reactivate,
            "create_organizations": !self.no_create_orgs,
            "require_membership": self.require_membership,
            "mapping": self.mapping,
            "delimiter": format.delimiter,
            "encoding": format.encoding,
        });
        if let (true, Some(shape)) = (self.rows != RowKind::Users, shape.as_object_mut()) {
            shape.insert(ROWS.into(), json!(self.rows.as_str()));
            shape.insert(REMOVE_PERMISSIONS.into(), json!(self.remove_permissions));
        }
        if let (RowKind::Identities, Some(shape)) = (self.rows, shape.as_object_mut()) {
            let rules = self.identity_rules();
            shape.insert(IDENTITIES.into(), identities_shape(&rules));
        }
        if let (Some(column), Some(shape)) = (&self.record_id, shape.as_object_mut()) {
            shape.insert(RECORD_ID.into(), json!(column));
        }
        if let (Purpose::Planned(path), Some(shape)) = (&self.purpose, shape.as_object_mut()) {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            shape.insert(PLAN.into(), json!(path));
        }
        if let (false, Some(shape)) = (self.rules.is_empty(), shape.as_object_mut()) {
            shape.insert(RULES.into(), json!(self.rules));
        }
        shape
    }

    /// Takes the options that shape the result from a journal, and returns how its source is written.
    pub(super) fn take_shape(&mut self, shape: &Value) -> Format {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let flag = |name: &str| shape[name].as_bool().unwrap_or(false);
        let organization = &shape["organization"];
        self.organization = OrganizationOptions {
            id: text(&organization["id"]),
            external_id: text(&organization["external_id"]),
            create_if_missing: organization["create_if_missing"].as_bool().unwrap_or(false),
            name: text(&organization["name"]),
        };
        self.on_existing = match shape["on_existing"].as_str() {
            Some("update") => OnExisting::Update,
            Some("fail") => OnExisting::Fail,
            _ => OnExisting::Skip,
        };
        self.update_passwords = flag("update_passwords");
        self.clear_empty = flag("clear_empty");
        self.reactivate = flag("reactivate");
        self.no_create_orgs = !flag("create_organizations");
        self.require_membership = flag("require_membership");
        self.rows = rows_of(shape);
        self.remove_permissions = flag(REMOVE_PERMISSIONS);
        self.record_id = text(&shape[RECORD_ID]);
        if self.rows == RowKind::Identities {
            let rules = identities_of(&shape[IDENTITIES], &self.identity_rules());
            self.identities = Some(Arc::new(rules));
        }
        // A run that was to be as planned stays so when it goes on.
        if let (Purpose::Import, Some(path)) = (&self.purpose, shape[PLAN].as_str()) {
            self.purpose = Purpose::Planned(PathBuf::from(path));
        }
        self.mapping = serde_json::from_value(shape["mapping"].clone()).unwrap_or_default();
        Format {
            delimiter: shape["delimiter"]
                .as_u64()
                .and_then(|byte| u8::try_from(byte).ok()),
            encoding: text(&shape["encoding"]),
        }
    }
}

/// Where the shape of a run has the column that says what its rows are called.
pub(super) const RECORD_ID: &str = "record_id";

/// Where the shape of a run has what its rows are about, unless that is users to be imported.
const ROWS: &str = "rows";

/// Where the shape of a run has what its identities are held to. The schema itself is not in it: the server has the last word.
const IDENTITIES: &str = "identities";

fn identities_shape(rules: &IdentityRules) -> Value {
    json!({
        "schema_id": rules.schema_id,
        "allowed_roles": rules.allowed_roles,
        "allowed_tenants": rules.allowed_tenants,
        "random_password": rules.random_password,
    })
}

/// The rules of a shape, with the schema that is known now.
fn identities_of(shape: &Value, known: &IdentityRules) -> IdentityRules {
    let list = |name: &str| serde_json::from_value(shape[name].clone()).unwrap_or_default();
    let schema_id = shape["schema_id"].as_str().unwrap_or(&known.schema_id);
    IdentityRules {
        schema_id: schema_id.to_owned(),
        schema: known
            .schema
            .clone()
            .filter(|_| schema_id == known.schema_id),
        allowed_roles: list("allowed_roles"),
        allowed_tenants: list("allowed_tenants"),
        random_password: shape["random_password"].as_bool().unwrap_or(false),
    }
}

/// Where the shape of a run has whether permissions are taken away.
const REMOVE_PERMISSIONS: &str = "remove_permissions";

/// What the rows of a run are about, by its shape.
pub(super) fn rows_of(shape: &Value) -> RowKind {
    shape[ROWS]
        .as_str()
        .and_then(RowKind::named)
        .unwrap_or_default()
}

/// Where the shape of a run has its plan.
const PLAN: &str = "plan";

/// Where the shape of a run has the names of its rules, if it has any.
const RULES: &str = "rules";

/// The rules that a run was begun with.
pub(super) fn rules_of(shape: &Value) -> Vec<String> {
    serde_json::from_value(shape[RULES].clone()).unwrap_or_default()
}

/// The shape of a run without its plan: that of the plan itself.
pub(super) fn without_plan(shape: &str) -> String {
    match serde_json::from_str(shape) {
        Ok(Value::Object(mut parts)) => {
            parts.remove(PLAN);
            Value::Object(parts).to_string()
        }
        _ => shape.to_owned(),
    }
}

/// Where rows come from.
pub enum Input {
    /// A file, or `-` for standard input.
    Path { path: String, format: Format },
    /// The file that the run was begun with which [`Again::Resume`] or [`Again::Retry`] names.
    Recorded,
    /// Rows that the caller hands over when [`super::Event::WantRows`] asks for them.
    Fed { can_rewind: bool },
}

/// What a source is read for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// The directory is made to match it.
    #[default]
    Import,
    /// The same, but only as far as the directory is still as it was when this file was written by [`Purpose::Plan`].
    Planned(PathBuf),
    /// What an import would do is found out, and nothing is sent but reads.
    Plan,
    /// How the directory differs from it is found out, and nothing is sent but reads.
    Verify {
        /// Memberships of the source's organizations that no row names are found too.
        extra: bool,
        /// So many rows, drawn at random, stand for all of them.
        sample: Option<u64>,
    },
}

impl Purpose {
    /// Nothing is written, neither to the directory nor to a run folder.
    pub fn only_looks(&self) -> bool {
        matches!(self, Self::Plan | Self::Verify { .. })
    }
}

/// What to make of earlier runs of the same import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Again {
    /// Goes on with one that did not end, tries failed rows again, does nothing where all is done.
    #[default]
    GoOn,
    /// `--no-resume`: a new run, whatever was before.
    New,
    /// `resume RUN`: this one, or nothing.
    Resume(String),
    /// `retry RUN`: the failed rows of this one, or nothing.
    Retry(String),
}
