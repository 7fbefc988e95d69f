//! Owns the digests by which rows are compared without keeping what they say: those of one user, and a row with itself in
//! another attempt.

use serde_json::Value;
use zeroize::Zeroizing;

use super::claim::{Clear, IdentityFields, Password, UserClaim};
use super::clearing::CLEARED;
use super::columns::Columns;
use super::field::Field;
use super::interpret::Rules;
use crate::source::{CellView, Record};

/// The digest of a claim that has no fields beside the email. It agrees with every row that came before it.
pub const NOTHING_CLAIMED: [u8; 16] = [0; 16];

/// A keyed digest of all claimed fields, the password among them. Equal claims have equal digests; without the key
/// nothing can be learnt from one.
pub fn fields_digest(user: &UserClaim, key: &[u8; 32]) -> [u8; 16] {
    let mut bytes = Zeroizing::new(Vec::with_capacity(512));
    for_each_field(user, |tag, text| {
        bytes.push(tag);
        bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    });
    if bytes.is_empty() {
        return NOTHING_CLAIMED;
    }
    let mut short = [0; 16];
    short.copy_from_slice(&blake3::keyed_hash(key, &bytes).as_bytes()[..16]);
    short
}

/// A keyed digest of everything that a record says in known columns, by which it is known again. Other columns do not
/// count, nor does whether a value came as text or as a number, nor a blank that clears nothing. All broken records have
/// the same one.
pub fn row_digest(record: &Record, columns: &Columns, rules: &Rules, key: &[u8; 32]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_keyed(key);
    let Ok(cells) = &record.content else {
        return *hasher.finalize().as_bytes();
    };
    for field in Field::ALL {
        let Some(position) = columns.positions()[field as usize] else {
            continue;
        };
        let cell = cells.get(position);
        let text = text_of(cell);
        if cell.is_blank() {
            let clears = rules.clear_empty && CLEARED.iter().any(|(cleared, _)| *cleared == field);
            if clears && cell.is_said_blank() {
                // No cell that says something begins like this.
                hasher.update(&[0]);
                hasher.update(field.as_str().as_bytes());
            }
            continue;
        }
        add(&mut hasher, field.as_str(), &text);
    }
    // Where cells of identities go by their usual meaning, they have been counted.
    for place in columns.places().iter().filter(|place| !place.is_usual) {
        let cell = cells.get(place.position);
        if !cell.is_blank() {
            add(&mut hasher, &place.path.to_string(), &text_of(cell));
        }
    }
    *hasher.finalize().as_bytes()
}

fn text_of(cell: CellView) -> Zeroizing<String> {
    match cell {
        CellView::Absent | CellView::Missing => Zeroizing::default(),
        CellView::Text(text) => Zeroizing::new(text.to_owned()),
        other => Zeroizing::new(other.to_json().to_string()),
    }
}

fn add(hasher: &mut blake3::Hasher, name: &str, text: &str) {
    hasher.update(name.as_bytes());
    hasher.update(&[0]);
    hasher.update(&(text.len() as u64).to_le_bytes());
    hasher.update(text.as_bytes());
}

/// Gives each claimed field with a number of its own, always in the same order.
pub(crate) fn for_each_field(user: &UserClaim, mut give: impl FnMut(u8, &str)) {
    let UserClaim {
        email,
        first_name,
        last_name,
        name,
        email_verified,
        external_id,
        metadata,
        password,
        clears,
        identity,
    } = user;
    let verified = email_verified.map(|verified| if verified { "true" } else { "false" });
    let texts = [
        (1, first_name.as_deref()),
        (2, last_name.as_deref()),
        (3, name.as_deref()),
        (4, verified),
        (5, external_id.as_deref()),
    ];
    for (tag, text) in texts {
        if let Some(text) = text {
            give(tag, text);
        }
    }
    if let Some(pairs) = metadata {
        // The order of keys has no meaning.
        let mut pairs: Vec<_> = pairs.iter().collect();
        pairs.sort_unstable_by_key(|(key, _)| key.as_str());
        for (key, value) in pairs {
            give(6, key);
            give(7, value.as_str().unwrap_or_default());
        }
    }
    match password {
        None => {}
        Some(Password::Plain(plain)) => give(8, plain.expose()),
        Some(Password::Hash { hash, kind }) => {
            give(9, kind.as_str());
            give(10, hash.expose());
        }
        Some(Password::EncodedHash(hash)) => give(16, hash.expose()),
    }
    for clear in clears {
        match clear {
            Clear::FirstName => give(11, ""),
            Clear::LastName => give(12, ""),
            Clear::Name => give(13, ""),
            Clear::Metadata => give(14, ""),
            Clear::MetadataPair(key) => give(15, key),
        }
    }
    if let Some(identity) = identity {
        for_each_of_identity(identity, email, give);
    }
}

