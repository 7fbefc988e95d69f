//! The bare HTTP client for identities: sends the same batches as an import into Kratos, four at once, and does nothing
//! else. What such an import is compared with. Prints how many identities were made.
//!
//! Usage: bare_batches URL FILE

use std::error::Error;

use futures_util::{StreamExt, stream};
use reqwest::Client;
use serde_json::{Map, Value, json};

type Failed = Box<dyn Error + Send + Sync>;

/// The most identities that Kratos takes in one call.
const LARGEST: usize = 1_000;

const AT_ONCE: usize = 4;

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: bare_batches URL FILE";
    let (url, path) = (
        arguments.next().ok_or(usage)?,
        arguments.next().ok_or(usage)?,
    );
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().no_proxy().build()?;

    let mut reader = csv::Reader::from_path(path)?;
    let headers = reader.headers()?.clone();
    let mut identities = Vec::new();
    for record in reader.records() {
        let record = record?;
        let mut traits = Map::new();
        let mut create = json!({"schema_id": "default", "state": "active"});
        for (name, text) in headers.iter().zip(&record) {
            match name {
                "email" | "first_name" | "last_name" => {
                    traits.insert(name.into(), json!(text));
                }
                "external_id" => create["external_id"] = json!(text),
                _ => {}
            }
        }
        let email = traits.get("email").cloned().unwrap_or_default();
        if record.iter().any(|text| text == "true") {
            create["verifiable_addresses"] =
                json!([{"value": email, "via": "email", "verified": true, "status": "completed"}]);
        }
        create["traits"] = Value::Object(traits);
        identities.push(json!({ "create": create }));
    }

    let batches = identities
        .chunks(LARGEST)
        .map(|batch| json!({ "identities": batch }).to_string());
    let mut under_way = stream::iter(batches)
        .map(|body| {
            let (client, url) = (client.clone(), url.clone());
            tokio::spawn(async move { made(&client, &url, body).await })
        })
        .buffer_unordered(AT_ONCE);
    let mut all = 0;
    while let Some(done) = under_way.next().await {
        all += done??;
    }
    println!("{all}");
    Ok(())
}

/// Sends a batch, and counts the identities that it made.
async fn made(client: &Client, url: &str, body: String) -> Result<usize, Failed> {
    let response = client
        .patch(format!("{url}/admin/identities"))
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await?
        .error_for_status()?;
    let answer: Value = serde_json::from_slice(&response.bytes().await?)?;
    let items = answer["identities"].as_array();
    let items = items.ok_or("an answer without items")?.iter();
    Ok(items.filter(|item| item["action"] == "create").count())
}
