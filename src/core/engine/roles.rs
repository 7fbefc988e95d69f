//! Owns which roles a rehearsal knows to be there: those of the environment, read once, and those of an organization,
//! read where a row names a role that the environment does not have. Nothing is read while no write names a role.

use std::collections::HashSet;
use std::sync::Arc;

use quick_cache::sync::Cache;
use tokio::sync::OnceCell;

use super::Engine;
use crate::directory::{Applied, Ask, CallError, Refusal, Then, Write};
use crate::journal::JournalError;
use crate::journal::outcome::{ApiDetails, Effect};
use crate::row::{Claim, Kind};

/// Of how many organizations the roles are kept; those of others are read again.
const ORGANIZATIONS: usize = 10_000;

/// `None`: they cannot be read, and nothing is foreseen.
type Slugs = Option<Arc<HashSet<String>>>;

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
    /// The refusal that a membership's write would get because it names a role that is not there.
    pub(super) async fn lacks_a_role(
        &self,
        ask: &Ask<'_>,
        write: &Write,
    ) -> Result<Option<Applied>, JournalError> {
        let (Some(known), Claim::Membership(claim)) = (&self.roles, ask.claim) else {
            return Ok(None);
        };
        let names_roles = matches!(write.effect, Effect::Created | Effect::Updated);
        if !names_roles || claim.roles.is_empty() {
            return Ok(None);
        }
        let lacking = match self.first_unknown(known, ask, &claim.roles).await {
            Ok(lacking) => lacking,
            Err(error) => return Ok(Some(Applied::Failed(error))),
        };
        Ok(lacking.map(|role| {
            let refusal = Refusal {
                error_type: "role_assignment",
                code: "invalid_role",
                message: format!("Role '{role}' does not exist."),
                api: ApiDetails::default(),
            };
            Applied::Refused {
                error: Default::default(),
                then: Then::Fail(refusal),
            }
        }))
    }

    async fn first_unknown<'roles>(
        &self,
        known: &KnownRoles,
        ask: &Ask<'_>,
        named: &'roles [String],
    ) -> Result<Option<&'roles String>, CallError> {
        let environment = known.environment.get_or_try_init(|| self.slugs(None));
        let Some(environment) = environment.await? else {
            return Ok(None);
        };
        let mut unknown = named.iter().filter(|role| !environment.contains(*role));
        let Some(first) = unknown.next() else {
            return Ok(None);
        };
        let organization = ask.base(Kind::Organization);
        let Some(organization) = organization.filter(|organization| !organization.ours) else {
            // One that is yet to be made has no roles of its own.
            return Ok(Some(first));
        };
        let own = known
            .organizations
            .get_or_insert_async(&organization.id, async {
                let slugs = self.slugs(Some(&organization.id)).await?;
                Ok::<_, CallError>(slugs.map(|slugs| {
                    let own = slugs.difference(environment).cloned();
                    Arc::new(own.collect::<HashSet<String>>())
                }))
            });
        let Some(own) = own.await? else {
            return Ok(None);
        };
        let unknown = std::iter::once(first).chain(unknown);
        Ok(unknown.into_iter().find(|role| !own.contains(*role)))
    }

    async fn slugs(&self, organization: Option<&str>) -> Result<Slugs, CallError> {
        match self.directory.roles(organization).await {
            Ok(slugs) => Ok(Some(Arc::new(slugs.into_iter().collect()))),
            Err(error @ (CallError::Key(_) | CallError::Away(_))) => Err(error),
            // An organization that is not there has none; the row finds that out by itself.
            Err(CallError::Refused(error)) if organization.is_some() && error.status() == 404 => {
                Ok(Some(Arc::default()))
            }
            Err(error) => {
                let why = self.directory.refusal(Kind::Membership, &error).message;
                log::warn!("Roles cannot be listed, and are not foreseen: {why}");
                Ok(None)
            }
        }
    }
}
