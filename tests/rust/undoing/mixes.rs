//! A thousand mixes, each drawn from one seed: an import with faults and kills, somebody else at work, and an undo with
//! faults and kills of its own. Afterwards the directory is what it was before, but for what others did and what the undo
//! says that it leaves.
//!
//! `SEED=123 cargo test … mixes` replays one; `MIXES=50000` runs more.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::Duration;

use http::Method;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use workos_importer_core::directory::OnExisting;
use workos_importer_core::engine::Halt;
use workos_importer_core::journal::outcome::{Effect, Evidence};
use workos_importer_core::journal::{UNDONE, Verdict};
use workos_importer_core::row::Kind;
use workos_importer_sandbox::{Faults, Limits, Sandbox, Settings};

use super::{MEMBERSHIPS, USERS};
use crate::harness::{Death, Meddle, Scenario, Undid, World, answer};
use crate::schedules::{on_all_cores, source};

const MIXES: u64 = 1_000;
const LISTS: [(Kind, &str); 3] = [
    (Kind::User, "users"),
    (Kind::Organization, "organizations"),
    (Kind::Membership, "organization_memberships"),
];

/// Objects by id, without what time does to them.
type Objects = BTreeMap<String, (Kind, Value)>;

fn objects(dump: &Value) -> Objects {
    let mut found = Objects::new();
    for (kind, list) in LISTS {
        for object in dump[list].as_array().unwrap() {
            let mut object = object.clone();
            let fields = object.as_object_mut().unwrap();
            for changing in ["created_at", "updated_at", "user", "organization_name"] {
                fields.remove(changing);
            }
            let id = object["id"].as_str().unwrap().to_owned();
            found.insert(id, (kind, object));
        }
    }
    found
}

/// What others have done between import and undo.
#[derive(Debug, Default)]
struct Others {
    /// Ids of what they have made, and of what they have changed in whatever way.
    made: BTreeSet<String>,
    changed: BTreeSet<String>,
    signed_in: BTreeSet<String>,
    /// Users who got a membership.
    joined: BTreeSet<String>,
    deleted: BTreeSet<String>,
}

struct Mix {
    scenario: Scenario,
    calm: bool,
    organizations: bool,
    deaths: Vec<Death>,
    /// An import that is cut off, and not gone on with.
    cut_off: Option<f64>,
    _folder: tempfile::TempDir,
}

fn deaths(random: &mut StdRng, how_many: std::ops::Range<u32>, longest: u32) -> Vec<Death> {
    let how_many = random.random_range(how_many);
    (0..how_many)
        .map(|_| Death {
            polls: random.random_range(1..longest),
            unwritten: match random.random_range(0..3) {
                0 => 0,
                1 => random.random_range(1..20),
                _ => Death::POWER,
            },
        })
        .collect()
}

impl Mix {
    fn draw(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let calm = seed.is_multiple_of(4);
        let rate = random.random_range(0.0..0.2);
        let settings = Settings {
            seed,
            latency: (
                Duration::ZERO,
                Duration::from_millis(random.random_range(0..200)),
            ),
            limits: Limits::documented(),
            faults: Faults {
                rate: if calm { 0.0 } else { rate },
                ..Faults::default()
            },
            ..Settings::default()
        };
        let single = random.random_bool(0.15);
        let lines = source::lines_with(&mut random, single, 0.05);
        let mut scenario = Scenario::on(Sandbox::new(settings), &source::csv(&lines, single));
        source::populate(&scenario.sandbox, &mut random);
        let folder = tempfile::tempdir().unwrap();
        scenario.journal = Some(folder.path().join("journal.sqlite3"));
        scenario.seed = seed;
        scenario.stubborn = true;
        scenario.policy.reactivate = random.random_bool(0.5);
        if random.random_bool(0.5) {
            scenario.policy.on_existing = OnExisting::Update;
        }
        if single {
            scenario.organization.external_id = Some(source::SINGLE.to_owned());
            scenario.organization.name = Some(source::name_of(source::SINGLE));
            scenario.organization.create_if_missing = true;
        }
        let cut_off = (!calm && random.random_bool(0.3)).then(|| random.random_range(0.1..4.0));
        if !calm && cut_off.is_none() {
            scenario.deaths = deaths(&mut random, 0..3, 200);
        }
        let deaths = match calm {
            true => Vec::new(),
            false => deaths(&mut random, 0..5, 250),
        };
        Self {
            scenario,
            calm,
            organizations: random.random_bool(0.6),
            deaths,
            cut_off,
            _folder: folder,
        }
    }

