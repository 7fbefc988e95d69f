//! Owns the tests of the list of identities.

use super::{get, id_of, kratos, made, person, refusal, response};
use crate::kratos::Kratos;
use http::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn filled(count: usize) -> Kratos {
    let kratos = kratos();
    for number in 0..count {
        let body = person(&format!("u{number}@example.com"));
        kratos.seed(Method::POST, "/admin/identities", &body);
    }
    kratos
}

/// The identities of one page, and the path of the next.
fn page(kratos: &Kratos, path: &str) -> (Vec<Value>, Option<String>) {
    let response = response(kratos, &format!("GET {path}"), &Value::Null);
    assert_eq!(response.status(), 200);
    let links = response.headers()["link"].to_str().unwrap().to_owned();
    assert!(links.contains("rel=\"first\""), "{links}");
    let next = links.split(',').find_map(|link| {
        let path = link.strip_suffix(">; rel=\"next\"")?;
        path.strip_prefix('<').map(str::to_owned)
    });
    (serde_json::from_slice(response.body()).unwrap(), next)
}

fn sizes(kratos: &Kratos, path: &str) -> (Vec<usize>, BTreeSet<String>) {
    let (mut sizes, mut ids, mut next) = (Vec::new(), BTreeSet::new(), Some(path.to_owned()));
    while let Some(path) = next {
        assert!(sizes.len() < 20, "pages without an end");
        let (identities, following) = page(kratos, &path);
        sizes.push(identities.len());
        ids.extend(identities.iter().map(|identity| id_of(identity).to_owned()));
        next = following;
    }
    (sizes, ids)
}

#[test]
fn pages_are_turned_to_the_end_and_show_each_once() {
    let kratos = filled(1_100);
    for (path, expected) in [
        ("/admin/identities", vec![250, 250, 250, 250, 100]),
        ("/admin/identities?page_size=500", vec![500, 500, 100]),
        ("/admin/identities?page_size=10000", vec![500, 500, 100]),
        (
            "/admin/identities?page_size=1100&page_token=",
            vec![500, 500, 100],
        ),
        ("/admin/identities?page_size=220", vec![220; 5]),
    ] {
        let (sizes, ids) = sizes(&kratos, path);
        assert_eq!(sizes, expected, "{path}");
        assert_eq!(ids.len(), 1_100, "{path}");
    }
}

#[test]
fn a_page_goes_on_where_the_last_one_on_it_was_deleted() {
    let kratos = filled(10);
    let (first, next) = page(&kratos, "/admin/identities?page_size=5");
    let last = format!("/admin/identities/{}", id_of(&first[4]));
    kratos.seed(Method::DELETE, &last, &Value::Null);
    let (second, next) = page(&kratos, &next.unwrap());
    assert_eq!((second.len(), next), (5, None));
}

#[test]
fn lists_show_no_credentials_unless_one_is_asked_for_by_its_identifier() {
    let kratos = filled(3);
    let (all, _) = page(&kratos, "/admin/identities");
    assert!(
        all.iter()
            .all(|identity| identity.get("credentials").is_none())
    );
    let by_email = "/admin/identities?credentials_identifier=U1%40Example.com";
    let (found, next) = page(&kratos, by_email);
    assert_eq!((found.len(), next), (1, None));
    assert_eq!(found[0]["traits"]["email"], "u1@example.com");
    assert!(found[0]["credentials"]["password"].is_object());
    let (none, _) = page(&kratos, "/admin/identities?credentials_identifier=u1");
    assert_eq!(none, Vec::<Value>::new(), "only the whole identifier finds");
}

#[test]
fn some_are_listed_by_their_identifiers() {
    let kratos = filled(3);
    let body = json!({
        "traits": { "email": "org@example.com" },
        "organization_id": "00000000-0000-4000-8000-00000000000a",
    });
    let of_organization = made(&kratos, body);
    let dump = kratos.dump();
    let id = |number: usize| id_of(&dump["identities"][number]).to_owned();
    let nobody = "00000000-0000-4000-8000-000000000000";
    let path = format!("/admin/identities?ids={}&ids={}&ids={nobody}", id(0), id(2));
    let (found, _) = page(&kratos, &path);
    let found: BTreeSet<String> = found.iter().map(|one| id_of(one).to_owned()).collect();
    assert_eq!(found, BTreeSet::from([id(0), id(2)]));
    let (sizes, ids) = sizes(&kratos, &format!("{path}&page_size=1"));
    assert_eq!((sizes, ids), (vec![1, 1], found), "with pages too");
    let path = "/admin/identities?organization_id=00000000-0000-4000-8000-00000000000a";
    assert_eq!(page(&kratos, path).0[0]["id"], of_organization["id"]);
}

#[test]
fn what_cannot_be_asked_is_refused() {
    let kratos = filled(1);
    let id = "ids=00000000-0000-4000-8000-000000000000";
    let many = vec![id; 501].join("&");
    for query in [
        "page_size=ten",
        "page_token=x",
        "page_token=after-x",
        "ids=x",
        &format!("{id},00000000-0000-4000-8000-000000000001"),
        &many,
        &format!("{id}&credentials_identifier=a"),
        "organization_id=org_1",
    ] {
        let answer = get(&kratos, &format!("/admin/identities?{query}"));
        assert_eq!(refusal(answer).0, 400, "{query}");
    }
    assert_eq!(
        get(
            &kratos,
            &format!("/admin/identities?{}", vec![id; 500].join("&"))
        )
        .0,
        200
    );
}
