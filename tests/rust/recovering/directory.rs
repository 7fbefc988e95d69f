//! A directory that knows of users only what recovery asks of it, over a Kratos in this process; and a run's journal whose
//! users are there.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use workos_importer_core::clock::Clock;
use workos_importer_core::directory::{
    ApiError, Applied, Approach, Ask, BeforeSend, CallError, Change, Checked, Details, Directory,
    Doubt, End, Found, Listed, Listing, Name, Page, Policy, Recovery, RecoveryMethod, Refusal,
    Settling, State, UserDetails, Write,
};
use workos_importer_core::journal::outcome::{ApiDetails, Effect, Evidence};
use workos_importer_core::journal::{
    EndedRow, Journal, JournalError, Registration, Remembered, RunRecord,
};
use workos_importer_core::row::{Claim, Kind, StepKey};
use workos_importer_core::secret::Secret;
use workos_importer_sandbox::Ending;
use workos_importer_sandbox::kratos::{Kratos, Settings};

use crate::harness::Scenario;

/// Every link and code that was made. They must be nowhere else.
pub struct Identities {
    pub kratos: Kratos,
    pub clock: Clock,
    pub made: Mutex<Vec<String>>,
    /// How long each exchange takes.
    pub latency: Duration,
}

impl Identities {
    pub fn new(settings: Settings, clock: Clock) -> Self {
        Self {
            kratos: Kratos::new(settings),
            clock,
            made: Mutex::default(),
            latency: Duration::ZERO,
        }
    }

    /// One exchange, tried again where its answer is lost.
    async fn call(&self, method: Method, path: &str, body: Value) -> Result<Value, CallError> {
        for _ in 0..10 {
            if !self.latency.is_zero() {
                tokio::time::sleep(self.latency).await;
            }
            let body = match &body {
                Value::Null => Bytes::new(),
                body => Bytes::from(body.to_string()),
            };
            let request = http::Request::builder().method(&method).uri(path);
            let request = request.body(body).unwrap();
            let now = SystemTime::from(self.clock.now());
            let Ending::Answer(answer) = self.kratos.handle(&request, now).ending else {
                continue;
            };
            let said: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
            let status = answer.status().as_u16();
            let message = said["error"]["reason"].as_str();
            let message = message.unwrap_or_default().to_owned();
            let details = ApiDetails {
                http_status: Some(status),
                ..ApiDetails::default()
            };
            match status {
                200..300 => return Ok(said),
                401 | 403 => return Err(CallError::Key(ApiError { message, details })),
                400..500 => return Err(CallError::Refused(ApiError { message, details })),
                _ => {}
            }
        }
        Err(CallError::Away("The API has been away.".into()))
    }
}

