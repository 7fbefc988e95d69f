//! Owns what has to be so after the last attempt: the directory and the outcomes, against the file.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use workos_importer_core::directory::OnExisting;
use workos_importer_core::journal::outcome::{Effect, Evidence, Outcome, RowResult, StepResult};
use workos_importer_core::row::Kind;

use super::Schedule;
use super::source::{Line, ROWS};
use super::writer::Deeds;
use crate::harness::{Done, lines_by_number};

const NOBODY: &Deeds = &Deeds {
    made: BTreeMap::new(),
    taken: BTreeSet::new(),
    taken_ids: BTreeSet::new(),
    count: 0,
};

type Objects = BTreeMap<String, Value>;

struct World {
    users: Objects,
    organizations: Objects,
    memberships: Objects,
}

impl World {
    fn of(dump: &Value) -> Self {
        let by_id = |list: &str| -> Objects {
            let objects = dump[list].as_array().unwrap().iter();
            objects
                .map(|object| (object["id"].as_str().unwrap().to_owned(), object.clone()))
                .collect()
        };
        Self {
            users: by_id("users"),
            organizations: by_id("organizations"),
            memberships: by_id("organization_memberships"),
        }
    }

    fn of_kind(&self, kind: Kind) -> &Objects {
        match kind {
            Kind::User => &self.users,
            Kind::Organization => &self.organizations,
            Kind::Membership => &self.memberships,
            _ => unreachable!("no row is about one"),
        }
    }
}

const KINDS: [Kind; 3] = [Kind::User, Kind::Organization, Kind::Membership];

/// How a schedule ended.
pub struct End<'a> {
    schedule: &'a Schedule,
    done: &'a Done,
    before: World,
    after: World,
}

impl<'a> End<'a> {
    pub fn of(schedule: &'a Schedule, done: &'a Done) -> Self {
        Self {
            schedule,
            done,
            before: World::of(&schedule.before),
            after: World::of(&schedule.scenario.sandbox.dump()),
        }
    }

    pub fn check(&self) {
        match &self.schedule.writer {
            None => self.check_with(NOBODY),
            Some(writer) => self.check_with(writer.lock().unwrap().deeds()),
        }
    }

    fn check_with(&self, others: &Deeds) {
        self.each_row_has_one_outcome(others);
        for (index, line) in self.schedule.lines.iter().enumerate() {
            let result = self.done.result(index as u64 + 1);
            if result.outcome != Outcome::Failed && !is_touched(line, others) {
                self.is_true(index, line, result, others);
            }
        }
        self.nothing_is_there_twice();
        self.created_is_what_this_run_made(others);
        self.nobody_was_made_in_silence(others);
        self.only_what_was_claimed_has_changed(others);
    }

    /// As it was handed over, and as the journal has it.
    fn each_row_has_one_outcome(&self, others: &Deeds) {
        let done = self.done;
        assert_eq!((done.results.len(), done.lines.len()), (ROWS, ROWS));
        for life in &done.lives {
            if life.death.is_none_or(|death| death.unwritten == 0) {
                assert_eq!(
                    life.results_lost, 0,
                    "a journal that had caught up lost a row"
                );
            }
        }
        for (number, line) in lines_by_number(&done.lines) {
            let result = done.result(number);
            assert_ne!(result.outcome, Outcome::Pending);
            assert_eq!(result.outcome == Outcome::Failed, result.error.is_some());
            let text = |index: usize| line.texts[index].as_deref();
            assert_eq!(text(2), Some(result.outcome.as_str()), "record {number}");
            let evidence = result.evidence().map(Evidence::as_str);
            assert_eq!(text(5), evidence, "record {number}");
            let code = result.error.as_ref().map(|error| error.code);
            assert_eq!(text(9), code, "record {number}");
            if others.count > 0 || text(3) == Some("deleted") {
                // The ids are those of the keys, and keys can have been made again.
                continue;
            }
            for (kind, effect, id) in [(Kind::User, 3, 6), (Kind::Membership, 4, 8)] {
                let step = result.step(kind);
                // A row that is tried again and gets less far: the journal keeps what it had come to.
                let retried = !self.schedule.scenario.retries.is_empty();
                if step.is_none() && retried && result.outcome == Outcome::Failed {
                    continue;
                }
                let expected = step.map(|step| step.effect.as_str());
                let said = text(effect).filter(|text| *text != "none");
                assert_eq!(said, expected, "record {number}");
                assert_eq!(
                    text(id),
                    step.map(|step| step.id.as_str()),
                    "record {number}"
                );
            }
        }
    }

