//! Owns the tests of rows about identities, from the bytes of a file to what is claimed: columns, mappings, what a schema,
//! roles and tenants have against a row, and that nothing shows a secret.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::row::digest::{NOTHING_CLAIMED, fields_digest, row_digest};
use crate::row::{
    ColumnsError, Interpreted, Mode, OrganizationOptions, Password, RowKind, Rules, interpret,
    parse_mapping, seen,
};
use crate::source::{Cell, Format, Record, RecordBuilder, open_reader};

const BCRYPT: &str = "$2a$10$GzEm3vKoAqnJCTWesRARCe/ovjt/07qjvcH9jbLUg44Fn77gMZkmm";

fn schema() -> IdentitySchema {
    let text = |rest: Value| {
        let mut whole = json!({"type": "string"});
        whole
            .as_object_mut()
            .unwrap()
            .extend(rest.as_object().unwrap().clone());
        whole
    };
    let document = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {"traits": {
            "type": "object",
            "properties": {
                "email": text(json!({"format": "email", "ory.sh/kratos": {"verification": {"via": "email"}}})),
                "first_name": text(json!({"maxLength": 20})),
                "last_name": text(json!({})),
                "role": text(json!({})),
                "tenant_id": text(json!({})),
                "description": text(json!({})),
                "seats": {"type": "integer", "minimum": 1},
                "beta": {"type": "boolean"},
                "tags": {"type": "array", "items": {"type": "string"}},
                "name": {"type": "object", "properties": {"first": text(json!({})), "last": text(json!({}))}}
            },
            "required": ["email"],
            "additionalProperties": false
        }}
    });
    IdentitySchema::new(document).unwrap()
}

fn rules(identities: IdentityRules) -> Rules {
    Rules {
        identities: Some(Arc::new(identities)),
        ..Rules::default()
    }
}

fn checked() -> Rules {
    let listed = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    rules(IdentityRules {
        schema: Some(schema()),
        allowed_roles: listed(&["admin", "user", "support"]),
        allowed_tenants: listed(&["t1", "t2"]),
        ..IdentityRules::default()
    })
}

fn mapping(texts: &[&str]) -> Vec<(String, String)> {
    let pairs = texts.iter().map(|text| parse_mapping(text).unwrap());
    pairs.collect()
}

fn columns(names: &[&str], mapped: &[&str]) -> Result<Columns, ColumnsError> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    Columns::of(RowKind::Identities, (&names, false), &mapping(mapped), None)
}

fn refused(names: &[&str], mapped: &[&str]) -> String {
    columns(names, mapped).unwrap_err().to_string()
}

fn records(text: &str) -> (Vec<String>, Vec<Record>) {
    let reader = Box::new(std::io::Cursor::new(text.as_bytes().to_vec()));
    let mut source = open_reader("users.csv", reader, &Format::default()).unwrap();
    let records = source.next_batch(100).unwrap();
    (source.columns().to_vec(), records)
}

fn read_all(columns: &Columns, records: Vec<Record>, rules: &Rules) -> Vec<Interpreted> {
    let (mode, said) = Mode::decide(&OrganizationOptions::default(), columns).unwrap();
    assert!(said.is_empty());
    assert_eq!(mode.as_str(), "identities");
    let read = records
        .into_iter()
        .map(|record| interpret(columns, &mode, record, rules));
    read.collect()
}

/// The rows of a CSV text.
fn csv(text: &str, mapped: &[&str], rules: &Rules) -> Vec<Interpreted> {
    let (names, records) = records(text);
    let columns =
        Columns::of(RowKind::Identities, (&names, false), &mapping(mapped), None).unwrap();
    read_all(&columns, records, rules)
}

/// The rows of typed cells, as programs give them.
fn typed(pairs: Vec<(&str, Cell)>, mapped: &[&str], rules: &Rules) -> Interpreted {
    let mut builder = RecordBuilder::default();
    let record = builder.record(None, pairs).unwrap();
    let names = (builder.columns(), true);
    let columns = Columns::of(RowKind::Identities, names, &mapping(mapped), None).unwrap();
    read_all(&columns, vec![record], rules).remove(0)
}

fn user(interpreted: &Interpreted) -> &UserClaim {
    interpreted.row.as_ref().unwrap().user().unwrap()
}

