//! Says how somebody else gets what a run got: the command, and the digest of the source.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use ring::digest::{Context, SHA256};
use serde_json::Value;

use super::super::fingerprint::ContentDigest;
use super::super::runs::FoundRun;
use super::settings::{delimiter, mapping};
use crate::report::html::Reproduction;
use crate::source::expand_home;

pub(super) fn reproduction(run: &FoundRun) -> Reproduction {
    let source = &run.info.source;
    let named = run.info.name.is_some();
    if source == "rows" && run.info.source_digest.is_none() {
        return Reproduction {
            remark: Some(
                "The rows came from a program: there is no file to take a digest of.".into(),
            ),
            ..Reproduction::default()
        };
    }
    let (sha256, remark) = match source.as_str() {
        "-" => (
            None,
            Some("The rows came from standard input: there is no file to take a digest of."),
        ),
        _ => match imported(run, &expand_home(source)) {
            Ok(Some(digest)) => (Some(digest), None),
            Ok(None) if named => (
                None,
                Some("The run has a name and knows its rows, not its file."),
            ),
            Ok(None) => (
                None,
                Some("The file has changed since it was imported: there is no digest of it."),
            ),
            Err(_) => (
                None,
                Some("The file cannot be read any more: there is no digest of it."),
            ),
        },
    };
    Reproduction {
        command: Some(command(source, &run.info.options)),
        sha256,
        remark: remark.map(str::to_owned),
    }
}

/// The digest of the file, if it is still the one that was imported.
fn imported(run: &FoundRun, path: &Path) -> io::Result<Option<String>> {
    let content = ContentDigest::of_file(path)?;
    let keyed = content.map(|content| content.keyed(&run.info.key));
    if keyed.is_none() || keyed != run.info.source_digest {
        return Ok(None);
    }
    let mut file = File::open(path)?;
    let mut context = Context::new(&SHA256);
    let mut piece = vec![0; 1 << 18];
    loop {
        let length = file.read(&mut piece)?;
        if length == 0 {
            break;
        }
        context.update(&piece[..length]);
    }
    let digest = context.finish();
    Ok(Some(
        digest
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
    ))
}

/// What a flag lists; of many, that there is a file to be given.
fn listed(values: Vec<String>) -> String {
    const SHOWN: usize = 20;
    match values.len() {
        0..=SHOWN => values.join(","),
        _ => "@FILE".to_owned(),
    }
}

/// The command with the options that shaped the result.
fn command(source: &str, options: &str) -> String {
    let options: Value = serde_json::from_str(options).unwrap_or_default();
    let organization = &options["organization"];
    let flag = |value: &Value| value.as_bool().unwrap_or(false);
    let rows = options["rows"].as_str().unwrap_or("import");
    let verb = match rows {
        "import" | "identities" => "import".to_owned(),
        "invitations" | "password-resets" => format!("{rows} send"),
        "totp-factors" => format!("{rows} enroll"),
        _ => format!("{rows} import"),
    };
    let mut words = vec![format!("workos-importer {verb}"), quoted(source)];
    let mut with = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            words.push(format!("{name} {}", quoted(value)));
        }
    };
    with("--org-id", organization["id"].as_str());
    with("--org-external-id", organization["external_id"].as_str());
    with("--org-name", organization["name"].as_str());
    let existing = options["on_existing"]
        .as_str()
        .filter(|what| *what != "skip");
    with("--on-existing", existing);
    let delimiter = delimiter(&options).map(String::from);
    with("--delimiter", delimiter.as_deref());
    with("--encoding", options["encoding"].as_str());
    for (theirs, ours) in mapping(&options["mapping"]) {
        with("--map", Some(&format!("{theirs}={ours}")));
    }
    with("--plan", options["plan"].as_str());
    let identities = &options["identities"];
    if identities.is_object() {
        with("--target", Some("kratos"));
        let schema = identities["schema_id"].as_str();
        with("--schema-id", schema.filter(|id| *id != "default"));
        for (name, values) in [
            ("--allowed-roles", &identities["allowed_roles"]),
            ("--allowed-tenants", &identities["allowed_tenants"]),
        ] {
            let values: Option<Vec<String>> = serde_json::from_value(values.clone()).ok();
            with(name, values.map(listed).as_deref());
        }
    }
    let flags = [
        (
            flag(&organization["create_if_missing"]),
            "--create-org-if-missing",
        ),
        (flag(&options["update_passwords"]), "--update-passwords"),
        (flag(&options["reactivate"]), "--reactivate"),
        (
            options["create_organizations"] == Value::Bool(false),
            "--no-create-orgs",
        ),
        (flag(&options["require_membership"]), "--require-membership"),
        (flag(&options["remove_permissions"]), "--remove-permissions"),
        (
            flag(&options["identities"]["random_password"]),
            "--random-password",
        ),
    ];
    words.extend(
        flags
            .into_iter()
            .filter(|(on, _)| *on)
            .map(|(_, name)| name.to_owned()),
    );
    words.join(" ")
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |one: char| one.is_ascii_alphanumeric() || "_-./:@%+,=~".contains(one);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_has_what_shaped_the_result_and_a_shell_takes_it() {
        let options = r#"{"organization":{"id":null,"external_id":"o'neil","create_if_missing":true,"name":"O Neil"},
            "on_existing":"update","update_passwords":false,"reactivate":true,"create_organizations":false,
            "require_membership":true,"mapping":[["E Mail","email"]],"delimiter":59,"encoding":null}"#;
        assert_eq!(
            command("my users.csv", options),
            "workos-importer import 'my users.csv' --org-external-id 'o'\\''neil' --org-name 'O Neil' \
             --on-existing update --delimiter ';' --map 'E Mail=email' --create-org-if-missing --reactivate \
             --no-create-orgs --require-membership"
        );
        let identities = r#"{"create_organizations":true,"rows":"identities","identities":{"schema_id":"customer",
            "allowed_roles":["admin","user"],"allowed_tenants":null,"random_password":true}}"#;
        assert_eq!(
            command("users.csv", identities),
            "workos-importer import users.csv --target kratos --schema-id customer --allowed-roles admin,user \
             --random-password"
        );
        let roles = r#"{"create_organizations":true,"rows":"roles","remove_permissions":true}"#;
        assert_eq!(
            command("roles.csv", roles),
            "workos-importer roles import roles.csv --remove-permissions"
        );
        let plain = r#"{"on_existing":"skip","create_organizations":true}"#;
        assert_eq!(
            command("users.csv", plain),
            "workos-importer import users.csv"
        );
    }
}
