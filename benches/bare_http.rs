//! The bare HTTP client: sends the same requests as an import (a user, then its membership, for each row) and does nothing
//! else. What an import is compared with. Prints how many requests were answered with 201.
//!
//! Usage: bare_http URL FILE CONCURRENCY

use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use reqwest::Client;
use serde_json::{Value, json};

type Failed = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: bare_http URL FILE CONCURRENCY";
    let (url, path) = (
        arguments.next().ok_or(usage)?,
        arguments.next().ok_or(usage)?,
    );
    let concurrency: usize = arguments.next().ok_or(usage)?.parse()?;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().no_proxy().build()?;
    let caller = Arc::new((client, url));

    let mut reader = csv::Reader::from_path(path)?;
    let headers = reader.headers()?.clone();
    let mut organizations: HashMap<String, String> = HashMap::new();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record?;
        let mut user = serde_json::Map::new();
        let mut organization = String::new();
        for (name, text) in headers
            .iter()
            .zip(&record)
            .filter(|(_, text)| !text.is_empty())
        {
            match name {
                "email" | "first_name" | "last_name" | "external_id" => {
                    user.insert(name.into(), json!(text));
                }
                "org_external_id" => organization = text.to_owned(),
                _ => {}
            }
        }
        if !organizations.contains_key(&organization) {
            let body = json!({"name": organization, "external_id": organization});
            let id = post(&caller, "/organizations", &body).await?;
            organizations.insert(organization.clone(), id);
        }
        rows.push((Value::Object(user), organizations[&organization].clone()));
    }

    let mut answered = organizations.len();
    let mut under_way = stream::iter(rows)
        .map(|(user, organization_id)| {
            let caller = Arc::clone(&caller);
            tokio::spawn(async move {
                let user_id = post(&caller, "/user_management/users", &user).await?;
                let body = json!({"user_id": user_id, "organization_id": organization_id});
                post(&caller, "/user_management/organization_memberships", &body).await
            })
        })
        .buffer_unordered(concurrency);
    while let Some(done) = under_way.next().await {
        done??;
        answered += 2;
    }
    println!("{answered}");
    Ok(())
}

async fn post(caller: &(Client, String), target: &str, body: &Value) -> Result<String, Failed> {
    let (client, url) = caller;
    let response = client
        .post(format!("{url}{target}"))
        .bearer_auth("sk_test_bench")
        .header("content-type", "application/json")
        .body(body.to_string())
        .send()
        .await?
        .error_for_status()?;
    let answer: Value = serde_json::from_slice(&response.bytes().await?)?;
    Ok(answer["id"]
        .as_str()
        .ok_or("an answer without an id")?
        .to_owned())
}