fn identity(interpreted: &Interpreted) -> &IdentityFields {
    user(interpreted).identity.as_deref().unwrap()
}

fn traits(interpreted: &Interpreted) -> Value {
    Value::Object(identity(interpreted).traits.clone())
}

fn said(interpreted: &Interpreted) -> Vec<String> {
    let errors = interpreted.row.as_ref().err();
    let errors = errors.into_iter().flat_map(|rejected| &rejected.issues);
    let all = errors.chain(&interpreted.warnings);
    all.map(|issue| {
        let column = issue.column.as_deref().unwrap_or("-");
        format!("{} [{column}] {}", issue.code.as_str(), issue.message)
    })
    .collect()
}

fn codes(interpreted: &Interpreted) -> Vec<String> {
    let said = said(interpreted);
    let codes = said.iter().filter_map(|text| text.split(' ').next());
    codes.map(str::to_owned).collect()
}

#[test]
fn csv_format() {
    let rows = csv(
        "email,first_name,last_name,role,tenant_id,initial_password\n\
         alice@example.com,Alice,Smith,admin,t1,TempPass123!\n\
         bob@example.com,Bob,Jones,user,t1,\n\
         carol@example.com,Carol,Brown,user,t2,\n",
        &[],
        &checked(),
    );
    assert_eq!(
        traits(&rows[0]),
        json!({
            "email": "alice@example.com", "first_name": "Alice", "last_name": "Smith", "role": "admin", "tenant_id": "t1"
        })
    );
    let Some(Password::Plain(password)) = &user(&rows[0]).password else {
        panic!("no password");
    };
    assert_eq!(password.expose(), "TempPass123!");
    assert!(rows[1..].iter().all(|row| user(row).password.is_none()));
    let alice = user(&rows[0]);
    assert_eq!((&alice.first_name, &alice.last_name), (&None, &None));
    assert_eq!((&alice.name, &alice.metadata), (&None, &None));
    let fields = identity(&rows[0]);
    assert_eq!((fields.schema_id.as_str(), fields.state), ("default", None));
}

#[test]
fn csv_expectations() {
    let text = "email,first_name,last_name,description\n\
                \"alice@example.com\",\"Alice\",\"Smith\",\"Special user, VIP\"\n\
                jörg@example.com,Jörg,Müller,\n";
    let mapped = ["description=traits.description"];
    for text in [
        text.to_owned(),
        text.replace('\n', "\r\n"),
        format!("\u{feff}{text}"),
    ] {
        let rows = csv(&text, &mapped, &rules(IdentityRules::default()));
        assert_eq!(
            traits(&rows[0]),
            json!({
                "email": "alice@example.com", "first_name": "Alice", "last_name": "Smith",
                "description": "Special user, VIP"
            })
        );
        let jörg =
            json!({"email": "jörg@example.com", "first_name": "Jörg", "last_name": "Müller"});
        assert_eq!(traits(&rows[1]), jörg);
    }
    // Without the mapping the column is ignored, and it is said how it would not be.
    let (names, _) = records(text);
    let columns = Columns::of(RowKind::Identities, (&names, false), &[], None).unwrap();
    assert_eq!(
        columns.warnings()[0].message,
        "Unknown columns are ignored: `description`"
    );
    let hint = columns.unmapped_traits(&checked()).unwrap().message;
    assert!(
        hint.ends_with("To import them: --map \"description=traits.description\""),
        "{hint}"
    );
    assert_eq!(columns.unmapped_traits(&Rules::default()), None);
}

#[test]
fn pre_validation() {
    let rows = csv(
        "email,first_name,role,tenant_id,state,password_hash,metadata_public\n\
         ,Alice,admni,t3,on,5f4dcc3b5aa765d61d8327deb882cf99,[1]\n\
         nobody,An unusually long name,Admin,t1,active,,\n\
         ok@example.com,Bob,support,t2,,,\n",
        &[],
        &checked(),
    );
    let all = [
        "missing_email",
        "invalid_role",
        "unknown_tenant",
        "unknown_hash_format",
        "invalid_state",
        "invalid_metadata",
    ];
    assert_eq!(codes(&rows[0]), all);
    assert_eq!(
        said(&rows[0])[1],
        "invalid_role [role] `admni` is no role that is allowed: admin, support, user. Did you mean `admin`?"
    );
    let second = said(&rows[1]);
    assert_eq!(
        codes(&rows[1]),
        ["invalid_email", "invalid_role", "invalid_trait"]
    );
    assert_eq!(
        second[2],
        "invalid_trait [first_name] `traits.first_name`: it is longer than 20 characters"
    );
    assert!(rows[2].row.is_ok());
}

