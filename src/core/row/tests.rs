//! Owns the tests of what a record means: each rule of behaviour.md, and that no message shows a secret.

use serde_json::json;

use super::*;
use crate::source::{Broken, BrokenKind, Cell, Record, RecordBuilder};

const BCRYPT: &str = "$2a$10$GzEm3vKoAqnJCTWesRARCe/ovjt/07qjvcH9jbLUg44Fn77gMZkmm";

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn columns(names: &[&str]) -> Columns {
    Columns::resolve(&strings(names), &[]).unwrap()
}

fn record(cells: Vec<Cell>) -> Record {
    Record {
        number: 12,
        line: Some(13),
        content: Ok(cells.into()),
    }
}

/// Interprets one row of pairs, in the mode that the columns alone decide.
fn interpreted(pairs: &[(&str, Cell)]) -> Interpreted {
    let names: Vec<&str> = pairs.iter().map(|(name, _)| *name).collect();
    let columns = columns(&names);
    let (mode, _) = Mode::decide(&OrganizationOptions::default(), &columns).unwrap();
    let cells = pairs.iter().map(|(_, cell)| cell.clone()).collect();
    interpret(&columns, &mode, record(cells), &Rules::default())
}

fn with_email(field: &str, cell: impl Into<Cell>) -> Interpreted {
    interpreted(&[("email", Cell::text("a@b.c")), (field, cell.into())])
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

fn codes(interpreted: &Interpreted) -> Vec<&'static str> {
    let errors = interpreted
        .row
        .as_ref()
        .err()
        .map(|rejected| rejected.issues.iter());
    let all = errors.into_iter().flatten().chain(&interpreted.warnings);
    all.map(|issue| issue.code.as_str()).collect()
}

fn user(interpreted: &Interpreted) -> &UserClaim {
    interpreted.row.as_ref().unwrap().user().unwrap()
}

#[test]
fn names_are_found_whatever_their_spelling() {
    let found = columns(&[" E-Mail ", "First Name", "LAST-NAME", "externalId"]);
    assert_eq!(found.name_of(Field::Email).unwrap(), " E-Mail ");
    assert!(
        found.has(Field::FirstName) && found.has(Field::LastName) && found.has(Field::ExternalId)
    );
    let error = |names: &[&str]| {
        Columns::resolve(&strings(names), &[])
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        error(&["name", "E-Mail Address"]),
        "No `email` column. Did you mean `E-Mail Address`? Use --map or rename it."
    );
    assert_eq!(
        error(&["name"]),
        "No `email` column. Use --map or rename it."
    );
    assert!(
        error(&["email", "First Name", "first_name"]).contains("`First Name` and `first_name`")
    );
    let unknown = columns(&["problem", "email", "passwrd", "phone"]);
    assert_eq!(unknown.warnings().len(), 1);
    assert_eq!(
        unknown.warnings()[0].message,
        "Unknown columns are ignored: `passwrd` (did you mean `password`?), `phone`"
    );
}

#[test]
fn mappings_come_first() {
    let mapping = [parse_mapping("Work Mail = email").unwrap()];
    let mapped = Columns::resolve(&strings(&["email", "work mail"]), &mapping).unwrap();
    assert_eq!(mapped.name_of(Field::Email).unwrap(), "work mail");
    let error = |text: &str| {
        let mapping = [parse_mapping(text).unwrap()];
        Columns::resolve(&strings(&["email", "Phone"]), &mapping)
            .unwrap_err()
            .to_string()
    };
    assert!(error("Fone=name").ends_with("Did you mean `Phone`?"));
    assert!(error("Phone=nme").contains("Did you mean `name`?"));
    assert!(parse_mapping("email").is_err());
}

