//! Owns the mode of a run: which organizations users are added to, decided once from options and columns.

use thiserror::Error;

use super::IssueCode;
use super::claim::{OrganizationClaim, OrganizationReference};
use super::columns::Columns;
use super::field::Field;
use super::issue::Issue;
use super::row_kind::RowKind;

/// Which organizations the rows' users are added to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    UserOnly,
    SingleOrganization(OrganizationClaim),
    MultiOrganization,
    /// The rows are not about users to be imported. `organization`: the one that all of them belong to, by an option.
    Others {
        kind: RowKind,
        organization: Option<OrganizationClaim>,
    },
}

/// What the caller said about the organization (`--org-id`, `--org-external-id`, `--create-org-if-missing`,
/// `--org-name`; `OrganizationRef` in Python).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrganizationOptions {
    pub id: Option<String>,
    pub external_id: Option<String>,
    pub create_if_missing: bool,
    pub name: Option<String>,
}

/// Why there is no mode: the options or the columns contradict themselves.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ModeError {
    #[error("--org-id and --org-external-id name the organization twice. Use one of the two")]
    TwoReferences,
    #[error("--create-org-if-missing needs --org-external-id and --org-name")]
    CreateWithoutReference,
    #[error("--create-org-if-missing needs --org-name \"…\"")]
    CreateWithoutName,
    #[error("--org-name needs --org-external-id and --create-org-if-missing")]
    NameAlone,
    #[error("{rows} do not belong to one organization: leave out --org-id and --org-external-id")]
    NoOrganization { rows: &'static str },
    #[error("The organization's id is empty")]
    EmptyReference,
    #[error(
        "The column `{column}` names organizations, but names are not unique. Add a column `org_external_id` (your own \
         id for the organization) or `org_id`"
    )]
    OrganizationNameColumnAlone { column: String },
}

impl Mode {
    /// Decides the mode, and what has to be said about it once.
    pub fn decide(
        options: &OrganizationOptions,
        columns: &Columns,
    ) -> Result<(Self, Vec<Issue>), ModeError> {
        if columns.kind() != RowKind::Users {
            let mode = Self::others(options, columns.kind())?;
            return Ok((mode, Vec::new()));
        }
        let mode = match reference(options)? {
            Some(reference) => Self::SingleOrganization(OrganizationClaim {
                reference,
                name: options.name.clone().filter(|_| options.create_if_missing),
                fields: None,
            }),
            None if columns.has_organization() => Self::MultiOrganization,
            None => match columns.name_of(Field::OrgName) {
                Some(column) => return Err(ModeError::OrganizationNameColumnAlone { column }),
                None => Self::UserOnly,
            },
        };
        let warnings = mode.warnings(columns, true, true);
        Ok((mode, warnings))
    }

    fn others(options: &OrganizationOptions, kind: RowKind) -> Result<Self, ModeError> {
        let reference = reference(options)?;
        let belongs = matches!(kind, RowKind::Memberships | RowKind::Invitations);
        if reference.is_some() && !belongs {
            return Err(ModeError::NoOrganization {
                rows: kind.as_str(),
            });
        }
        let organization = reference.map(|reference| OrganizationClaim {
            reference,
            name: options.name.clone().filter(|_| options.create_if_missing),
            fields: None,
        });
        Ok(Self::Others { kind, organization })
    }

    /// The organization that all rows belong to, by an option.
    pub fn organization(&self) -> Option<&OrganizationClaim> {
        match self {
            Self::SingleOrganization(organization) => Some(organization),
            Self::Others { organization, .. } => organization.as_ref(),
            Self::UserOnly | Self::MultiOrganization => None,
        }
    }

    /// What has to be said about roles and organization columns that are new.
    pub(super) fn warnings(
        &self,
        columns: &Columns,
        roles_are_new: bool,
        organizations_are_new: bool,
    ) -> Vec<Issue> {
        let has_organization = columns.has_organization() || columns.has(Field::OrgName);
        match self {
            Self::SingleOrganization(_) if organizations_are_new && has_organization => {
                vec![Issue::about_source(
                    IssueCode::OrganizationOptionsWin,
                    "CSV contains org columns but CLI flags provided",
                )]
            }
            Self::UserOnly if roles_are_new && columns.has(Field::RoleSlugs) => {
                vec![Issue::about_source(
                    IssueCode::RolesIgnored,
                    "The column `role_slugs` is ignored: without organizations there are no memberships",
                )]
            }
            _ => Vec::new(),
        }
    }