#[test]
fn common_errors_invalid_schema() {
    let text = "E-Mail,Plätze,Haustier\nada@example.com,many,cat\n,3,\n";
    let mapped = ["E-Mail=email", "Plätze=traits.seats", "Haustier=traits.pet"];
    let rows = csv(text, &mapped, &checked());
    let mut first = said(&rows[0]);
    first.sort();
    assert_eq!(
        first,
        [
            "invalid_trait [Haustier] `traits.pet`: the schema has no such trait",
            "invalid_trait [Plätze] `traits.seats`: must be a whole number, not text",
        ]
    );
    // The email is missing for the row and for the schema, and that is said once.
    assert_eq!(codes(&rows[1]), ["missing_email"]);
    // A demanded trait that no column fills.
    let elsewhere = ["email=metadata_public.email"];
    let rows = csv("email\nada@example.com\n", &elsewhere, &checked());
    assert_eq!(
        said(&rows[0]),
        ["missing_trait [-] `traits.email` has no value, and the schema demands one"]
    );
    // Without the schema traits are not checked, which a dry run says.
    let unchecked = IdentityRules::default();
    let warning = unchecked.unchecked_warning().unwrap();
    assert_eq!(warning.code, IssueCode::TraitsNotChecked);
    assert_eq!(checked().identities.unwrap().unchecked_warning(), None);
    let rows = csv(text, &mapped, &rules(unchecked));
    assert!(rows[0].row.is_ok());
}

#[test]
fn columns_go_where_they_are_mapped() {
    let rows = csv(
        "E-Mail,Vorname,role,Plan,Notiz,Seats,Beta,Tags\n\
         Ada@Example.COM , Ada ,admin,gold,7,42,yes,\"[\"\"a\"\"]\"\n",
        &[
            "E-Mail=email",
            "E-Mail=traits.contact.email",
            "Vorname=traits.name.first",
            "Plan=metadata_public.plan.name",
            "Notiz=metadata_admin.note",
            "Seats=traits.seats",
            "Beta=traits.beta",
            "Tags=traits.tags",
        ],
        &rules(IdentityRules {
            schema: None,
            ..IdentityRules::default()
        }),
    );
    assert_eq!(user(&rows[0]).email, "ada@example.com");
    let expected = json!({
        "contact": {"email": "Ada@Example.COM"}, "name": {"first": "Ada"}, "role": "admin", "seats": "42",
        "beta": "yes", "tags": "[\"a\"]"
    });
    assert_eq!(traits(&rows[0]), expected);
    let fields = identity(&rows[0]);
    assert_eq!(
        json!(fields.metadata_public),
        json!({"plan": {"name": "gold"}})
    );
    assert_eq!(json!(fields.metadata_admin), json!({"note": "7"}));
    // What the schema wants is made of the texts.
    let rows = csv(
        "email,seats,beta,tags\nada@example.com,42,yes,\"[\"\"a\"\"]\"\n",
        &["seats=traits.seats", "beta=traits.beta", "tags=traits.tags"],
        &checked(),
    );
    let expected = json!({"email": "ada@example.com", "seats": 42, "beta": true, "tags": ["a"]});
    assert_eq!(traits(&rows[0]), expected);
    // A column that is mapped elsewhere keeps its rules, and not its usual place.
    let rows = csv(
        "email,role\na@b.c,chef\n",
        &["role=traits.description"],
        &checked(),
    );
    assert_eq!(codes(&rows[0]), ["invalid_role"]);
    let rows = csv(
        "email,role\na@b.c,user\n",
        &["role=traits.description"],
        &checked(),
    );
    assert_eq!(
        traits(&rows[0]),
        json!({"email": "a@b.c", "description": "user"})
    );
    // One that is mapped to the usual place of a meaning has the meaning.
    let mapped = ["Mail=traits.email", "Rolle=traits.role"];
    let rows = csv("Mail,Rolle\nA@b.c,chef\n", &mapped, &checked());
    assert_eq!(codes(&rows[0]), ["invalid_role"]);
    // An id that is mapped is a trait, and no external id.
    let rows = csv(
        "email,external_id\na@b.c,7\n",
        &["external_id=traits.description"],
        &checked(),
    );
    assert_eq!(user(&rows[0]).external_id, None);
}

