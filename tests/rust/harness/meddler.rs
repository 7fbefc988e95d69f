//! Owns the transport between the client and the sandbox: writes down every exchange, and lets a test step in.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use workos_importer_core::secret::Secret;
use workos_importer_core::wire::{Answer, InProcess, Request, SendError, Transport};
use workos_importer_sandbox::Sandbox;

/// What becomes of a request.
pub enum Meddle {
    /// It goes to the sandbox.
    Pass,
    /// This answer is given in its place.
    Answer(Answer),
    /// The network fails in this way, and the sandbox sees nothing.
    Fail(SendError),
}

/// One exchange as it was seen on the way.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchange {
    pub method: Method,
    pub target: String,
    pub body: Value,
    /// `None`: no answer came through.
    pub status: Option<u16>,
    /// The `id` in the answer.
    pub id: String,
    /// When it left and when its answer was there, in steps of one for each such event.
    pub sent: u64,
    pub answered: Option<u64>,
}

pub struct Meddler {
    inner: Arc<InProcess>,
    sandbox: Sandbox,
    hook: Option<super::Hook>,
    logs: bool,
    log: Mutex<Log>,
    /// Says of which requests the network keeps hold when the process dies.
    lingering: Option<Mutex<StdRng>>,
}

#[derive(Default)]
struct Log {
    exchanges: Vec<Exchange>,
    events: u64,
}

impl Log {
    fn event(&mut self) -> u64 {
        self.events += 1;
        self.events
    }
}

impl Meddler {
    pub fn new(inner: InProcess, scenario: &super::Scenario) -> Self {
        let lingering = || Mutex::new(StdRng::seed_from_u64(scenario.seed ^ 0x11f3_11f3));
        Self {
            inner: Arc::new(inner),
            sandbox: scenario.sandbox.clone(),
            hook: scenario.hook.clone(),
            logs: scenario.logs,
            log: Mutex::default(),
            lingering: scenario.lingers.then(lingering),
        }
    }

    pub fn log(&self) -> Vec<Exchange> {
        self.log.lock().unwrap().exchanges.clone()
    }

    pub fn exchanges(&self) -> usize {
        self.log.lock().unwrap().exchanges.len()
    }

    async fn pass(&self, request: Request) -> Result<Answer, SendError> {
        let lingers = match &self.lingering {
            Some(random) => random.lock().unwrap().random_bool(0.5),
            None => false,
        };
        if !lingers {
            return self.inner.send(request).await;
        }
        // A task of its own goes on when the one who waits for it is gone.
        let inner = Arc::clone(&self.inner);
        let sent = tokio::spawn(async move { inner.send(request).await });
        sent.await.unwrap()
    }
}

#[async_trait]
impl Transport for Meddler {
    async fn send(&self, request: Request) -> Result<Answer, SendError> {
        if !self.logs {
            return self.inner.send(request).await;
        }
        let index = {
            let mut log = self.log.lock().unwrap();
            let sent = log.event();
            log.exchanges.push(Exchange {
                method: request.method.clone(),
                target: request.target.clone(),
                body: read(request.body.as_ref()),
                status: None,
                id: String::new(),
                sent,
                answered: None,
            });
            log.exchanges.len() - 1
        };
        let meddle = match &self.hook {
            Some(hook) => hook(&self.sandbox, &request),
            None => Meddle::Pass,
        };
        let answered = match meddle {
            Meddle::Pass => self.pass(request).await,
            Meddle::Answer(answer) => Ok(answer),
            Meddle::Fail(error) => Err(error),
        };
        if let Ok(answer) = &answered {
            let mut log = self.log.lock().unwrap();
            let now = log.event();
            let body = read(Some(&answer.body));
            let exchange = &mut log.exchanges[index];
            exchange.status = Some(answer.status);
            exchange.answered = Some(now);
            exchange.id = body["id"].as_str().unwrap_or_default().to_owned();
        }
        answered
    }

    fn secrets(&self) -> &[Secret] {
        self.inner.secrets()
    }
}

fn read(body: Option<&Bytes>) -> Value {
    body.and_then(|body| serde_json::from_slice(body).ok())
        .unwrap_or(Value::Null)
}

/// An answer with a body and headers.
pub fn answer(status: u16, body: &Value, headers: &[(&'static str, &str)]) -> Answer {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, value.parse().unwrap());
    }
    Answer {
        status,
        headers: map,
        body: match body {
            Value::Null => Bytes::new(),
            body => Bytes::from(body.to_string()),
        },
    }
}