    /// Users sign in, are changed, get memberships and lose some, in between.
    fn meanwhile(&self, random: &mut StdRng) -> Others {
        let sandbox = &self.scenario.sandbox;
        let mut others = Others::default();
        let elsewhere = sandbox.organization("elsewhere", "Elsewhere");
        others.made.insert(elsewhere.clone());
        let there = objects(&sandbox.dump());
        for (id, (kind, object)) in &there {
            if !random.random_bool(0.15) || *id == elsewhere {
                continue;
            }
            match (kind, random.random_range(0..5)) {
                (Kind::User, 0 | 1) => {
                    sandbox.sign_in(id);
                    others.signed_in.insert(id.clone());
                }
                (Kind::User, 2) => {
                    let changed = json!({"last_name": "Changed"});
                    sandbox.seed(Method::PUT, &format!("{USERS}/{id}"), changed);
                    others.changed.insert(id.clone());
                }
                (Kind::User, 3) => {
                    let made = sandbox.membership(id, &elsewhere, &[]);
                    others.made.insert(made);
                    others.joined.insert(id.clone());
                }
                (Kind::User, _) => {
                    sandbox.delete(&format!("{USERS}/{id}"));
                    others.deleted.insert(id.clone());
                    let memberships = there.iter().filter(|(_, (_, one))| one["user_id"] == **id);
                    others.deleted.extend(memberships.map(|(id, _)| id.clone()));
                }
                (Kind::Membership, 0) if !others.deleted.contains(id) => {
                    let path = format!("{MEMBERSHIPS}/{id}/deactivate");
                    if object["status"] == "active" {
                        sandbox.seed(Method::PUT, &path, json!({}));
                        others.changed.insert(id.clone());
                    }
                }
                (Kind::Membership, 1) if !others.deleted.contains(id) => {
                    sandbox.delete(&format!("{MEMBERSHIPS}/{id}"));
                    others.deleted.insert(id.clone());
                }
                (Kind::Organization, 0) => {
                    let path = format!("/organizations/{id}");
                    sandbox.seed(Method::PUT, &path, json!({"name": "Renamed"}));
                    others.changed.insert(id.clone());
                }
                _ => {}
            }
        }
        others
    }

    fn run(&mut self, seed: u64, mutation: Mutation) -> (Others, Undid) {
        let before = objects(&self.scenario.sandbox.dump());
        let done = match self.cut_off {
            Some(seconds) => self.scenario.run_halted(&[(seconds, Halt::Now)]),
            None => self.scenario.run(),
        };
        let steps = done.results.iter().flat_map(|result| &result.steps);
        let inferred: BTreeSet<String> = steps
            .filter(|step| step.effect == Effect::Created && step.evidence == Evidence::Inferred)
            .map(|step| step.id.clone())
            .collect();
        let imported = self.scenario.sandbox.dump();
        let mut random = StdRng::seed_from_u64(seed ^ 0x0bad);
        let others = self.meanwhile(&mut random);
        let middle = objects(&self.scenario.sandbox.dump());
        mutation.break_it(&mut self.scenario, &imported);
        let undid = self.scenario.undo(&self.deaths, self.organizations);
        if std::env::var_os("SHOW").is_some() {
            println!("{others:#?} {undid:#?}");
        }
        let after = objects(&self.scenario.sandbox.dump());
        self.check(&before, &middle, &after, &others, &undid);
        for id in inferred.difference(&others.deleted) {
            assert!(after.contains_key(id), "{} was only inferred", middle[id].1);
        }
        (others, undid)
    }