#[test]
fn two_columns_for_one_place_are_refused() {
    let names = [
        "email",
        "first_name",
        "Name",
        "Vorname",
        "password",
        "Kennung",
    ];
    let error = |mapped: &[&str]| refused(&names, mapped);
    let same = error(&["Name=traits.name", "Vorname=traits.name"]);
    assert!(
        same.contains("`Name` goes to `traits.name` and the column `Vorname` to `traits.name`"),
        "{same}"
    );
    let below = error(&["Vorname=traits.name.first", "Name=traits.name"]);
    assert!(
        below.contains("`traits.name.first`") && below.contains("`traits.name`"),
        "{below}"
    );
    let usual = error(&["Vorname=traits.first_name"]);
    assert!(
        usual.contains("`first_name`") && usual.contains("`Vorname`"),
        "{usual}"
    );
    assert!(
        refused(
            &["email", "metadata_admin", "Note"],
            &["Note=metadata_admin.note"]
        )
        .contains("`Note`")
    );
    // Secrets are no traits, whichever way they are named.
    assert!(error(&["password=traits.pin"]).contains("holds secrets"));
    assert!(error(&["Kennung=password", "Kennung=traits.pin"]).contains("holds secrets"));
    // Targets that are none.
    assert!(error(&["Name=traits"]).contains("does not know"));
    assert!(error(&["Name=traits.a..b"]).contains("does not know"));
    assert!(error(&["Namen=traits.a"]).contains("Did you mean `Name`?"));
    let names = vec!["email".to_owned(), "Name".to_owned()];
    let users = Columns::resolve(&names, &mapping(&["Name=traits.name"]));
    assert!(matches!(users, Err(ColumnsError::UnknownTarget { .. })));
    // The same said twice is said once.
    assert!(columns(&["email", "Name"], &["Name=traits.a", "name=traits.a"]).is_ok());
}

#[test]
fn a_key_that_comes_late_to_a_place_fails_the_rows_that_fill_it() {
    let mut builder = RecordBuilder::default();
    let first = builder.record(
        None,
        vec![
            ("email", Cell::text("a@b.c")),
            ("Rolle", Cell::text("user")),
        ],
    );
    let names = (builder.columns(), true);
    let mapped = mapping(&["Rolle=traits.role"]);
    let mut columns = Columns::of(RowKind::Identities, names, &mapped, None).unwrap();
    let mut rows = read_all(&columns, vec![first.unwrap()], &checked());
    let second = builder.record(
        None,
        vec![
            ("email", Cell::text("d@e.f")),
            ("description", Cell::text("x")),
        ],
    );
    let third = builder.record(
        None,
        vec![
            ("email", Cell::text("d@e.f")),
            ("ROLLE", Cell::text("admin")),
        ],
    );
    let (mode, _) = Mode::decide(&OrganizationOptions::default(), &columns).unwrap();
    let told = columns.grow(builder.columns(), &mode, &checked());
    let told: Vec<_> = told.iter().map(|issue| issue.message.as_str()).collect();
    assert!(
        told[0].starts_with("Unknown columns are ignored: `description`"),
        "{told:?}"
    );
    assert!(
        told[1].ends_with("--map \"description=traits.description\""),
        "{told:?}"
    );
    rows.extend(read_all(
        &columns,
        vec![second.unwrap(), third.unwrap()],
        &checked(),
    ));
    assert!(rows[0].row.is_ok() && rows[1].row.is_ok());
    assert_eq!(codes(&rows[2]), ["duplicate_column"]);
}

