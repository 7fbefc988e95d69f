//! Owns what rows about identities are held to beside what is true of all rows: schema, roles, tenants.

use std::collections::BTreeSet;

use super::schema::IdentitySchema;
use crate::row::IssueCode;
use crate::row::issue::Issue;

/// What an import knows of the identities that it makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityRules {
    /// The schema that the server holds the traits to.
    pub schema_id: String,
    /// That schema, if it is known; `None`: traits are not checked.
    pub schema: Option<IdentitySchema>,
    /// What a `role` can be; `None`: anything.
    pub allowed_roles: Option<BTreeSet<String>>,
    /// What a `tenant_id` can be; `None`: anything.
    pub allowed_tenants: Option<BTreeSet<String>>,
    /// Who brings no password is given a random one that nobody sees.
    pub random_password: bool,
}

impl Default for IdentityRules {
    fn default() -> Self {
        Self {
            schema_id: "default".to_owned(),
            schema: None,
            allowed_roles: None,
            allowed_tenants: None,
            random_password: false,
        }
    }
}

impl IdentityRules {
    /// What a check without the schema has to say, once.
    pub fn unchecked_warning(&self) -> Option<Issue> {
        self.schema.is_none().then(|| {
            let message = format!(
                "Traits are not checked: nothing is known of the identity schema `{}`",
                self.schema_id
            );
            Issue::about_source(IssueCode::TraitsNotChecked, message)
        })
    }
}
