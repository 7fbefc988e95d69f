//! The Kratos sandbox behind the transport in process, in virtual time: its answers, its latency, and its faults as
//! losses.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use tokio::time::Instant;
use workos_importer_core::clock::Clock;
use workos_importer_core::wire::{
    Answer, EXCHANGE_TIMEOUT, InProcess, Request, SendError, Transport,
};
use workos_importer_sandbox::Fault;
use workos_importer_sandbox::kratos::{Kratos, Settings};

const TOKEN: &str = "ory_pat_planted";

async fn sent(
    transport: &InProcess,
    method: Method,
    target: &str,
    body: Option<Value>,
) -> (Result<Answer, SendError>, Duration) {
    let begun = Instant::now();
    let answer = transport
        .send(Request {
            method,
            target: target.to_owned(),
            body: body.map(|body| Bytes::from(body.to_string())),
            timeout: EXCHANGE_TIMEOUT,
        })
        .await;
    (answer, begun.elapsed())
}

/// A batch that makes so many.
fn batch(count: usize) -> Value {
    let items = (0..count).map(|number| {
        let traits = json!({ "email": format!("u{number}@example.com") });
        json!({ "create": { "schema_id": "default", "traits": traits } })
    });
    json!({ "identities": items.collect::<Vec<_>>() })
}

fn identities(kratos: &Kratos) -> usize {
    kratos.dump()["identities"].as_array().unwrap().len()
}

#[tokio::test(start_paused = true)]
async fn a_batch_takes_the_longer_the_more_it_makes_until_its_answer_is_lost() {
    let kratos = Kratos::new(Settings {
        token: Some(TOKEN.to_owned()),
        latency: (Duration::from_millis(20), Duration::from_millis(20)),
        latency_per_identity: Duration::from_millis(50),
        ..Settings::default()
    });
    let clock = Clock::simulated("2027-01-01T00:00:00Z".parse().unwrap());
    let transport = InProcess::new(kratos.clone(), TOKEN, clock);
    let path = "/admin/identities";
    for count in [0, 10, 400] {
        let (answer, took) = sent(&transport, Method::PATCH, path, Some(batch(count))).await;
        assert_eq!(answer.ok().map(|answer| answer.status), Some(200));
        let wanted = Duration::from_millis(20 + 50 * count as u64);
        // Tokio's timers go by milliseconds.
        assert!(
            took.abs_diff(wanted) <= Duration::from_millis(2),
            "{took:?}"
        );
    }
    assert_eq!(identities(&kratos), 400);
    kratos.reset();
    let (answer, took) = sent(&transport, Method::PATCH, path, Some(batch(700))).await;
    assert!(matches!(answer, Err(SendError::AnswerLost(_))), "35 s");
    assert_eq!(took, Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn faults_are_losses_and_answers_have_their_links() {
    let kratos = Kratos::new(Settings::default());
    let clock = Clock::simulated("2027-01-01T00:00:00Z".parse().unwrap());
    let transport = InProcess::new(kratos.clone(), TOKEN, clock);
    for (fault, made) in [
        (Fault::ResetBefore, 0),
        (Fault::ResetAfter, 3),
        (Fault::TruncatedBody, 3),
        (Fault::Hang { applied: true }, 3),
    ] {
        kratos.reset();
        kratos.fail_next(Method::PATCH, "/admin/identities", fault, 1);
        let path = "/admin/identities";
        let (answer, _) = sent(&transport, Method::PATCH, path, Some(batch(3))).await;
        assert!(matches!(answer, Err(SendError::AnswerLost(_))), "{fault}");
        assert_eq!(identities(&kratos), made, "{fault}");
    }
    let path = "/admin/identities?page_size=2";
    let (answer, _) = sent(&transport, Method::GET, path, None).await;
    let answer = answer.ok().unwrap();
    let links = answer.header("link").unwrap();
    assert!(links.contains("rel=\"next\""), "{links}");
}