#[test]
fn typed_cells_are_taken_as_they_are() {
    let list = Cell::List(vec![Cell::text("a"), Cell::text("b")]);
    let name = Cell::Map(vec![("first".into(), Cell::text("Ada"))]);
    let row = typed(
        vec![
            ("email", Cell::text("a@b.c")),
            ("seats", Cell::Integer(3)),
            ("beta", Cell::Bool(false)),
            ("tags", list),
            ("name", name),
            ("tenant_id", Cell::Absent),
            (
                "metadata_admin",
                Cell::Map(vec![("n".into(), Cell::Integer(1))]),
            ),
            (
                "metadata_public",
                Cell::text("{\"deep\":{\"list\":[1,null]}}"),
            ),
            ("external_id", Cell::Integer(4711)),
            ("email_verified", Cell::Bool(true)),
            ("state", Cell::text("Inactive")),
        ],
        &[
            "seats=traits.seats",
            "beta=traits.beta",
            "tags=traits.tags",
            "name=traits.name",
        ],
        &checked(),
    );
    let expected = json!({"email": "a@b.c", "seats": 3, "beta": false, "tags": ["a", "b"], "name": {"first": "Ada"}});
    assert_eq!(traits(&row), expected);
    let fields = identity(&row);
    assert_eq!(json!(fields.metadata_admin), json!({"n": 1}));
    assert_eq!(
        json!(fields.metadata_public),
        json!({"deep": {"list": [1, null]}})
    );
    assert_eq!(fields.state, Some(IdentityState::Inactive));
    assert_eq!(user(&row).external_id.as_deref(), Some("4711"));
    assert_eq!(user(&row).email_verified, Some(true));
    assert!(row.warnings.is_empty());
    let wrong = typed(
        vec![
            ("email", Cell::text("a@b.c")),
            ("Tags", Cell::Unusable("binary data".into())),
        ],
        &["Tags=traits.tags"],
        &checked(),
    );
    assert_eq!(
        said(&wrong),
        ["wrong_type [Tags] `traits.tags` cannot be binary data"]
    );
    let item = typed(
        vec![
            ("email", Cell::text("a@b.c")),
            ("Tags", Cell::List(vec![Cell::Integer(1)])),
        ],
        &["Tags=traits.tags"],
        &checked(),
    );
    assert_eq!(
        said(&item),
        ["invalid_trait [Tags] `traits.tags.0`: must be text, not a number"]
    );
}

#[test]
fn one_password_counts() {
    let with = |cells: &str| {
        let text = format!(
            "email,initial_password,password,password_hash,password_hash_type\na@b.c,{cells}\n"
        );
        csv(&text, &[], &checked()).remove(0)
    };
    assert!(matches!(
        user(&with(",secret-1,,")).password,
        Some(Password::Plain(_))
    ));
    assert_eq!(codes(&with("secret-1,secret-2,,")), ["duplicate_column"]);
    let hash = with(&format!(",,{BCRYPT},ignored"));
    assert!(matches!(
        user(&hash).password,
        Some(Password::EncodedHash(_))
    ));
    assert!(hash.warnings.is_empty());
    let both = with(&format!("secret-1,,{BCRYPT},"));
    assert_eq!(said(&both)[0].split(' ').nth(1), Some("[initial_password]"));
    assert_eq!(codes(&both), ["password_ignored"]);
    assert_eq!(
        codes(&with(&format!(",,{},", &BCRYPT[..50]))),
        ["invalid_hash_format"]
    );
    // The type of a hash is no unknown column here; what is of organizations is.
    let warned = |name: &str| columns(&["email", name], &[]).unwrap().warnings().len();
    assert_eq!((warned("password_hash_type"), warned("org_id")), (0, 1));
}

#[test]
fn a_messy_file() {
    let rows = csv(
        " E-Mail ;Vor Name;Rolle;Tenant ID;Initial-Password;State\n\
         \u{a0}Ada@Example.com ;  Ada ;admin ;T1;;\n\
         ;;;;;\n\
         bob@example.com;Bob;User;t1;;INACTIVE\n\
         carol@example.com\n\
         eve@@example.com;Eve;;;;disabled\n",
        &["Rolle=role", "vor name=first_name"],
        &checked(),
    );
    let all: Vec<Vec<String>> = rows.iter().map(codes).collect();
    assert_eq!(all[0], ["unknown_tenant"]);
    assert_eq!(all[1], ["invalid_role"]);
    assert_eq!(all[2], ["broken_record"]);
    assert_eq!(all[3], ["invalid_email", "invalid_state"]);
    assert_eq!(said(&rows[1])[0].split(' ').nth(1), Some("[Rolle]"));
}

