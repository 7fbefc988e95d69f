//! Owns the transport between the client and the sandbox: writes down every exchange, and lets a test step in.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method};
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
#[derive(Clone, Debug)]
pub struct Exchange {
    pub method: Method,
    pub target: String,
    pub body: Value,
    /// `None`: no answer came through.
    pub status: Option<u16>,
    /// The `id` in the answer.
    pub id: String,
}

pub struct Meddler {
    inner: InProcess,
    sandbox: Sandbox,
    hook: Option<super::Hook>,
    logs: bool,
    log: Mutex<Vec<Exchange>>,
}

impl Meddler {
    pub fn new(inner: InProcess, sandbox: Sandbox, hook: Option<super::Hook>, logs: bool) -> Self {
        Self {
            inner,
            sandbox,
            hook,
            logs,
            log: Mutex::default(),
        }
    }

    pub fn log(self: &Arc<Self>) -> Vec<Exchange> {
        self.log.lock().unwrap().clone()
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
            log.push(Exchange {
                method: request.method.clone(),
                target: request.target.clone(),
                body: read(request.body.as_ref()),
                status: None,
                id: String::new(),
            });
            log.len() - 1
        };
        let meddle = match &self.hook {
            Some(hook) => hook(&self.sandbox, &request),
            None => Meddle::Pass,
        };
        let answered = match meddle {
            Meddle::Pass => self.inner.send(request).await,
            Meddle::Answer(answer) => Ok(answer),
            Meddle::Fail(error) => Err(error),
        };
        if let Ok(answer) = &answered {
            let mut log = self.log.lock().unwrap();
            log[index].status = Some(answer.status);
            let body = read(Some(&answer.body));
            log[index].id = body["id"].as_str().unwrap_or_default().to_owned();
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