#[test]
fn a_whole_row_becomes_its_steps_in_order() {
    let row = interpreted(&[
        ("email", " Ada@Example.COM ".into()),
        ("first_name", " Ada ".into()),
        ("password", " pass word ".into()),
        ("email_verified", "YES".into()),
        ("external_id", Cell::Integer(42)),
        ("metadata", "{\"a\":\"x\",\"n\":1.5,\"b\":true}".into()),
        ("org_external_id", "acme".into()),
        ("org_name", "Acme".into()),
        ("role_slugs", "admin, member,admin".into()),
    ]);
    assert_eq!(codes(&row), [""; 0]);
    let steps = &row.row.as_ref().unwrap().steps;
    let kinds: Vec<Kind> = steps.iter().map(|step| step.kind).collect();
    assert_eq!(kinds, [Kind::Organization, Kind::User, Kind::Membership]);
    let user = user(&row);
    assert_eq!(user.email, "ada@example.com");
    assert_eq!(user.first_name.as_deref(), Some("Ada"));
    assert_eq!(user.email_verified, Some(true));
    assert_eq!(user.external_id.as_deref(), Some("42"));
    assert_eq!(
        json!(user.metadata),
        json!({"a": "x", "n": "1.5", "b": "true"})
    );
    assert!(
        matches!(&user.password, Some(Password::Plain(secret)) if secret.expose() == " pass word ")
    );
    let roles = Claim::Membership(MembershipClaim {
        roles: strings(&["admin", "member"]),
    });
    assert_eq!(steps[2].claim, roles);
    let identity = row.identity();
    assert_eq!(identity.email(), Some("Ada@Example.COM"));
    assert_eq!(identity.external_id().as_deref(), Some("42"));
    let raw = identity.raw().unwrap();
    assert_eq!(raw["external_id"], json!(42));
    assert!(!raw.contains_key("password"));
}

#[test]
fn emails_must_look_like_addresses() {
    for wrong in [
        "a",
        "@b.c",
        "a@",
        "a@b@c",
        "a b@c.d",
        "A <a@b.c>",
        "a@b.c;d@e.f",
    ] {
        assert_eq!(
            codes(&interpreted(&[("email", wrong.into())])),
            ["invalid_email"],
            "{wrong}"
        );
    }
    let missing = interpreted(&[("email", " ".into()), ("name", "A".into())]);
    assert_eq!(codes(&missing), ["missing_email"]);
    assert_eq!(
        codes(&interpreted(&[("email", Cell::Integer(1))])),
        ["wrong_type"]
    );
    assert_eq!(
        user(&interpreted(&[("email", "JÜRGEN@b.c".into())])).email,
        "jürgen@b.c"
    );
}

#[test]
fn verified_is_never_dropped_silently() {
    for (text, value) in [
        ("true", true),
        ("1", true),
        ("Y", true),
        ("No", false),
        ("0", false),
        ("n", false),
    ] {
        assert_eq!(
            user(&with_email("email_verified", text)).email_verified,
            Some(value)
        );
    }
    assert_eq!(
        user(&with_email("email_verified", " ")).email_verified,
        None
    );
    assert_eq!(
        codes(&with_email("email_verified", "maybe")),
        ["invalid_boolean"]
    );
    assert_eq!(
        codes(&with_email("email_verified", Cell::Integer(2))),
        ["invalid_boolean"]
    );
}

#[test]
fn metadata_is_kept_as_text_within_the_limits() {
    let nested = with_email("metadata", "{\"a\":[1,2],\"n\":null}");
    assert_eq!(codes(&nested), ["nested_metadata", "null_metadata"]);
    assert_eq!(json!(user(&nested).metadata), json!({"a": "[1,2]"}));
    for wrong in [
        "[1]",
        "x",
        "{'a':'b'}",
        "{\u{201c}a\u{201d}:1}",
        "\"x\"",
        "null",
    ] {
        assert_eq!(
            codes(&with_email("metadata", wrong)),
            ["invalid_metadata"],
            "{wrong}"
        );
    }
    let message = with_email("metadata", "{'a':1}").row.unwrap_err().issues[0]
        .message
        .clone();
    assert!(
        message.starts_with("metadata is invalid JSON: "),
        "{message}"
    );
    assert!(message.ends_with("(straight double quotes, like {\"role\":\"admin\"})"));
    assert_eq!(user(&with_email("metadata", "{}")).metadata, None);
    assert_eq!(
        codes(&with_email("metadata", "{\"n\":123456789012345678901234}")),
        ["inexact_number"]
    );
    let many = |count: usize| {
        let pairs = (0..count).map(|index| (format!("k{index}"), Cell::text("v")));
        codes(&with_email("metadata", Cell::Map(pairs.collect())))
    };
    assert_eq!(
        (many(10), many(11), many(51)),
        (vec![], vec!["unusual_metadata"], vec!["metadata_limit"])
    );
    let pair = |key: &str, value: &str| {
        codes(&with_email(
            "metadata",
            Cell::Map(vec![(key.into(), value.into())]),
        ))
    };
    assert_eq!(pair(&"k".repeat(40), &"v".repeat(600)), [""; 0]);
    assert_eq!(pair(&"k".repeat(41), "v"), ["metadata_limit"]);
    assert_eq!(pair("k", &"v".repeat(601)), ["metadata_limit"]);
    assert_eq!(pair("k", "ü"), ["unusual_metadata"]);
}