    /// The directory equals what the row says.
    fn is_true(&self, index: usize, line: &Line, result: &RowResult, others: &Deeds) {
        let number = index as u64 + 1;
        let user = &self.after.users[self.done.id(number, Kind::User)];
        let is_its_user = user["email"] == line.email.as_str()
            || (!line.external_id.is_empty() && user["external_id"] == line.external_id.as_str());
        assert!(is_its_user, "record {number}: {user}");
        // The first row of a user counts; where that did not come to the user, the row that made the user.
        let lines = &self.schedule.lines;
        let first = lines.iter().position(|other| other.email == line.email);
        let first = first.unwrap_or(index);
        let has_come = self
            .done
            .result(first as u64 + 1)
            .step(Kind::User)
            .is_some();
        let made = result.step(Kind::User).unwrap().effect == Effect::Created;
        let updates = self.schedule.scenario.policy.on_existing == OnExisting::Update;
        if (made && (first == index || !has_come)) || (first == index && updates) {
            self.has_the_fields(user, line, number);
        }
        if line.organization.is_empty() {
            assert!(result.step(Kind::Membership).is_none());
            return;
        }
        let Some(step) = result.step(Kind::Membership) else {
            panic!("record {number} says nothing of its membership");
        };
        let membership = &self.after.memberships[&step.id];
        assert_eq!(membership["user_id"], user["id"]);
        let organization = membership["organization_id"].as_str().unwrap();
        let organization = &self.after.organizations[organization];
        assert_eq!(organization["external_id"], line.organization.as_str());
        assert_eq!(membership["status"], "active", "record {number}");
        let has = roles(membership);
        let lacks = line.roles.iter().any(|role| !has.contains(role));
        assert!(!lacks, "record {number}: {has:?}, and not {:?}", line.roles);
        let _ = others;
    }

    fn has_the_fields(&self, user: &Value, line: &Line, number: u64) {
        for (field, claimed) in [
            ("first_name", &line.first_name),
            ("external_id", &line.external_id),
        ] {
            if !claimed.is_empty() {
                assert_eq!(user[field], claimed.as_str(), "record {number}: {user}");
            }
        }
    }

    fn nothing_is_there_twice(&self) {
        for (kind, fields) in [
            (Kind::User, ["email", "email"]),
            (Kind::Organization, ["external_id", "external_id"]),
            (Kind::Membership, ["user_id", "organization_id"]),
        ] {
            let objects = self.after.of_kind(kind);
            let keys = objects
                .values()
                .map(|object| fields.map(|field| object[field].to_string()));
            assert_eq!(
                keys.collect::<BTreeSet<_>>().len(),
                objects.len(),
                "{kind:?}"
            );
        }
        // Nor under two names.
        let names = self
            .after
            .organizations
            .values()
            .map(|one| one["name"].to_string());
        let count = self.after.organizations.len();
        let distinct = names.collect::<BTreeSet<_>>().len();
        assert!(distinct == count || self.schedule.writer.is_some());
    }

    /// What this run says that it created, it created: `confirmed` was read from the API, and `inferred` was not there
    /// before. Only somebody who made the very same in those seconds can be mistaken for us.
    fn created_is_what_this_run_made(&self, others: &Deeds) {
        let answered: BTreeSet<&str> = self
            .done
            .log
            .iter()
            .filter(|exchange| exchange.method == "POST" && exchange.status == Some(201))
            .map(|exchange| exchange.id.as_str())
            .collect();
        let died = self.done.lives.len() > 1;
        for (result, step) in self.created() {
            let id = step.id.as_str();
            assert!(
                !self.before.of_kind(step.kind).contains_key(id),
                "{id} was there before"
            );
            let heard = answered.contains(id);
            if step.evidence == Evidence::Confirmed {
                assert!(heard, "{id} is confirmed, and no answer said so");
                continue;
            }
            // A death can come between hearing an answer and noting it.
            assert!(
                !heard || died,
                "{id} was answered for, and is only inferred"
            );
            if let Some(made) = others.made.get(id) {
                let number = result.identity.record_number;
                self.could_be_ours(made, step, number);
            }
        }
    }

    fn could_be_ours(&self, made: &Value, step: &StepResult, number: u64) {
        let line = &self.schedule.lines[number as usize - 1];
        match step.kind {
            Kind::User => {
                assert_eq!(made["email"], line.email.as_str());
                self.has_the_fields(made, line, number);
            }
            Kind::Organization => {
                let name = super::source::name_of(&line.organization);
                assert_eq!(made["name"], name.as_str());
            }
            // Roles can have been added since.
            _ => {}
        }
    }

    /// What this run made is told by exactly one row, unless a row of it ended in doubt.
    fn nobody_was_made_in_silence(&self, others: &Deeds) {
        let mut claimed: BTreeSet<&str> = BTreeSet::new();
        for (_, step) in self.created() {
            assert!(claimed.insert(&step.id), "two rows created {}", step.id);
        }
        for kind in KINDS {
            for (id, object) in self.after.of_kind(kind) {
                let ours =
                    !self.before.of_kind(kind).contains_key(id) && !others.made.contains_key(id);
                // The organization that the options name is made before the first row.
                let by_a_row = !(self.schedule.single && kind == Kind::Organization);
                if ours && by_a_row && !claimed.contains(id.as_str()) {
                    self.is_spoken_of(kind, object, others);
                }
            }
        }
    }