    fn check(
        &self,
        before: &Objects,
        middle: &Objects,
        after: &Objects,
        others: &Others,
        undid: &Undid,
    ) {
        let in_doubt: BTreeSet<(Kind, Option<&str>)> = undid
            .left
            .iter()
            .filter(|line| line.verdict == Verdict::InDoubt)
            .map(|line| (line.kind, line.name.as_deref()))
            .collect();
        let is_in_doubt = |kind: Kind, object: &Value| {
            in_doubt.iter().any(|(of_kind, name)| {
                *of_kind == kind
                    && match kind {
                        Kind::User => *name == object["email"].as_str(),
                        Kind::Organization => {
                            let external_id = object["external_id"].as_str().unwrap_or_default();
                            name.is_some_and(|name| name.ends_with(external_id))
                        }
                        // It is known by nothing that could be compared.
                        _ => true,
                    }
            })
        };
        assert_eq!(undid.status.as_deref(), Some(UNDONE));
        // What was there before is there, as it was but for what the run and others changed.
        for (id, (kind, object)) in before {
            if others.deleted.contains(id) {
                continue;
            }
            let (_, now) = after.get(id).unwrap_or_else(|| panic!("{object} is gone"));
            let middle = &middle[id].1;
            let same = now == object;
            let why = undid.why(id);
            let may_differ = matches!(why, Some(Verdict::Updated | Verdict::InDoubt))
                || others.changed.contains(id)
                || others.signed_in.contains(id)
                || is_in_doubt(*kind, object)
                || is_in_doubt(*kind, now);
            assert!(same || may_differ, "{object} has become {now}");
            assert_eq!(now, middle, "undoing has changed it");
        }
        // What is there and was not is somebody else's, or is said to be left.
        for (id, (kind, object)) in after {
            if before.contains_key(id) || others.made.contains(id) {
                continue;
            }
            assert_eq!(&middle[id].1, object, "undoing has changed it");
            let kept = *kind == Kind::Organization && !self.organizations;
            let said = undid.why(id);
            assert!(
                said.is_some() || kept || is_in_doubt(*kind, object),
                "{object} is left and not said to be"
            );
        }
        // Nothing goes that somebody uses.
        for id in others
            .signed_in
            .iter()
            .chain(&others.changed)
            .chain(&others.joined)
            .chain(&others.made)
        {
            if others.deleted.contains(id) {
                continue;
            }
            let of_others = |what: &str| middle[id].1[what].as_str().unwrap_or_default().to_owned();
            if !others.deleted.contains(&of_others("user_id")) {
                assert!(after.contains_key(id), "{} is gone", middle[id].1);
            }
        }
        // Who stays because of signing in keeps the memberships that the run gave.
        for (id, (kind, object)) in middle {
            let user = object["user_id"].as_str().unwrap_or_default();
            let is_ours = !before.contains_key(user);
            if *kind == Kind::Membership && is_ours && others.signed_in.contains(user) {
                assert!(after.contains_key(id), "{object} is gone");
            }
        }
        self.check_reasons(middle, after, others, undid);
    }