    /// `user-only`, `single-org`, `multi-org`; of rows that are not about users to be imported, their kind.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Others { kind, .. } => kind.as_str(),
            Self::UserOnly => "user-only",
            Self::SingleOrganization(_) => "single-org",
            Self::MultiOrganization => "multi-org",
        }
    }

    /// The sentence that imports and dry runs print.
    pub fn sentence(&self) -> String {
        match self {
            Self::UserOnly => "User-only mode: No memberships will be created".to_owned(),
            Self::SingleOrganization(organization) => {
                let (OrganizationReference::Id(id) | OrganizationReference::ExternalId(id)) =
                    &organization.reference;
                format!("Single-org mode: All users will be added to {id}")
            }
            Self::Others { kind, .. } => kind.sentence().to_owned(),
            Self::MultiOrganization => {
                "Multi-org mode: Organizations will be resolved per-row from CSV".to_owned()
            }
        }
    }
}

fn reference(options: &OrganizationOptions) -> Result<Option<OrganizationReference>, ModeError> {
    let trimmed = |text: &Option<String>| text.as_deref().map(|text| text.trim().to_owned());
    let reference = match (trimmed(&options.id), trimmed(&options.external_id)) {
        (Some(_), Some(_)) => return Err(ModeError::TwoReferences),
        (Some(id), None) if options.create_if_missing || id.is_empty() => {
            return Err(match id.is_empty() {
                true => ModeError::EmptyReference,
                false => ModeError::CreateWithoutReference,
            });
        }
        (Some(id), None) => OrganizationReference::Id(id),
        (None, Some(id)) if id.is_empty() => return Err(ModeError::EmptyReference),
        (None, Some(id)) => OrganizationReference::ExternalId(id),
        (None, None) if options.create_if_missing => {
            return Err(ModeError::CreateWithoutReference);
        }
        (None, None) if options.name.is_some() => return Err(ModeError::NameAlone),
        (None, None) => return Ok(None),
    };
    let has_name = trimmed(&options.name).is_some_and(|name| !name.is_empty());
    if options.create_if_missing && !has_name {
        return Err(ModeError::CreateWithoutName);
    }
    Ok(Some(reference))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(names: &[&str]) -> Columns {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Columns::resolve(&names, &[]).unwrap()
    }

    #[test]
    fn the_sentences_are_the_documented_ones() {
        let (mode, _) =
            Mode::decide(&OrganizationOptions::default(), &columns(&["email"])).unwrap();
        assert_eq!(
            mode.sentence(),
            "User-only mode: No memberships will be created"
        );
        let (mode, _) = Mode::decide(
            &OrganizationOptions::default(),
            &columns(&["email", "org_id"]),
        )
        .unwrap();
        assert_eq!(
            mode.sentence(),
            "Multi-org mode: Organizations will be resolved per-row from CSV"
        );
        let options = OrganizationOptions {
            id: Some("org_123".into()),
            ..Default::default()
        };
        let (mode, warnings) =
            Mode::decide(&options, &columns(&["email", "org_external_id"])).unwrap();
        assert_eq!(
            mode.sentence(),
            "Single-org mode: All users will be added to org_123"
        );
        assert_eq!(
            warnings[0].message,
            "CSV contains org columns but CLI flags provided"
        );
    }

    #[test]
    fn contradictions_are_refused() {
        let decide = |options: OrganizationOptions, names: &[&str]| {
            Mode::decide(&options, &columns(names)).unwrap_err()
        };
        let none = OrganizationOptions::default();
        assert_eq!(
            decide(none.clone(), &["email", "Org Name"]),
            ModeError::OrganizationNameColumnAlone {
                column: "Org Name".into()
            }
        );
        let both = OrganizationOptions {
            id: Some("org_1".into()),
            external_id: Some("acme".into()),
            ..none.clone()
        };
        assert_eq!(decide(both, &["email"]), ModeError::TwoReferences);
        let nameless = OrganizationOptions {
            external_id: Some("acme".into()),
            create_if_missing: true,
            ..none.clone()
        };
        assert_eq!(decide(nameless, &["email"]), ModeError::CreateWithoutName);
        let name_only = OrganizationOptions {
            name: Some("Acme".into()),
            ..none
        };
        assert_eq!(decide(name_only, &["email"]), ModeError::NameAlone);
    }

    #[test]
    fn roles_without_organizations_are_said_once() {
        let columns = columns(&["email", "role_slugs"]);
        let (_, warnings) = Mode::decide(&OrganizationOptions::default(), &columns).unwrap();
        assert_eq!(warnings[0].code, IssueCode::RolesIgnored);
    }
}
