//! Owns the choice of a directory: which one is written to, how it is reached, and what is different about it for a run.
//! Nothing else outside of the directories' own rooms knows which of them it works with.

use std::sync::Arc;
use std::time::Duration;

use super::StartError;
use super::kept_pace::KeptPace;
use super::options::ImportOptions;
use crate::clock::Clock;
use crate::directory::kratos::{self, Kratos, Settings};
use crate::directory::workos::{Limits, WorkOs};
use crate::directory::{Patience, Remote};
use crate::row::RowKind;
use crate::secret::Secret;
use crate::wire::{Connection, EXCHANGE_TIMEOUT, HttpTransport, Transport, is_loopback};

/// Which directory is written to.
#[derive(Clone)]
pub enum Target {
    /// WorkOS.
    Api(Connection),
    /// Ory Kratos' admin API; a key that is empty is not sent.
    Kratos {
        connection: Connection,
        /// How many identities go into one call at most; default is what the server takes.
        batch_size: Option<usize>,
    },
    #[cfg(feature = "sandbox")]
    Sandbox(workos_importer_sandbox::Sandbox),
    #[cfg(feature = "sandbox")]
    KratosSandbox {
        sandbox: workos_importer_sandbox::kratos::Kratos,
        batch_size: Option<usize>,
    },
}

/// By what an environment is known again: the name of the target, its address, and the key.
pub(super) struct Environment {
    pub(super) target: &'static str,
    pub(super) base_url: String,
    pub(super) key: Secret,
}

impl Target {
    pub(super) fn environment(&self) -> Environment {
        let at = |target, connection: &Connection| Environment {
            target,
            base_url: connection.base_url.trim_end_matches('/').to_owned(),
            key: connection.key.clone(),
        };
        match self {
            Self::Api(connection) => at("workos", connection),
            // A token in front of the admin API says who may come in, not to which identities.
            Self::Kratos { connection, .. } => Environment {
                key: Secret::new(""),
                ..at("kratos", connection)
            },
            #[cfg(feature = "sandbox")]
            Self::Sandbox(sandbox) => in_process("sandbox", sandbox.identity()),
            #[cfg(feature = "sandbox")]
            Self::KratosSandbox { sandbox, .. } => in_process("kratos-sandbox", sandbox.identity()),
        }
    }

    /// What rows are about, where an import of users is asked for, and refuses rows that this directory knows nothing of.
    pub(super) fn rows(&self, asked: RowKind) -> Result<RowKind, StartError> {
        let is_kratos = match self {
            Self::Api(_) => false,
            Self::Kratos { .. } => true,
            #[cfg(feature = "sandbox")]
            Self::Sandbox(_) => false,
            #[cfg(feature = "sandbox")]
            Self::KratosSandbox { .. } => true,
        };
        match (is_kratos, asked) {
            (true, RowKind::Users | RowKind::Identities) => Ok(RowKind::Identities),
            (true, other) => Err(StartError::Options(format!(
                "Kratos has no {}: it has identities alone.",
                other.as_str()
            ))),
            (false, RowKind::Identities) => Err(StartError::Options(
                "WorkOS has no identities: its rows are users.".into(),
            )),
            (false, other) => Ok(other),
        }
    }
}

/// What the target of a run is called in sentences.
pub(super) fn called(target: &str) -> &str {
    match target {
        "workos" => "WorkOS",
        "sandbox" => "a sandbox",
        "kratos" => "Kratos",
        "kratos-sandbox" => "a Kratos sandbox",
        other => other,
    }
}

/// Why what a run made is not to be looked for where it is asked for: it wrote into another environment of this target.
pub(super) fn wrote_elsewhere(run: &str, target: &str) -> String {
    match target {
        "sandbox" | "kratos-sandbox" => {
            format!("Run {run} wrote into another sandbox: what it made is not in this one.")
        }
        "kratos" => format!(
            "Run {run} was begun with another base URL: what it made is not to be looked for here."
        ),
        _ => format!(
            "Run {run} was begun with another key or base URL: what it made is not to be looked for here. After a key \
             rotation: --new-key."
        ),
    }
}

