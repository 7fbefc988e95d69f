//! Owns what a row about an identity means: a user whose fields a schema decides (Ory Kratos).

mod rules;
mod schema;

pub use rules::IdentityRules;
pub use schema::IdentitySchema;
