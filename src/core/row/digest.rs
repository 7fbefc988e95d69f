//! Owns the digest by which rows of one user are compared without keeping what they say.

use zeroize::Zeroizing;

use super::claim::{Password, UserClaim};

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

/// Gives each claimed field with a number of its own, always in the same order.
pub(crate) fn for_each_field(user: &UserClaim, mut give: impl FnMut(u8, &str)) {
    let UserClaim {
        email: _,
        first_name,
        last_name,
        name,
        email_verified,
        external_id,
        metadata,
        password,
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
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::secret::Secret;

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
