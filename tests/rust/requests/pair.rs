//! Owns the two clients whose requests are compared: ours and WorkOS' own, each with a transport that only writes down.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;
use workos::transport::{HttpRequest, HttpResponse, HttpTransport, TransportError};
use workos_importer_core::clock::Clock;
use workos_importer_core::directory::workos::WorkOs;
use workos_importer_core::directory::{BeforeSend, Change, Directory, OnExisting, Policy, Write};
use workos_importer_core::journal::JournalError;
use workos_importer_core::wire::{Answer, Request, SendError, Transport};

/// What a server would see of a request, decoded: how a comma or a space is escaped is no difference.
#[derive(Debug, PartialEq)]
pub struct Seen {
    pub method: Method,
    path: Vec<String>,
    query: BTreeMap<String, String>,
    body: Value,
}

impl Seen {
    pub fn new(method: Method, url: &str, body: Option<&Bytes>) -> Self {
        let url = url::Url::parse("https://api.workos.com")
            .unwrap()
            .join(url)
            .unwrap();
        let decode = |segment: &str| {
            let pair = format!("x={}", segment.replace('+', "%2B"));
            url::form_urlencoded::parse(pair.as_bytes())
                .next()
                .unwrap()
                .1
                .into_owned()
        };
        Self {
            method,
            path: url.path_segments().unwrap().map(decode).collect(),
            query: url.query_pairs().into_owned().collect(),
            body: body.map_or(Value::Null, |body| serde_json::from_slice(body).unwrap()),
        }
    }
}

/// Keeps requests, and answers each with an empty object.
#[derive(Default)]
struct Recorder(Mutex<Vec<Seen>>);

impl Recorder {
    fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[async_trait]
impl Transport for Recorder {
    async fn send(&self, request: Request) -> Result<Answer, SendError> {
        let seen = Seen::new(request.method, &request.target, request.body.as_ref());
        self.0.lock().unwrap().push(seen);
        Ok(Answer {
            status: 404,
            headers: HeaderMap::new(),
            body: Bytes::from_static(b"{}"),
        })
    }
}

#[async_trait]
impl HttpTransport for Recorder {
    async fn execute(&self, request: HttpRequest) -> Result<HttpResponse, TransportError> {
        let seen = Seen::new(request.method, &request.url, request.body.as_ref());
        self.0.lock().unwrap().push(seen);
        Ok(HttpResponse {
            status: StatusCode::NOT_FOUND,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        })
    }
}

struct NoIntent;

#[async_trait]
impl BeforeSend for NoIntent {
    async fn commit(&self) -> Result<(), JournalError> {
        Ok(())
    }
}

/// Both clients, and what they send.
pub struct Pair {
    pub ours: WorkOs,
    pub theirs: workos::Client,
    our_requests: Arc<Recorder>,
    their_requests: Arc<Recorder>,
}

impl Pair {
    pub fn new() -> Self {
        let (our_requests, their_requests) =
            (Arc::<Recorder>::default(), Arc::<Recorder>::default());
        let transport = Arc::clone(&our_requests) as Arc<dyn Transport>;
        Self {
            ours: WorkOs::new(transport, None, None, Clock::System, 1),
            theirs: workos::Client::builder()
                .api_key("sk_test_1")
                .max_retries(0)
                .transport(Arc::clone(&their_requests) as Arc<dyn HttpTransport>)
                .build(),
            our_requests,
            their_requests,
        }
    }

    pub async fn apply(&self, write: Write) {
        self.ours.apply(&[write], &NoIntent).await.unwrap();
    }

    /// What their client has sent.
    pub fn theirs(&self) -> Vec<Seen> {
        self.their_requests.take()
    }

    pub fn assert_same(&self, what: &str) {
        let (ours, theirs) = (self.our_requests.take(), self.their_requests.take());
        assert!(!theirs.is_empty(), "{what}");
        assert_eq!(ours, theirs, "{what}");
    }
}

pub fn written(change: Change) -> Write {
    match change {
        Change::Write(write) => *write,
        other => panic!("not written: {other:?}"),
    }
}

pub const POLICY: Policy = Policy {
    on_existing: OnExisting::Update,
    update_passwords: true,
    reactivate: true,
    create_organizations: true,
};
