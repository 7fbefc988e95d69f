//! Owns what the exchanges tell: nothing is asked about what is known, nothing is deleted that is not certainly ours,
//! and nothing is sent more often than what happened explains.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use serde_json::Value;
use workos_importer_core::directory::OnExisting;
use workos_importer_core::journal::outcome::Outcome;
use workos_importer_core::row::Kind;

use super::Schedule;
use super::source::{Line, WIZARD};
use crate::harness::{Done, Exchange, Known, Life};

/// What a call is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    /// The first, small read.
    Check,
    /// By email.
    User(String),
    UserId(String),
    /// By external id.
    Organization(String),
    Pair(String, String),
    MembershipId(String),
    /// The memberships of a user who may have to be taken back.
    Dependents(String),
}

pub fn check(schedule: &Schedule, done: &Done) {
    let ledger = Ledger { schedule, done };
    ledger.only_what_is_certainly_ours_is_deleted();
    if schedule.writer.is_none() {
        for (index, life) in done.lives.iter().enumerate() {
            ledger.nothing_is_asked_about_what_is_known(index, life);
        }
        ledger.no_more_calls_than_explained();
    }
}

struct Ledger<'a> {
    schedule: &'a Schedule,
    done: &'a Done,
}

impl Ledger<'_> {
    fn of_life(&self, index: usize) -> &[Exchange] {
        let from = self.done.lives[index].first_exchange;
        let next = self.done.lives.get(index + 1);
        let until = next.map_or(self.done.log.len(), |life| life.first_exchange);
        &self.done.log[from..until]
    }

    fn subject(&self, exchange: &Exchange) -> Subject {
        let target = exchange.target.as_str();
        let body = |name: &str| exchange.body[name].as_str().unwrap_or_default().to_owned();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let queried = |name: &str| {
            let mut pairs = url::form_urlencoded::parse(query.as_bytes());
            let found = pairs.find(|(key, _)| key == name);
            found.map(|(_, value)| value.into_owned())
        };
        if let Some(rest) = path.strip_prefix("/organizations") {
            return match rest.strip_prefix("/external_id/") {
                Some(external_id) => Subject::Organization(external_id.to_owned()),
                None => Subject::Organization(body("external_id")),
            };
        }
        if let Some(rest) = path.strip_prefix("/user_management/organization_memberships") {
            if exchange.method == Method::POST {
                return Subject::Pair(body("user_id"), body("organization_id"));
            }
            if let Some(id) = rest.strip_prefix('/') {
                return Subject::MembershipId(id.trim_end_matches("/reactivate").to_owned());
            }
            let user = queried("user_id").unwrap();
            return match queried("organization_id") {
                Some(organization) => Subject::Pair(user, organization),
                None => Subject::Dependents(user),
            };
        }
        let rest = path.strip_prefix("/user_management/users").unwrap();
        if exchange.method == Method::POST {
            return Subject::User(body("email"));
        }
        if let Some(external_id) = rest.strip_prefix("/external_id/") {
            let mut lines = self.schedule.lines.iter();
            let line = lines.find(|line| line.external_id == external_id);
            return Subject::User(line.unwrap().email.clone());
        }
        match (rest.strip_prefix('/'), queried("email")) {
            (Some(id), _) => Subject::UserId(id.to_owned()),
            (None, Some(email)) => Subject::User(email),
            (None, None) => Subject::Check,
        }
    }

    /// This run read that it made the user, it was asked to take such users back, and it looked right before.
    fn only_what_is_certainly_ours_is_deleted(&self) {
        let mut made: BTreeSet<&str> = BTreeSet::new();
        let mut looked_at: BTreeSet<String> = BTreeSet::new();
        for exchange in &self.done.log {
            match self.subject(exchange) {
                Subject::User(_)
                    if exchange.method == Method::POST && exchange.status == Some(201) =>
                {
                    made.insert(&exchange.id);
                }
                Subject::Dependents(user) if exchange.status == Some(200) => {
                    looked_at.insert(user);
                }
                subject if exchange.method == Method::DELETE => {
                    let Subject::UserId(id) = subject else {
                        panic!("{subject:?} was deleted");
                    };
                    assert!(self.schedule.scenario.require_membership);
                    assert!(
                        made.contains(id.as_str()),
                        "{id} is not certainly ours, and was deleted"
                    );
                    // A deletion that is turned away with 429 has only to wait.
                    let looked = match exchange.status {
                        Some(429) => looked_at.contains(&id),
                        _ => looked_at.remove(&id),
                    };
                    assert!(looked, "{id} was deleted without a fresh look");
                }
                _ => {}
            }
        }
        for result in &self.done.results {
            let Some(user) = result.step(Kind::User) else {
                continue;
            };
            let mut deletions = self
                .done
                .log
                .iter()
                .filter(|one| one.method == Method::DELETE);
            if result.outcome != Outcome::Failed {
                assert!(
                    !deletions.any(|one| self.subject(one) == Subject::UserId(user.id.clone())),
                    "{} was deleted, and record {} did not fail",
                    user.id,
                    result.identity.record_number
                );
            }
        }
    }

    /// What the journal knew when an attempt began costs that attempt no call: neither rows that are done, nor keys.
    fn nothing_is_asked_about_what_is_known(&self, index: usize, life: &Life) {
        let known = &life.known;
        let is_open = |number: &u64| match known.outcomes.get(number).map(String::as_str) {
            None => true,
            Some("failed") => life.retry,
            Some(_) => false,
        };
        let open: BTreeMap<u64, &Line> = (1..)
            .zip(&self.schedule.lines)
            .filter(|(number, _)| is_open(number))
            .collect();
        let open_emails: BTreeSet<&str> = open.values().map(|line| line.email.as_str()).collect();
        // Who was taken back is not known any more, whatever the journal lost of it.
        let first = life.first_exchange;
        let deleted: BTreeSet<Subject> = self.done.log[..first]
            .iter()
            .filter(|exchange| exchange.method == Method::DELETE)
            .map(|exchange| self.subject(exchange))
            .collect();
        let is_there = |id: &&str| !deleted.contains(&Subject::UserId((*id).to_owned()));
        // A first row that ended without its user: what it says is still to be written, whatever others have come to.
        let is_owed = |email: &str| known.owed_to(email).is_some_and(|number| is_open(&number));
        for exchange in self.of_life(index) {
            let subject = self.subject(exchange);
            let done = match &subject {
                Subject::User(email) => {
                    let id = known.id(Kind::User, email).filter(is_there);
                    let is_known =
                        id.is_some() && (exchange.method == Method::POST || !is_owed(email));
                    is_known || !open_emails.contains(email.as_str())
                }
                Subject::UserId(id) if exchange.method == Method::PUT => {
                    let mut emails = open_emails.iter();
                    emails.any(|email| known.id(Kind::User, email) == Some(id) && !is_owed(email))
                }
                Subject::Organization(external_id) => {
                    let key = format!("external_id:{external_id}");
                    known.id(Kind::Organization, &key).is_some()
                }
                Subject::Pair(user, organization) => {
                    let key = format!("{user}:{organization}");
                    is_there(&user.as_str())
                        && known.id(Kind::Membership, &key).is_some()
                        && (exchange.method == Method::POST || has_all_roles(known, &key, &open))
                }
                Subject::Check
                | Subject::UserId(_)
                | Subject::MembershipId(_)
                | Subject::Dependents(_) => false,
            };
            assert!(
                !done,
                "attempt {index} sends {exchange:?}, which the journal knows"
            );
        }
    }

    /// What the rows need, and for everything that went wrong as much as it can cost:
    ///
    /// - an answer of 429: the call once more;
    /// - a read without an answer: the call once more, and one that has to be repeated with it;
    /// - a write without an answer: two looks (a user is looked for by email and by external id), and the write once more;
    /// - a death: the first read of the next attempt, a look for each organization that is not known by then, and two
    ///   calls for each answer about something that the journal does not know by then;
    /// - a first row that ended without its user, to whom another row came: two looks, and its own write.
    fn no_more_calls_than_explained(&self) {
        let mut explained = self.needed(&self.schedule.lines, false);
        for exchange in &self.done.log {
            explained += match exchange.status {
                Some(429) => 1,
                None | Some(500..) if exchange.method == Method::GET => 2,
                None | Some(500..) => 3,
                Some(_) => 0,
            };
        }
        for (index, life) in self.done.lives.iter().enumerate().skip(1) {
            explained += self.cost_of_beginning_again(index - 1, &life.known);
            explained += 3 * life.known.owed().count();
            if life.retry && !self.done.lives[index - 1].retry {
                let failed = (1..).zip(&self.schedule.lines).filter(|(number, _)| {
                    life.known.outcomes.get(number).map(String::as_str) == Some("failed")
                });
                let failed: Vec<Line> = failed.map(|(_, line)| line.clone()).collect();
                explained += self.needed(&failed, true);
            }
        }
        explained += self.looks_before_taking_back();
        let sent = self.done.log.len();
        assert!(
            sent <= explained,
            "{sent} calls, and {explained} are explained"
        );
    }

    fn cost_of_beginning_again(&self, died: usize, known: &Known) -> usize {
        let organizations: BTreeSet<&str> = self
            .schedule
            .lines
            .iter()
            .map(|line| line.organization.as_str())
            .filter(|organization| !organization.is_empty())
            .filter(|organization| {
                let key = format!("external_id:{organization}");
                known.id(Kind::Organization, &key).is_none()
            })
            .collect();
        let of_life = self.of_life(died);
        let writes = of_life.iter().filter(|one| one.method != Method::GET);
        let committed = writes.map(|one| one.sent).max().unwrap_or(0);
        let may_be_lost = self.done.lives[died]
            .death
            .is_some_and(|death| death.unwritten > 0);
        let unknown = of_life.iter().filter(|exchange| {
            let Some(answered) = exchange.answered else {
                return false;
            };
            if may_be_lost && answered > committed {
                return true;
            }
            match self.subject(exchange) {
                Subject::User(email) => known.id(Kind::User, &email).is_none(),
                Subject::Organization(_) | Subject::Check | Subject::Dependents(_) => false,
                Subject::Pair(user, organization) => {
                    let key = format!("{user}:{organization}");
                    known.id(Kind::Membership, &key).is_none()
                }
                Subject::UserId(id) | Subject::MembershipId(id) => {
                    let mut ids = known.steps.values().map(|step| step.id.as_deref());
                    !ids.any(|known| known == Some(&id))
                }
            }
        });
        1 + organizations.len() + 2 * unknown.count()
    }

    /// The calls that rows need where nothing goes wrong. `again`: another attempt may have left anything.
    fn needed(&self, lines: &[Line], again: bool) -> usize {
        let policy = &self.schedule.scenario.policy;
        let one_role = self.schedule.one_role;
        // The first read.
        let mut calls = 1;
        let mut users: BTreeSet<&str> = BTreeSet::new();
        let mut organizations: BTreeSet<&str> = BTreeSet::new();
        let mut pairs: BTreeMap<(&str, &str), BTreeSet<String>> = BTreeMap::new();
        for line in lines {
            let was_there = again || self.user_before(line).is_some();
            if users.insert(&line.email) {
                calls += 1;
                if was_there {
                    // Refused, found by email and by external id, and updated.
                    let by_external_id = usize::from(!line.external_id.is_empty());
                    calls +=
                        1 + by_external_id + usize::from(policy.on_existing == OnExisting::Update);
                }
            }
            if line.organization.is_empty() {
                continue;
            }
            if organizations.insert(&line.organization) {
                let organization = &self.schedule.before["organizations"];
                let found = find(organization, "external_id", &line.organization);
                calls += 1 + usize::from(again || found.is_none());
            }
            if line.roles.contains(&WIZARD) {
                // Looked for where the user was there, and refused.
                calls += 2;
                continue;
            }
            let pair = (line.email.as_str(), line.organization.as_str());
            let before = self.membership_before(line);
            let is_out = before.is_some_and(|one| one["status"] == "inactive");
            let so_far = match pairs.entry(pair) {
                Entry::Occupied(so_far) => {
                    // Nothing is known of one who was put out but that the row failed.
                    calls += usize::from(is_out && !policy.reactivate);
                    so_far.into_mut()
                }
                Entry::Vacant(place) => {
                    // Looked for where the user was there; made or let in again.
                    calls += usize::from(was_there);
                    let made = before.is_none();
                    calls += usize::from(again || made || (is_out && policy.reactivate));
                    // All roles, then the first alone.
                    calls += usize::from(made && one_role && line.roles.len() > 1);
                    let named = line.roles.iter().map(|role| (*role).to_owned());
                    place.insert(before.map_or_else(|| named.collect(), roles))
                }
            };
            let lacking = line.roles.iter().any(|role| !so_far.contains(*role));
            // A row that waits for the name of its organization comes after rows that stand behind it.
            let same = |other: &&Line| (other.email.as_str(), other.organization.as_str()) == pair;
            let waits = line.name.is_empty()
                && !line.roles.is_empty()
                && lines.iter().filter(same).count() > 1;
            if lacking || waits || again || (one_role && line.roles.len() > 1) {
                calls += 1;
                // Where it takes one role only, each row that names another one tries.
                if !one_role {
                    so_far.extend(line.roles.iter().map(|role| (*role).to_owned()));
                }
            }
        }
        calls
    }

    fn user_before(&self, line: &Line) -> Option<&Value> {
        let users = &self.schedule.before["users"];
        find(users, "email", &line.email).or_else(|| find(users, "external_id", &line.external_id))
    }

    fn membership_before(&self, line: &Line) -> Option<&Value> {
        let user = &self.user_before(line)?["id"];
        let organizations = &self.schedule.before["organizations"];
        let organization = &find(organizations, "external_id", &line.organization)?["id"];
        let list = &self.schedule.before["organization_memberships"];
        let mut memberships = list.as_array().unwrap().iter();
        memberships.find(|one| one["user_id"] == *user && one["organization_id"] == *organization)
    }

    /// Two calls at the end of each attempt for a user of whom a row failed.
    fn looks_before_taking_back(&self) -> usize {
        if !self.schedule.scenario.require_membership {
            return 0;
        }
        let mut failed: BTreeSet<&str> = BTreeSet::new();
        let mut note = |number: u64| {
            failed.insert(&self.schedule.lines[number as usize - 1].email);
        };
        for result in &self.done.results {
            if result.outcome == Outcome::Failed {
                note(result.identity.record_number);
            }
        }
        for life in &self.done.lives {
            for (number, outcome) in &life.known.outcomes {
                if outcome == "failed" {
                    note(*number);
                }
            }
        }
        2 * failed.len() * self.done.lives.len()
    }
}

/// Whether what the journal knows of a membership is enough for every row that is not done.
fn has_all_roles(known: &Known, key: &str, open: &BTreeMap<u64, &Line>) -> bool {
    let place = (Kind::Membership, key.to_owned());
    let detail = known.steps[&place].detail.clone().unwrap_or_default();
    open.iter().all(|(number, line)| {
        let its_own = known.keys_of.get(number);
        let is_its = its_own.is_some_and(|keys| keys.contains(&place));
        let named = |role: &&str| detail.contains(&format!("\"{role}\""));
        !is_its || line.roles.iter().all(named)
    })
}

/// What a list has under a text that is not empty.
fn find<'a>(list: &'a Value, field: &str, text: &str) -> Option<&'a Value> {
    let mut objects = list.as_array().unwrap().iter();
    objects.find(|object| !text.is_empty() && object[field] == text)
}

fn roles(membership: &Value) -> BTreeSet<String> {
    let roles = membership["roles"].as_array().unwrap().iter();
    let slugs = roles.map(|role| role["slug"].as_str().unwrap().to_owned());
    slugs.collect()
}