#[async_trait]
impl Directory for Identities {
    async fn look_up(&self, name: &Name) -> Result<Option<Found>, CallError> {
        assert_eq!((name.kind, name.by), (Kind::User, "id"));
        let path = format!("/admin/identities/{}", name.value);
        match self.call(Method::GET, &path, Value::Null).await {
            Ok(found) => Ok(Some(Found {
                id: name.value.clone(),
                created_at: None,
                used_at: None,
                details: Details::User(UserDetails {
                    email: found["traits"]["email"].as_str().unwrap().to_owned(),
                    first_name: found["traits"]["first_name"].as_str().map(str::to_owned),
                    ..UserDetails::default()
                }),
            })),
            Err(CallError::Refused(error)) if error.status() == 404 => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn recover(
        &self,
        user_id: &str,
        method: RecoveryMethod,
        expires_in: Duration,
    ) -> Result<Recovery, CallError> {
        let path = format!("/admin/recovery/{}", method.as_str());
        let body = json!({
            "identity_id": user_id,
            "expires_in": format!("{}s", expires_in.as_secs()),
        });
        let said = self.call(Method::POST, &path, body).await?;
        let secret = |name: &str| {
            let text = said[name].as_str()?.to_owned();
            self.made.lock().unwrap().push(text.clone());
            Some(Secret::new(text))
        };
        Ok(Recovery {
            link: secret("recovery_link").unwrap(),
            code: secret("recovery_code"),
            expires_at: said["expires_at"].as_str().unwrap().parse().unwrap(),
        })
    }

    fn calls(&self) -> BTreeMap<&'static str, u64> {
        BTreeMap::new()
    }

    // What only an import asks.

    async fn check(&self) -> Result<Checked, CallError> {
        unreachable!()
    }

    fn approach(&self, _: &Ask<'_>) -> Approach {
        unreachable!()
    }

    fn names_asked(&self, _: &Ask<'_>) -> Vec<Name> {
        unreachable!()
    }

    fn state(&self, _: &Ask<'_>, _: &[Option<Found>]) -> Option<State> {
        unreachable!()
    }

    async fn observe(&self, _: &[Ask<'_>]) -> Vec<Result<State, CallError>> {
        unreachable!()
    }

    fn diff(&self, _: &Ask<'_>, _: &State, _: &Policy) -> Change {
        unreachable!()
    }

    async fn roles(&self, _: Option<&str>) -> Result<Vec<String>, CallError> {
        unreachable!()
    }

    async fn apply(&self, _: &[Write], _: &dyn BeforeSend) -> Result<Vec<Applied>, JournalError> {
        unreachable!()
    }

    async fn list(&self, _: &Listing, _: End, _: Option<&str>) -> Result<Page, CallError> {
        unreachable!()
    }

    fn after(&self, _: &Write, _: Option<&Found>, _: &str) -> Listed {
        unreachable!()
    }

    fn batch_limit(&self, _: Kind) -> usize {
        unreachable!()
    }

    fn settling(&self, _: &Claim) -> Settling {
        unreachable!()
    }

    fn doubt_since(&self, _: jiff::Timestamp, _: jiff::Timestamp) -> Doubt {
        unreachable!()
    }

    fn is_outcome_of(&self, _: &Ask<'_>, _: &Found, _: Doubt) -> bool {
        unreachable!()
    }

    async fn has_dependents(&self, _: Kind, _: &str) -> Result<bool, CallError> {
        unreachable!()
    }

    fn deletion(&self, _: Kind, _: &str) -> Option<Write> {
        unreachable!()
    }

    fn refusal(&self, _: Kind, _: &CallError) -> Refusal {
        unreachable!()
    }
}

/// Makes so many identities without a password, and the journal of the run that made them. Returns their ids in the order
/// of the rows.
pub fn run_of(kratos: &Kratos, users: usize, path: &Path) -> Vec<String> {
    let lines: String = (1..=users).map(|user| format!("{user}@x.com\n")).collect();
    // The import has a runtime of its own.
    let import = || Scenario::fast(&format!("email\n{lines}")).run().results;
    let results = thread::scope(|scope| scope.spawn(import).join()).unwrap();
    let record = RunRecord {
        id: "7f3a".into(),
        name: None,
        source: "users.csv".into(),
        mode: "user-only".into(),
        target: "kratos".into(),
        options: "{}".into(),
        key: [7; 32],
        source_digest: None,
        environment: [7; 32],
        started_at: "2026-01-01T00:00:00Z".into(),
    };
    let journal = Journal::inline(Some(path), &record).unwrap();
    let mut ids = Vec::new();
    for number in 1..=users as u64 {
        let email = format!("{number}@x.com");
        let body = json!({ "traits": { "email": email, "first_name": format!("User {number}") } });
        let identity = kratos.seed(Method::POST, "/admin/identities", &body);
        let id = identity["id"].as_str().unwrap().to_owned();
        ids.push(id.clone());
        let key = StepKey::new(Kind::User, email);
        let result = results
            .iter()
            .find(|result| result.identity.record_number == number)
            .unwrap();
        let ended = EndedRow::of(result, vec![(key.clone(), Effect::Created)]);
        let ended = ended.without_password(true);
        let note = journal.note(move |store| {
            store.register(&Registration {
                key: key.clone(),
                record_number: number,
                fields: None,
                label: None,
            })?;
            store.remember(
                &key,
                &Remembered {
                    id: Some(id),
                    ours: true,
                    evidence: Evidence::Confirmed,
                    done: Some((number, Effect::Created)),
                    detail: None,
                    content: None,
                    owed_to: None,
                },
            )?;
            store.outcome(&ended)
        });
        note.unwrap();
    }
    ids
}