fn for_each_of_identity(identity: &IdentityFields, email: &str, mut give: impl FnMut(u8, &str)) {
    let IdentityFields {
        schema_id,
        traits,
        state,
        metadata_public,
        metadata_admin,
        random_password: _,
        // Of the traits.
        identifiers: _,
    } = identity;
    let is_email_alone = state.is_none() && metadata_public.is_none() && metadata_admin.is_none();
    if is_email_alone && traits.values().all(|value| is_email(value, email)) {
        return;
    }
    give(17, schema_id);
    if let Some(state) = state {
        give(18, state.as_str());
    }
    let maps = [
        (19, Some(traits)),
        (21, metadata_public.as_ref()),
        (23, metadata_admin.as_ref()),
    ];
    for (tag, map) in maps {
        // The order of keys has no meaning.
        let mut pairs: Vec<_> = map.into_iter().flatten().collect();
        pairs.sort_unstable_by_key(|(key, _)| key.as_str());
        for (key, value) in pairs {
            give(tag, key);
            give(tag + 1, &value.to_string());
        }
    }
}

/// Whether a trait says nothing but the email, wherever the schema has it.
fn is_email(value: &Value, email: &str) -> bool {
    match value {
        Value::String(text) => text.to_lowercase() == email,
        Value::Object(parts) => parts.values().all(|part| is_email(part, email)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::secret::Secret;
    use crate::source::{Cell, RecordBuilder};

    #[test]
    fn a_row_is_known_by_its_known_columns_in_whatever_order_and_type() {
        let digest_by = |rules: &Rules, pairs: Vec<(&str, Cell)>| {
            let mut builder = RecordBuilder::default();
            let record = builder.record(None, pairs).unwrap();
            let columns = Columns::resolve_growing(builder.columns(), &[]).unwrap();
            row_digest(&record, &columns, rules, &[7; 32])
        };
        let digest = |pairs| digest_by(&Rules::default(), pairs);
        let email = || ("email", Cell::text("a@b.c"));
        let one = digest(vec![email(), ("external_id", Cell::Integer(7))]);
        let same = digest(vec![
            ("updated_at", Cell::text("today")),
            ("external_id", Cell::text("7")),
            ("first_name", Cell::text(" ")),
            email(),
        ]);
        assert_eq!(one, same);
        let others = [
            digest(vec![email()]),
            digest(vec![email(), ("external_id", Cell::Integer(8))]),
            digest(vec![email(), ("first_name", Cell::text("7"))]),
            digest(vec![
                email(),
                ("external_id", Cell::Integer(7)),
                ("password", Cell::text("x")),
            ]),
        ];
        for (index, other) in others.iter().enumerate() {
            assert!(*other != one && !others[..index].contains(other));
        }
        // Where empty cells clear, they say something; a key that is left out does not, nor one that is never cleared.
        let clearing = Rules {
            clear_empty: true,
            ..Rules::default()
        };
        let alone = digest_by(&clearing, vec![email()]);
        let id = ("external_id", Cell::text(""));
        assert_eq!(digest_by(&clearing, vec![email(), id]), alone);
        let empty = digest_by(&clearing, vec![email(), ("first_name", Cell::text(" "))]);
        assert_ne!(empty, alone);
        let null = digest_by(&clearing, vec![email(), ("first_name", Cell::Absent)]);
        assert_eq!(null, empty);
        let left_out = digest_by(&clearing, vec![("name", Cell::Missing), email()]);
        assert_eq!(left_out, alone);
    }

    #[test]
    fn each_field_and_the_key_count_and_the_order_of_metadata_does_not() {
        let key = [7; 32];
        let with = |change: fn(&mut UserClaim)| {
            let mut user = UserClaim {
                email: "a@b.c".into(),
                ..Default::default()
            };
            change(&mut user);
            fields_digest(&user, &key)
        };
        assert_eq!(with(|_| {}), NOTHING_CLAIMED);
        let digests = [
            with(|user| user.first_name = Some("A".into())),
            with(|user| user.last_name = Some("A".into())),
            with(|user| user.name = Some("A".into())),
            with(|user| user.email_verified = Some(true)),
            with(|user| user.email_verified = Some(false)),
            with(|user| user.password = Some(Password::Plain(Secret::new("A")))),
            with(|user| user.metadata = json!({"a": "1", "b": "2"}).as_object().cloned()),
            with(|user| user.clears = vec![Clear::FirstName]),
            with(|user| user.clears = vec![Clear::LastName]),
            with(|user| user.clears = vec![Clear::Name]),
            with(|user| user.clears = vec![Clear::Metadata]),
            with(|user| user.clears = vec![Clear::MetadataPair("a".into())]),
        ];
        for (index, digest) in digests.iter().enumerate() {
            assert!(!digests[..index].contains(digest));
        }
        let other_order =
            with(|user| user.metadata = json!({"b": "2", "a": "1"}).as_object().cloned());
        assert_eq!(other_order, digests[6]);
        let user = UserClaim {
            name: Some("A".into()),
            ..Default::default()
        };
        assert_ne!(fields_digest(&user, &[8; 32]), digests[2]);
    }
}
