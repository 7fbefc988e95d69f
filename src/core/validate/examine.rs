//! Owns the check of one batch of records, each by itself, and what is kept of them for comparison.

use std::hash::{BuildHasher, RandomState};

use zeroize::Zeroizing;

use super::Batch;
use super::spill::Entry;
use crate::row::digest::for_each_field;
use crate::row::{
    Claim, Columns, Issue, Mode, OrganizationReference, Row, Rules, UserClaim, interpret,
};

/// What a batch came to.
#[derive(Default)]
pub(super) struct Examined {
    /// In the order of the records.
    pub issues: Vec<Issue>,
    pub valid: u64,
    pub failed: u64,
    pub memberships: u64,
    pub users: Vec<Entry>,
    /// By external id, with the user that has it.
    pub external_ids: Vec<Entry>,
    pub organizations: Vec<Entry>,
}

/// What all workers share.
pub(super) struct Examiner {
    pub mode: Mode,
    pub rules: Rules,
    /// Seeded anew for each check: entries mean nothing to anybody else.
    hashing: RandomState,
}

impl Examiner {
    pub fn new(mode: Mode, rules: Rules) -> Self {
        Self {
            mode,
            rules,
            hashing: RandomState::new(),
        }
    }

    /// What was said before comes before what is found.
    pub fn examine(&self, columns: &Columns, batch: Batch) -> Examined {
        let Batch {
            records,
            said,
            mut judged,
        } = batch;
        let mut examined = Examined {
            issues: said,
            users: Vec::with_capacity(records.len()),
            organizations: Vec::with_capacity(records.len()),
            ..Examined::default()
        };
        let mut scratch = Zeroizing::new(Vec::with_capacity(512));
        for record in records {
            let interpreted = interpret(columns, &self.mode, record, &self.rules);
            let interpreted = judged.add_to(interpreted, columns);
            examined.issues.extend(interpreted.warnings);
            match interpreted.row {
                Ok(row) => {
                    examined.valid += 1;
                    self.remember(&row, &mut examined, &mut scratch);
                }
                Err(rejected) => {
                    examined.failed += 1;
                    examined.issues.extend(rejected.issues);
                }
            }
        }
        examined
    }

    fn remember(&self, row: &Row, examined: &mut Examined, scratch: &mut Vec<u8>) {
        // Beyond four thousand million rows, numbers in comparisons stop counting.
        let short = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let entry = |key, value| Entry {
            key,
            value,
            record_number: short(row.identity.record_number),
            line: short(row.identity.line.unwrap_or_default()),
        };
        for step in &row.steps {
            match &step.claim {
                Claim::User(user) => {
                    let key = self.hashing.hash_one(user.email.as_str());
                    let value = self.fields_hash(user, scratch);
                    examined.users.push(entry(key, value));
                    if let Some(external_id) = &user.external_id {
                        let of = self.hashing.hash_one((3, external_id.as_str()));
                        examined.external_ids.push(entry(of, shortened(key)));
                    }
                }
                Claim::Organization(organization) => {
                    let key = match &organization.reference {
                        OrganizationReference::Id(id) => self.hashing.hash_one((1, id.as_str())),
                        OrganizationReference::ExternalId(id) => {
                            self.hashing.hash_one((2, id.as_str()))
                        }
                    };
                    let name = organization.name.as_deref();
                    let value = name.map_or(0, |name| shortened(self.hashing.hash_one(name)));
                    examined.organizations.push(entry(key, value));
                }
                Claim::Membership(_) => examined.memberships += 1,
                _ => {}
            }
        }
    }

    /// 0 if the row says nothing about its user but the email.
    fn fields_hash(&self, user: &UserClaim, scratch: &mut Vec<u8>) -> u32 {
        scratch.clear();
        for_each_field(user, |tag, text| {
            scratch.push(tag);
            scratch.extend_from_slice(&(text.len() as u32).to_le_bytes());
            scratch.extend_from_slice(text.as_bytes());
        });
        if scratch.is_empty() {
            return 0;
        }
        shortened(self.hashing.hash_one(scratch.as_slice()))
    }
}

/// Half of a hash, and never 0.
fn shortened(hash: u64) -> u32 {
    ((hash >> 32) as u32).max(1)
}