#[cfg(feature = "sandbox")]
fn in_process(target: &'static str, identity: u64) -> Environment {
    Environment {
        target,
        base_url: String::new(),
        key: Secret::new(identity.to_string()),
    }
}

/// A directory that can be reached, as far as that can be told without a call.
pub(super) struct Connected {
    pub(super) transport: Arc<dyn Transport>,
    /// Others work with what is written.
    pub(super) live: bool,
    pub(super) limits: Option<Limits>,
    /// Where they come from.
    pub(super) kept: KeptPace,
    service: Service,
}

/// Who answers.
#[derive(Clone, Copy)]
enum Service {
    WorkOs,
    Kratos { batch_size: Option<usize> },
}

impl Connected {
    /// How many calls so many writes of users are at least.
    pub(super) fn calls_of(&self, writes: u64) -> u64 {
        let most = match self.service {
            Service::WorkOs => 1,
            Service::Kratos { batch_size } => batch_size.unwrap_or(kratos::LARGEST).max(1),
        };
        writes.div_ceil(most as u64)
    }

    /// The longest that a call may take.
    pub(super) fn longest_exchange(&self) -> Duration {
        match self.service {
            Service::WorkOs => EXCHANGE_TIMEOUT,
            Service::Kratos { .. } => kratos::BATCH_TIMEOUT,
        }
    }

    /// The directory behind the connection; `concurrency` caps the calls in flight.
    pub(super) fn directory(
        &self,
        concurrency: Option<usize>,
        patience: Patience,
    ) -> Arc<dyn Remote> {
        let (transport, seed) = (Arc::clone(&self.transport), rand::random());
        let limits = self.limits.as_ref();
        match self.service {
            Service::WorkOs => Arc::new(
                WorkOs::new(transport, limits, concurrency, Clock::System, seed)
                    .attempting(patience.attempts)
                    .giving_up_after(patience.give_up_after),
            ),
            Service::Kratos { batch_size } => {
                let settings = Settings {
                    concurrency,
                    batch_size,
                    rate_limit: limits.map(|limits| limits.writes),
                    patience,
                };
                Arc::new(Kratos::new(transport, settings, Clock::System, seed))
            }
        }
    }
}

pub(super) fn connect(options: &ImportOptions, target: &Target) -> Result<Connected, StartError> {
    // Kratos documents no limit.
    let (transport, service, live, unlimited): (Arc<dyn Transport>, _, _, _) = match target {
        Target::Api(connection) => (
            Arc::new(HttpTransport::new(connection)?),
            Service::WorkOs,
            !connection.key.expose().starts_with("sk_test_"),
            false,
        ),
        Target::Kratos {
            connection,
            batch_size,
        } => (
            Arc::new(HttpTransport::new(connection)?),
            Service::Kratos {
                batch_size: *batch_size,
            },
            !is_this_machine(&connection.base_url),
            true,
        ),
        #[cfg(feature = "sandbox")]
        Target::Sandbox(sandbox) => (
            Arc::new(crate::wire::InProcess::new(
                sandbox.clone(),
                "sk_test_sandbox",
                Clock::System,
            )),
            Service::WorkOs,
            false,
            sandbox.limits().user_management_writes.is_none(),
        ),
        #[cfg(feature = "sandbox")]
        Target::KratosSandbox {
            sandbox,
            batch_size,
        } => (
            Arc::new(crate::wire::InProcess::new(
                sandbox.clone(),
                "sandbox",
                Clock::System,
            )),
            Service::Kratos {
                batch_size: *batch_size,
            },
            false,
            true,
        ),
    };
    let is_shared = live && matches!(service, Service::WorkOs);
    let headroom = options
        .headroom
        .unwrap_or(if is_shared { 0.1 } else { 0.0 });
    let kept = KeptPace::new(options.write_limit(), headroom, unlimited);
    Ok(Connected {
        transport,
        live,
        limits: kept.limits(),
        kept,
        service,
    })
}

/// Whether an address is one of this machine: what is written there is nobody's but its user's.
fn is_this_machine(base_url: &str) -> bool {
    url::Url::parse(base_url).is_ok_and(|url| is_loopback(&url))
}
