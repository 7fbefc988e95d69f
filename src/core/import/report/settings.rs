//! Says in words how a run was set up.

use serde_json::Value;

use crate::journal::{Attempt as Noted, RunInfo};
use crate::report::html::Attempt;
use crate::row::RowKind;

/// `2026-11-24 13:05:07` out of a time in RFC 3339, in UTC; what is none stays as it is.
pub(super) fn moment(time: &str) -> String {
    match time.parse::<jiff::Timestamp>() {
        Ok(at) => at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => time.to_owned(),
    }
}

/// Name and value of each.
pub(super) fn of(run: &RunInfo) -> Vec<(String, String)> {
    let options: Value = serde_json::from_str(&run.options).unwrap_or_default();
    let flag = |name: &str| options[name].as_bool().unwrap_or(false);
    let mut settings: Vec<(&str, String)> = vec![("Mode", mode(run, &options["organization"]))];
    let existing = match options["on_existing"].as_str() {
        Some("update") => "update: what differs is written",
        Some("fail") => "fail: their rows fail",
        _ => "skip: their fields are left as they are",
    };
    let users = matches!(RowKind::named(&run.mode), None | Some(RowKind::Identities));
    let there = match users {
        true => "Users who are there",
        false => "What is there",
    };
    settings.push((there, existing.to_owned()));
    let on = |what: &str| what.to_owned();
    if let Some(schema) = options["identities"]["schema_id"].as_str() {
        settings.push(("Identity schema", schema.to_owned()));
    }
    if options["identities"]["random_password"] == true {
        settings.push(("Who brings no password", on("is given a random one")));
    }
    if flag("update_passwords") {
        settings.push(("Passwords of users who are there", on("written too")));
    }
    if flag("reactivate") {
        settings.push(("Inactive memberships", on("made active again")));
    }
    if flag("remove_permissions") {
        settings.push(("Permissions that no row names", on("taken away")));
    }
    if matches!(run.mode.as_str(), "single-org" | "multi-org") && !flag("create_organizations") {
        settings.push(("Missing organizations", on("never made")));
    }
    if flag("require_membership") {
        let what = on("deleted again if the run had made them");
        settings.push(("Users who end without a membership", what));
    }
    let columns = mapping(&options["mapping"]);
    if !columns.is_empty() {
        let columns = columns
            .iter()
            .map(|(theirs, ours)| format!("{theirs} = {ours}"));
        settings.push(("Columns", columns.collect::<Vec<_>>().join(", ")));
    }
    if let Some(delimiter) = delimiter(&options) {
        settings.push(("Delimiter", delimiter.escape_default().to_string()));
    }
    if let Some(encoding) = options["encoding"].as_str() {
        settings.push(("Encoding", encoding.to_owned()));
    }
    if let Some(plan) = options["plan"].as_str() {
        settings.push(("Plan", plan.to_owned()));
    }
    settings
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// One attempt, in words.
pub(super) fn attempt(noted: &Noted) -> Attempt {
    let limit = match noted.limit {
        None => "none".to_owned(),
        Some((count, seconds)) if noted.headroom > 0.0 => format!(
            "{count} in {seconds} s ({:.0} % left to the application)",
            noted.headroom * 100.0
        ),
        Some((count, seconds)) => format!("{count} in {seconds} s"),
    };
    let began_at = jiff::Timestamp::from_millisecond(noted.began_at);
    Attempt {
        began_at: began_at.map_or_else(|_| String::new(), |at| moment(&at.to_string())),
        version: noted.version.clone(),
        live: noted.live,
        limit,
    }
}

/// (The source's column, ours.)
pub(super) fn mapping(value: &Value) -> Vec<(String, String)> {
    serde_json::from_value(value.clone()).unwrap_or_default()
}

pub(super) fn delimiter(options: &Value) -> Option<char> {
    let byte = options["delimiter"].as_u64()?;
    u8::try_from(byte).ok().map(char::from)
}

fn mode(run: &RunInfo, organization: &Value) -> String {
    if let Some(kind) = RowKind::named(&run.mode) {
        return kind.as_str().to_owned();
    }
    match run.mode.as_str() {
        "user-only" => "user-only: no memberships".to_owned(),
        "multi-org" => "multi-org: the source names the organization of each row".to_owned(),
        other => {
            let named = ["id", "external_id"].into_iter();
            let named = named.filter_map(|name| organization[name].as_str()).next();
            format!(
                "{other}: all users are added to {}",
                named.unwrap_or("one organization")
            )
        }
    }
}
