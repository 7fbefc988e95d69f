//! Owns the identities that there are: made, replaced, deleted and found, each
//! claim held by one of them.

use super::addresses::{self, GivenAddress};
use super::draft::Draft;
use super::identity::{Claim, EXTERNAL_ID, Identity};
use super::uuids::Uuids;
use super::{answers, schema};
use crate::answer::Answer;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The identities by their identifiers, and who holds which claim.
#[derive(Debug)]
pub(super) struct Identities {
    by_id: BTreeMap<String, Identity>,
    holders: HashMap<Claim, String>,
    schemas: Vec<(String, Value)>,
    uuids: Uuids,
    made: u64,
}

impl Identities {
    pub(super) fn new(seed: u64, schemas: Vec<(String, Value)>) -> Self {
        Self {
            by_id: BTreeMap::new(),
            holders: HashMap::new(),
            schemas,
            uuids: Uuids::new(seed),
            made: 0,
        }
    }

    /// Makes an identity at a time.
    ///
    /// # Errors
    /// 400, if its traits do not keep to its schema; 409, if another one has
    /// what it claims. Nothing is made then.
    pub(super) fn create(&mut self, draft: Draft, now: &str) -> Result<&Identity, Answer> {
        let default = self.schemas.first().map(|(id, _)| id.clone());
        let identity = Identity {
            number: self.made,
            id: self.uuids.next(),
            schema_id: draft.schema_id.or(default).unwrap_or_default(),
            state: draft.state.unwrap_or_else(|| "active".to_owned()),
            state_changed_at: now.to_owned(),
            traits: draft.traits,
            metadata_public: draft.metadata_public,
            metadata_admin: draft.metadata_admin,
            external_id: draft.external_id,
            organization_id: draft.organization_id,
            password: draft.password,
            connections: draft.connections,
            identifiers: Vec::new(),
            verifiable: Vec::new(),
            recovery: Vec::new(),
            created_at: now.to_owned(),
            updated_at: now.to_owned(),
            sessions: Vec::new(),
        };
        let stored = self.store(identity, &draft.addresses, now)?;
        self.made += 1;
        self.get(&stored)
    }

    /// Puts a changed identity in the place of what it was.
    ///
    /// # Errors
    /// As of [`Self::create`]; it stays as it was then.
    pub(super) fn replace(
        &mut self,
        mut identity: Identity,
        given: &[GivenAddress],
        now: &str,
    ) -> Result<&Identity, Answer> {
        let before = self.get(&identity.id)?;
        if before.state != identity.state {
            identity.state_changed_at = now.to_owned();
        }
        identity.updated_at = now.to_owned();
        let stored = self.store(identity, given, now)?;
        self.get(&stored)
    }

    /// Derives what the traits tell, holds it against the others, and keeps it.
    fn store(
        &mut self,
        mut identity: Identity,
        given: &[GivenAddress],
        now: &str,
    ) -> Result<String, Answer> {
        let Some(schema) = self.schema(&identity.schema_id) else {
            let reason = format!(
                "The identity schema {:?} does not exist.",
                identity.schema_id
            );
            return Err(answers::bad_request(&reason));
        };
        schema::check(schema, &identity.traits).map_err(|why| answers::bad_request(&why))?;
        let told = schema::told(schema, &identity.traits);
        identity.identifiers = told.identifiers;
        let mut derive = |told, before: &[_], given: &[_]| {
            addresses::derived(told, before, given, &mut self.uuids, now)
        };
        identity.verifiable = derive(told.verifiable, &identity.verifiable, given);
        identity.recovery = derive(told.recovery, &identity.recovery, &[]);
        let claims = identity.claims();
        let is_taken = |claim| {
            let holder = self.holders.get(claim);
            holder.is_some_and(|holder| *holder != identity.id)
        };
        if claims.iter().any(is_taken) {
            return Err(answers::conflict());
        }
        self.release(&identity.id);
        for claim in claims {
            self.holders.insert(claim, identity.id.clone());
        }
        let id = identity.id.clone();
        self.by_id.insert(id.clone(), identity);
        Ok(id)
    }

    /// Gives an identity a session. False if there is none.
    pub(super) fn sign_in(&mut self, id: &str, now: &str) -> bool {
        let session = self.uuids.next();
        let identity = self.by_id.get_mut(id);
        identity
            .map(|identity| identity.sessions.push((session, now.to_owned())))
            .is_some()
    }

    /// Deletes an identity.
    ///
    /// # Errors
    /// 404, if there is none.
    pub(super) fn delete(&mut self, id: &str) -> Result<(), Answer> {
        self.get(id)?;
        self.release(id);
        self.by_id.remove(id);
        Ok(())
    }

    fn release(&mut self, id: &str) {
        let claims = self.by_id.get(id).map(Identity::claims);
        for claim in claims.unwrap_or_default() {
            self.holders.remove(&claim);
        }
    }

    /// One identity.
    ///
    /// # Errors
    /// 404, if there is none.
    pub(super) fn get(&self, id: &str) -> Result<&Identity, Answer> {
        self.by_id.get(id).ok_or_else(answers::not_found)
    }

    /// The identity with this external identifier.
    ///
    /// # Errors
    /// 404, if there is none.
    pub(super) fn by_external_id(&self, external_id: &str) -> Result<&Identity, Answer> {
        let claim = (EXTERNAL_ID.to_owned(), external_id.to_owned());
        let holder = self.holders.get(&claim).ok_or_else(answers::not_found)?;
        self.get(holder)
    }

    /// Who has credentials with this identifier, as it is written or in the
    /// form in which identifiers are kept.
    pub(super) fn by_identifier(&self, identifier: &str) -> BTreeSet<&str> {
        const TYPES: [&str; 6] = ["password", "code", "oidc", "saml", "webauthn", "passkey"];
        let forms = [identifier.to_owned(), schema::normalized(identifier)];
        TYPES
            .iter()
            .flat_map(|kind| forms.iter().map(|form| ((*kind).to_owned(), form.clone())))
            .filter_map(|claim| self.holders.get(&claim))
            .map(String::as_str)
            .collect()
    }

    /// Those after this identifier, in the order of theirs.
    pub(super) fn after(&self, id: &str) -> impl Iterator<Item = &Identity> {
        use std::ops::Bound::{Excluded, Unbounded};
        self.by_id
            .range::<str, _>((Excluded(id), Unbounded))
            .map(|(_, identity)| identity)
    }

    /// All of them, in the order of creation.
    pub(super) fn in_order(&self) -> Vec<&Identity> {
        let mut all: Vec<&Identity> = self.by_id.values().collect();
        all.sort_by_key(|identity| identity.number);
        all
    }

    /// One schema by its identifier.
    pub(super) fn schema(&self, id: &str) -> Option<&Value> {
        let found = self.schemas.iter().find(|(known, _)| known == id);
        found.map(|(_, schema)| schema)
    }

    /// All schemas with their identifiers.
    pub(super) fn schemas(&self) -> &[(String, Value)] {
        &self.schemas
    }
}
