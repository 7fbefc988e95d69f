//! Owns which roles are known to be there: those of the environment, read once, and those of an organization, read where a
//! row names a role that the environment does not have. A row that names another one fails before anything is written for
//! it, so that a typing error leaves no users without their membership. Nothing is read while no row names a role.

use std::collections::BTreeSet;
use std::sync::Arc;

use quick_cache::sync::Cache;
use tokio::sync::OnceCell;

use super::ensure::Failure;
use super::{Claimed, Ended, Engine};
use crate::directory::{Base, CallError, Refusal, State};
use crate::journal::Remembered;
use crate::journal::outcome::ApiDetails;
use crate::row::near::nearest;
use crate::row::{Claim, Kind, StepKey};

/// Of how many organizations the roles are kept; those of others are read again.
const ORGANIZATIONS: usize = 10_000;

/// `None`: they cannot be read, and whether one is there is for the directory to say.
type Slugs = Option<Arc<BTreeSet<String>>>;

pub(super) struct KnownRoles {
    environment: OnceCell<Slugs>,
    /// Those that the environment does not have, by the organization's id.
    organizations: Cache<String, Slugs>,
}

impl Default for KnownRoles {
    fn default() -> Self {
        Self {
            environment: OnceCell::new(),
            organizations: Cache::new(ORGANIZATIONS),
        }
    }
}

impl Engine<'_> {
    /// The roles that a row names, if they are to be looked for.
    pub(super) fn roles_to_look_for<'row>(&self, row: &'row Claimed) -> &'row [String] {
        let named = row.steps.iter().find_map(|step| match &step.claim {
            Claim::Membership(claim) => Some(claim.roles.as_slice()),
            _ => None,
        });
        named.filter(|_| self.roles.is_some()).unwrap_or_default()
    }

    /// Refuses a row that names a role which neither the environment nor the row's organization has. `bases`: what the row
    /// has come to so far.
    pub(super) async fn check_roles(
        &self,
        named: &[String],
        bases: &[Base],
    ) -> Result<(), Failure> {
        let organization = bases.iter().find(|base| base.kind == Kind::Organization);
        // One that was imagined has no roles of its own.
        let organization = organization.filter(|base| !(self.rehearses && base.ours));
        self.refuse_unknown(named, organization.map(|base| base.id.as_str()))
            .await
    }

    /// Before the first write of a step that comes before what the row is about: an organization that is yet to be made
    /// has no roles of its own, and is not made for a row that fails.
    pub(super) async fn look_for_roles(
        &self,
        key: &StepKey,
        current: &State,
        named: &[String],
    ) -> Result<(), Failure> {
        let there = match current {
            State::Found(found) => Some(found.id.as_str()),
            State::Absent | State::Conflict { .. } => None,
        };
        let refused = self.refuse_unknown(named, there).await;
        if let (Err(Failure::Row(_)), State::Absent) = (&refused, current) {
            // Further rows with the same mistake need not look again.
            self.memo.put(key, Remembered::missing())?;
        }
        refused
    }

    async fn refuse_unknown(
        &self,
        named: &[String],
        organization: Option<&str>,
    ) -> Result<(), Failure> {
        let Some(known) = self.roles.as_ref().filter(|_| !named.is_empty()) else {
            return Ok(());
        };
        let environment = known.environment.get_or_try_init(|| self.slugs(None));
        let Some(environment) = environment.await? else {
            return Ok(());
        };
        let lacking: Vec<&String> = named
            .iter()
            .filter(|role| !environment.contains(*role))
            .collect();
        if lacking.is_empty() {
            return Ok(());
        }
        let own = match organization {
            None => Arc::default(),
            Some(id) => {
                let read = known.organizations.get_or_insert_async(id, async {
                    let slugs = self.slugs(Some(id)).await?;
                    Ok::<_, Failure>(slugs.map(|slugs| {
                        let own = slugs.difference(environment).cloned();
                        Arc::new(own.collect::<BTreeSet<String>>())
                    }))
                });
                match read.await? {
                    Some(own) => own,
                    None => return Ok(()),
                }
            }
        };
        match lacking.into_iter().find(|role| !own.contains(*role)) {
            Some(role) => Err(Failure::Row(unknown(role, environment, &own))),
            None => Ok(()),
        }
    }

    async fn slugs(&self, organization: Option<&str>) -> Result<Slugs, Failure> {
        match self.directory.roles(organization).await {
            Ok(slugs) => Ok(Some(Arc::new(slugs.into_iter().collect()))),
            Err(CallError::Key(error)) => Err(Failure::Stop(Ended::Key(error))),
            Err(CallError::Away(message)) => Err(Failure::Stop(Ended::Unreachable(message))),
            // An organization that is not there has none; the row finds that out by itself.
            Err(CallError::Refused(error)) if organization.is_some() && error.status() == 404 => {
                Ok(Some(Arc::default()))
            }
            Err(error) => {
                let why = self.directory.refusal(Kind::Membership, &error).message;
                log::warn!(
                    "Roles cannot be listed, and are not looked for before rows are written: {why}"
                );
                Ok(None)
            }
        }
    }
}

/// The refusal of a row that names this role, with the one that may be meant.
fn unknown(role: &str, environment: &BTreeSet<String>, own: &BTreeSet<String>) -> Refusal {
    let there = environment.union(own).map(String::as_str);
    let meant = match nearest(role, there) {
        Some(near) => format!(" Did you mean `{near}`?"),
        None => String::new(),
    };
    Refusal {
        error_type: "role_assignment",
        code: "invalid_role",
        message: format!("Role '{role}' does not exist.{meant}"),
        api: ApiDetails::default(),
    }
}