#[test]
fn external_ids_have_limits() {
    let of_length = |length: usize| codes(&with_email("external_id", "x".repeat(length).as_str()));
    assert_eq!(
        (of_length(64), of_length(65)),
        (vec![], vec!["unusual_external_id"])
    );
    assert_eq!(
        (of_length(128), of_length(129)),
        (vec!["unusual_external_id"], vec!["external_id_too_long"])
    );
    assert_eq!(
        codes(&with_email("external_id", "ü")),
        ["unusual_external_id"]
    );
    assert_eq!(
        codes(&with_email("external_id", "1.2E+15")),
        ["spreadsheet_number"]
    );
    assert_eq!(
        codes(&with_email("external_id", Cell::Number("42.0".into()))),
        ["wrong_type"]
    );
}

#[test]
fn a_hash_and_its_type_belong_together_and_win() {
    let row = |password: &str, hash: &str, kind: &str| {
        interpreted(&[
            ("email", "a@b.c".into()),
            ("password", password.into()),
            ("password_hash", hash.into()),
            ("password_hash_type", kind.into()),
        ])
    };
    let hashed = row("plain", BCRYPT, " BCrypt ");
    assert_eq!(codes(&hashed), ["password_ignored"]);
    assert!(matches!(
        user(&hashed).password,
        Some(Password::Hash {
            kind: HashKind::Bcrypt,
            ..
        })
    ));
    assert!(matches!(
        user(&row("plain", "", "")).password,
        Some(Password::Plain(_))
    ));
    assert_eq!(
        codes(&row("plain", BCRYPT, "")),
        ["password_hash_without_type"]
    );
    assert_eq!(codes(&row("plain", "", "bcrypt")), ["type_without_hash"]);
    assert_eq!(codes(&row("", BCRYPT, "bycrypt")), ["unknown_hash_type"]);
    assert_eq!(codes(&row("", "md5", "bcrypt")), ["invalid_hash_format"]);
}

#[test]
fn rows_name_their_organization_in_one_way() {
    let row = |id: &str, external_id: &str, name: &str, roles: &str| {
        interpreted(&[
            ("email", "a@b.c".into()),
            ("org_id", id.into()),
            ("org_external_id", external_id.into()),
            ("org_name", name.into()),
            ("role_slugs", roles.into()),
        ])
    };
    let both = row("org_1", "acme", "", "");
    assert_eq!(codes(&both), ["conflicting_organization"]);
    let message = both.row.unwrap_err().issues[0].to_string();
    assert!(message.starts_with(
        "record 12 (line 13), column org_id: Both org_id and org_external_id specified in same row"
    ));
    assert_eq!(codes(&row("", "", "Acme", "")), ["organization_name_alone"]);
    assert_eq!(codes(&row("acme", "", "", "")), ["unusual_organization_id"]);
    assert_eq!(
        codes(&row("", "", "", "admin")),
        ["roles_without_organization"]
    );
    assert_eq!(row("", "", "", "").row.unwrap().steps.len(), 1);
    assert_eq!(
        codes(&row("org_1", "", "", "[\"admin\", 1]")),
        ["invalid_role_slugs"]
    );
    assert_eq!(
        codes(&row("org_1", "", "", "[\"Org Admin\"]")),
        ["unusual_role_slug"]
    );
}

#[test]
fn options_win_over_columns_and_names_can_be_switched_off() {
    let names = columns(&["email", "org_external_id", "org_name"]);
    let cells = || record(vec!["a@b.c".into(), "acme".into(), "Acme".into()]);
    let options = OrganizationOptions {
        id: Some("org_9".into()),
        ..Default::default()
    };
    let (mode, _) = Mode::decide(&options, &names).unwrap();
    let single = interpret(&names, &mode, cells(), &Rules::default())
        .row
        .unwrap();
    assert_eq!(single.steps[0].key().unwrap().name, "id:org_9");
    let rules = Rules {
        create_organizations: false,
        ..Rules::default()
    };
    let nameless = interpret(&names, &Mode::MultiOrganization, cells(), &rules)
        .row
        .unwrap();
    assert!(matches!(&nameless.steps[0].claim, Claim::Organization(claim) if claim.name.is_none()));
    assert_eq!(
        nameless.identity.organization_external_id().as_deref(),
        Some("acme")
    );
}