    fn is_spoken_of(&self, kind: Kind, object: &Value, others: &Deeds) {
        let lines = self.schedule.lines.iter().enumerate();
        let about = lines.filter(|(_, line)| self.is_about(line, kind, object));
        let spoken_of = about.into_iter().any(|(index, line)| {
            let result = self.done.result(index as u64 + 1);
            let code = result.error.as_ref().map(|error| error.code);
            code == Some("in_doubt") || is_touched(line, others) || self.was_in_doubt(index, kind)
        });
        assert!(spoken_of, "nobody speaks of {object}");
    }

    /// A doubt about a user that a row had to leave unsettled, and that another row came to, whose fields are others:
    /// the journal does not keep what was sent, so this row could not know the user for ours.
    fn was_in_doubt(&self, index: usize, kind: Kind) -> bool {
        let lines = &self.schedule.lines;
        let line = &lines[index];
        let mut others = lines.iter().filter(|other| other.email == line.email);
        let mut lives = self.done.lives.iter();
        kind == Kind::User
            && others.any(|other| other.first_name != line.first_name)
            && lives.any(|life| life.left_in_doubt.contains(&(index as u64 + 1)))
    }

    fn is_about(&self, line: &Line, kind: Kind, object: &Value) -> bool {
        match kind {
            Kind::User => object["email"] == line.email.as_str(),
            Kind::Organization => object["external_id"] == line.organization.as_str(),
            _ => {
                let user = &self.after.users[object["user_id"].as_str().unwrap()];
                let organization = object["organization_id"].as_str().unwrap();
                let organization = &self.after.organizations[organization];
                let external_id = &user["external_id"];
                (self.is_about(line, Kind::User, user)
                    || (!line.external_id.is_empty() && *external_id == line.external_id.as_str()))
                    && self.is_about(line, Kind::Organization, organization)
            }
        }
    }

    /// Who was there is there, as before, but for what rows say; and nothing came that no row speaks of.
    fn only_what_was_claimed_has_changed(&self, others: &Deeds) {
        let policy = &self.schedule.scenario.policy;
        for kind in KINDS {
            for (id, then) in self.before.of_kind(kind) {
                if others.taken_ids.contains(id) {
                    continue;
                }
                let Some(now) = self.after.of_kind(kind).get(id) else {
                    panic!("{id} is gone");
                };
                let is_left = match kind {
                    Kind::User => policy.on_existing == OnExisting::Skip,
                    Kind::Organization => true,
                    _ => false,
                };
                assert!(!is_left || then == now, "{then} became {now}");
                if kind == Kind::Membership {
                    assert!(roles(then).is_subset(&roles(now)), "{then} became {now}");
                    assert!(
                        policy.reactivate || then["status"] == now["status"],
                        "{id} was let in again"
                    );
                }
            }
            for (id, object) in self.after.of_kind(kind) {
                let known =
                    self.before.of_kind(kind).contains_key(id) || others.made.contains_key(id);
                let mut lines = self.schedule.lines.iter();
                assert!(
                    known || lines.any(|line| self.is_about(line, kind, object)),
                    "no row asks for {object}"
                );
            }
        }
        if others.count == 0 {
            for (id, now) in &self.after.memberships {
                self.has_no_role_that_nobody_named(id, now);
            }
        }
    }

    fn has_no_role_that_nobody_named(&self, id: &str, now: &Value) {
        let lines = self.schedule.lines.iter();
        let named = lines.filter(|line| self.is_about(line, Kind::Membership, now));
        let mut may_have: BTreeSet<&str> = named.flat_map(|line| line.roles.clone()).collect();
        // What a membership has that names none.
        may_have.insert("member");
        if let Some(then) = self.before.memberships.get(id) {
            may_have.extend(roles(then));
        }
        assert!(roles(now).is_subset(&may_have), "{now}");
    }

    fn created(&self) -> impl Iterator<Item = (&RowResult, &StepResult)> {
        self.done.results.iter().flat_map(|result| {
            let created = result.steps.iter();
            created
                .filter(|step| step.effect == Effect::Created)
                .map(move |step| (result, step))
        })
    }
}

/// Somebody else took away what the row is about.
fn is_touched(line: &Line, others: &Deeds) -> bool {
    let Line {
        email,
        external_id,
        organization,
        ..
    } = line;
    [
        email.clone(),
        external_id.clone(),
        organization.clone(),
        format!("{email} {organization}"),
        format!("{external_id} {organization}"),
    ]
    .iter()
    .any(|text| !text.is_empty() && others.taken.contains(text))
}

fn roles(membership: &Value) -> BTreeSet<&str> {
    let roles = membership["roles"].as_array().unwrap().iter();
    roles.map(|role| role["slug"].as_str().unwrap()).collect()
}