#[test]
fn failed_rows_can_be_imported_again_with_the_same_mapping() {
    let mapped = [
        "E-Mail=email",
        "E-Mail=traits.email",
        "E-Mail=traits.description",
        "Rolle=role",
        "Sitze=traits.seats",
    ];
    let text = "E-Mail,Rolle,Sitze,phone,first_name,initial_password\na@b.c,chef,7,123,Ada,hunter2-hunter2\n";
    let first = csv(text, &mapped, &checked()).remove(0);
    assert_eq!(codes(&first), ["invalid_role"]);
    let raw = first.identity().raw().unwrap();
    let expected = json!({"E-Mail": "a@b.c", "Rolle": "chef", "Sitze": "7", "first_name": "Ada"});
    assert_eq!(Value::Object(raw.clone()), expected);
    let cells = raw
        .iter()
        .map(|(name, value)| (name.as_str(), Cell::text(value.as_str().unwrap())));
    let again = typed(cells.collect(), &mapped, &checked());
    assert_eq!(said(&again), said(&first));
    assert_eq!(again.identity().email(), Some("a@b.c"));
}

#[test]
fn rows_are_known_by_what_goes_where() {
    let digest = |text: &str, mapped: &[&str]| {
        let (names, records) = records(text);
        let columns =
            Columns::of(RowKind::Identities, (&names, false), &mapping(mapped), None).unwrap();
        row_digest(&records[0], &columns, &checked(), &[7; 32])
    };
    let one = digest("email,Sitze\na@b.c,7\n", &["Sitze=traits.seats"]);
    let renamed = digest("Plätze,email,phone\n7,a@b.c,1\n", &["Plätze=traits.seats"]);
    assert_eq!(one, renamed);
    let others = [
        digest("email,Sitze\na@b.c,8\n", &["Sitze=traits.seats"]),
        digest("email,Sitze\na@b.c,7\n", &["Sitze=traits.description"]),
        digest("email\na@b.c\n", &[]),
        digest("email,role\na@b.c,7\n", &[]),
        digest("email,role\na@b.c,7\n", &["role=traits.description"]),
    ];
    for (index, other) in others.iter().enumerate() {
        assert!(*other != one && !others[..index].contains(other), "{index}");
    }
    // A row that names its user alone agrees with every other row about the user.
    let fields = |text: &str, mapped: &[&str]| {
        let row = csv(text, mapped, &checked()).remove(0);
        fields_digest(user(&row), &[7; 32])
    };
    assert_eq!(fields("email\nA@b.c\n", &[]), NOTHING_CLAIMED);
    let nested = ["email=traits.name.first", "email=traits.email"];
    assert_eq!(fields("email\nA@b.c\n", &nested), NOTHING_CLAIMED);
    assert_ne!(fields("email,role\na@b.c,user\n", &[]), NOTHING_CLAIMED);
    assert_ne!(fields("email,state\na@b.c,active\n", &[]), NOTHING_CLAIMED);
}

#[test]
fn own_rules_see_traits_under_the_names_of_the_source() {
    let (names, records) = records("E-Mail,Sitze,initial_password\na@b.c,7,hunter2-hunter2\n");
    let mapped = mapping(&["E-Mail=email", "Sitze=traits.seats"]);
    let columns = Columns::of(RowKind::Identities, (&names, false), &mapped, None).unwrap();
    let rows = seen(&columns, &records);
    let expected = json!({"email": "a@b.c", "Sitze": "7", "initial_password": "[hidden]"});
    assert_eq!(json!(rows[0].values), expected);
}

#[test]
fn nothing_shows_a_secret() {
    let secrets = [
        "hunter2-hunter2",
        "5f4dcc3b5aa765d61d8327deb882cf99",
        &BCRYPT[..40],
        BCRYPT,
    ];
    for text in [
        "hunter2-hunter2,,",
        "hunter2-hunter2,hunter2-hunter2,",
        ",,5f4dcc3b5aa765d61d8327deb882cf99",
        &format!("hunter2-hunter2,,{}", &BCRYPT[..40]),
        &format!("hunter2-hunter2,,{BCRYPT}"),
    ] {
        let header = "email,role,seats,initial_password,password,password_hash";
        for row in ["a@b.c,user,1", "nobody,chef,x"] {
            let text = format!("{header}\n{row},{text}\n");
            let read = csv(&text, &["seats=traits.seats"], &checked()).remove(0);
            let raw = json!(read.identity().raw());
            let shown = format!("{read:?}{raw}{:?}", said(&read));
            for secret in secrets {
                assert!(!shown.contains(secret), "{shown}");
            }
        }
    }
}