    /// What is left is left for a reason that is there.
    fn check_reasons(&self, middle: &Objects, after: &Objects, others: &Others, undid: &Undid) {
        for line in &undid.left {
            let Some(id) = &line.remote_id else { continue };
            let Some((kind, object)) = after.get(id) else {
                // Of what is not deleted by us nobody has looked whether it is still there.
                assert!(
                    matches!(line.verdict, Verdict::Inferred | Verdict::Updated),
                    "{line:?}"
                );
                continue;
            };
            let user = match kind {
                Kind::Membership => object["user_id"].as_str().unwrap_or_default(),
                _ => id,
            };
            let of_user = || after.values().filter(|(_, one)| one["user_id"] == user);
            match line.verdict {
                Verdict::SignedIn => assert!(others.signed_in.contains(user), "{line:?}"),
                Verdict::NotEmpty => {
                    let mut there = after.values();
                    assert!(there.any(|(_, one)| one["organization_id"] == **id));
                }
                Verdict::OtherMemberships => {
                    let is_joined = others.joined.contains(user);
                    assert!(
                        is_joined || (!self.calm && of_user().count() > 0),
                        "{line:?}"
                    );
                }
                Verdict::Changed if self.calm => {
                    let changed = |id: &str| others.changed.contains(id);
                    let mut theirs = middle.iter().filter(|(_, (_, one))| one["user_id"] == user);
                    assert!(
                        changed(user) || changed(id) || theirs.any(|(id, _)| changed(id)),
                        "{line:?}"
                    );
                }
                Verdict::Refused | Verdict::InDoubt | Verdict::Inferred => {
                    assert!(!self.calm, "{line:?}");
                }
                _ => {}
            }
        }
    }
}

/// A way in which undoing could be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutation {
    None,
    /// Users are looked at as they were right after the import.
    LooksAtNothingNew,
    /// What is inferred is taken for certain.
    DeletesInferred,
}

impl Mutation {
    fn break_it(self, scenario: &mut Scenario, imported: &Value) {
        let change = |statement: &str| {
            let path = scenario.journal.as_deref().unwrap();
            let journal = rusqlite::Connection::open(path).unwrap();
            journal.execute_batch(statement).unwrap();
        };
        match self {
            Self::None => {}
            Self::DeletesInferred => change("UPDATE step SET inferred = NULL"),
            Self::LooksAtNothingNew => {
                let then = imported["users"].as_array().unwrap().clone();
                scenario.meddle(move |_, request| {
                    let id = request.target.strip_prefix("/user_management/users/");
                    let user = then.iter().find(|user| user["id"].as_str() == id);
                    match user {
                        Some(user) if request.method == "GET" => {
                            Meddle::Answer(answer(200, user, &[]))
                        }
                        _ => Meddle::Pass,
                    }
                });
            }
        }
    }
}

#[test]
fn after_an_undo_the_directory_is_as_before_but_for_what_it_says() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seeds = match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("MIXES").unwrap_or(MIXES),
    };
    let counts: Mutex<BTreeMap<String, u64>> = Mutex::default();
    on_all_cores(seeds.clone(), |seed| {
        let (_, undid) = Mix::draw(seed).run(seed, Mutation::None);
        let mut counts = counts.lock().unwrap();
        for ((kind, verdict), count) in &undid.counts {
            let what = format!("{} {}", kind.as_str(), verdict.as_str());
            *counts.entry(what).or_insert(0) += count;
        }
        *counts.entry("deaths".into()).or_insert(0) += undid.deaths as u64;
    });
    let counts = counts.into_inner().unwrap();
    println!("{counts:#?}");
    if seeds.end - seeds.start >= MIXES {
        // They are about something.
        for (what, least) in [
            ("user deleted", 5_000),
            ("membership deleted", 5_000),
            ("organization deleted", 200),
            ("user signed_in", 300),
            ("user changed", 100),
            ("user other_memberships", 100),
            ("user inferred", 300),
            ("user updated", 300),
            ("user in_doubt", 20),
            ("membership changed", 100),
            ("organization not_empty", 50),
            ("deaths", 500),
        ] {
            assert!(
                counts.get(what).is_some_and(|count| *count >= least),
                "{what}"
            );
        }
    }
}

#[test]
fn wrong_undos_are_noticed() {
    for mutation in [Mutation::LooksAtNothingNew, Mutation::DeletesInferred] {
        let noticed = (0..60).any(|seed| {
            let wrong = || Mix::draw(seed).run(seed, mutation);
            catch_unwind(AssertUnwindSafe(wrong)).is_err()
        });
        assert!(noticed, "{mutation:?}");
    }
}