#[test]
fn columns_that_come_late_are_never_dropped_silently() {
    let mut builder = RecordBuilder::default();
    let first = builder
        .record(None, [("email", Cell::text("a@b.c"))])
        .unwrap();
    let mut columns = Columns::resolve_growing(builder.columns(), &[]).unwrap();
    let (mode, _) = Mode::decide(&OrganizationOptions::default(), &columns).unwrap();
    assert!(
        interpret(&columns, &mode, first, &Rules::default())
            .row
            .is_ok()
    );
    let pairs = [
        ("email", "b@b.c"),
        ("org_id", "org_1"),
        ("role_slugs", "x"),
        ("Email", "z@b.c"),
        ("nonsense", "1"),
    ];
    let late = builder
        .record(None, pairs.map(|(key, text)| (key, Cell::text(text))))
        .unwrap();
    let said: Vec<_> = columns
        .grow(builder.columns(), &mode, &Rules::default())
        .iter()
        .map(|issue| issue.code)
        .collect();
    assert_eq!(said, [IssueCode::UnknownColumns, IssueCode::RolesIgnored]);
    assert!(
        columns
            .grow(builder.columns(), &mode, &Rules::default())
            .is_empty()
    );
    let found = codes(&interpret(&columns, &mode, late, &Rules::default()));
    assert_eq!(found, ["duplicate_column", "organization_columns_too_late"]);
}

#[test]
fn nothing_shows_a_secret_or_a_broken_cell() {
    let secrets = [
        "hunter2-plain",
        "hunter2-hash",
        "hunter2-type",
        "hunter2-unknown",
    ];
    let row = interpreted(&[
        ("email", "no address".into()),
        ("password", secrets[0].into()),
        ("password_hash", secrets[1].into()),
        ("password_hash_type", secrets[2].into()),
        ("passwrd", secrets[3].into()),
    ]);
    let wrong_type = with_email("password", Cell::List(vec![secrets[0].into()]));
    let bad_hash = interpreted(&[
        ("email", "a@b.c".into()),
        ("password", secrets[0].into()),
        ("password_hash", secrets[1].into()),
        ("password_hash_type", "scrypt".into()),
    ]);
    for interpreted in [row, wrong_type, bad_hash] {
        let raw = format!("{:?}", interpreted.identity().raw());
        let issues = interpreted
            .row
            .as_ref()
            .err()
            .map(|rejected| rejected.issues.clone());
        let all = issues
            .into_iter()
            .flatten()
            .chain(interpreted.warnings.clone());
        let texts: Vec<String> = all.map(|issue| issue.to_string()).collect();
        let shown = format!("{texts:?} {raw} {interpreted:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    let columns = columns(&["email", "name"]);
    let broken = Broken::in_cell(BrokenKind::TextAfterQuote, 1);
    let record = Record {
        number: 3,
        line: Some(4),
        content: Err(broken),
    };
    let rejected = interpret(&columns, &Mode::UserOnly, record, &Rules::default())
        .row
        .unwrap_err();
    assert!(
        rejected.issues[0]
            .to_string()
            .starts_with("record 3 (line 4), column name: text after a closing quote")
    );
    assert_eq!(
        (rejected.identity.raw(), rejected.identity.email()),
        (None, None)
    );
}

#[test]
fn empty_cells_clear_where_that_is_asked_for_and_columns_that_are_not_there_do_not() {
    let cells = || {
        vec![
            "a@b.c".into(),
            " ".into(),
            Cell::Absent,
            Cell::Missing,
            "".into(),
            Cell::Map(vec![
                ("team".to_owned(), "eng".into()),
                ("dept".to_owned(), Cell::Absent),
            ]),
        ]
    };
    let columns = columns(&[
        "email",
        "first_name",
        "last_name",
        "name",
        "external_id",
        "metadata",
    ]);
    let mode = Mode::UserOnly;
    let found = interpret(&columns, &mode, record(cells()), &Rules::default());
    assert_eq!(codes(&found), ["null_metadata"]);
    assert!(user(&found).clears.is_empty());
    let rules = Rules {
        clear_empty: true,
        ..Rules::default()
    };
    let found = interpret(&columns, &mode, record(cells()), &rules);
    assert!(codes(&found).is_empty());
    let pair = Clear::MetadataPair("dept".into());
    let clears = [Clear::FirstName, Clear::LastName, pair];
    assert_eq!(user(&found).clears, clears);
    assert_eq!(
        user(&found).metadata,
        json!({"team": "eng"}).as_object().cloned()
    );
    let (said, unsaid) = (
        columns.never_cleared(&rules),
        columns.never_cleared(&Rules::default()),
    );
    assert!(said.unwrap().message.contains("`external_id`"));
    assert!(unsaid.is_none());
}
