//! Owns what the API accepts as a password or as the hash of one. Only the
//! kind is kept: no password and no hash stays in the sandbox.

use crate::answer::Answer;
use crate::fields::{Fields, Given};

const SHORTEST: usize = 10;

/// Passwords of sufficient length that are refused all the same.
const COMMON: [&str; 8] = [
    "1234567890",
    "0123456789",
    "password123",
    "password1234",
    "qwertyuiop",
    "iloveyou123",
    "administrator",
    "aaaaaaaaaa",
];

const HASH_TYPES: [&str; 7] = [
    "bcrypt",
    "firebase-scrypt",
    "ssha",
    "ssha256",
    "scrypt",
    "pbkdf2",
    "argon2",
];

/// Reads the password of a body. `Some("password")`, `Some("bcrypt")` and so
/// on is the kind of what was given.
pub(crate) fn given(fields: &Fields) -> Result<Option<&'static str>, Answer> {
    let password = fields.text("password")?.value();
    let hash = fields.text("password_hash")?.value();
    let hash_type = fields.text("password_hash_type")?.value();
    let salt_position = fields.text("password_salt_position")?;
    if password.is_some() && hash.is_some() {
        return Err(Answer::refused(
            "password_and_password_hash_provided",
            "Provide either a password or a password hash, not both.",
        ));
    }
    if password.is_some() && hash_type.is_some() {
        return Err(Answer::refused(
            "password_and_password_hash_type_provided",
            "Provide either a password or a password hash type, not both.",
        ));
    }
    if hash.is_none() && salt_position != Given::Absent && salt_position != Given::Null {
        return Err(Answer::refused(
            "password_salt_position_requires_password_hash",
            "A salt position needs a password hash.",
        ));
    }
    if let Some(password) = password {
        check_strength(&password)?;
        return Ok(Some("password"));
    }
    match (hash, hash_type) {
        (None, None) => Ok(None),
        (Some(hash), Some(hash_type)) => check_hash(&hash, &hash_type).map(Some),
        (Some(_), None) => Err(Answer::invalid(
            "password_hash_type_required",
            "password_hash_type is required with password_hash.",
        )),
        (None, Some(_)) => Err(Answer::invalid(
            "password_hash_required",
            "password_hash is required with password_hash_type.",
        )),
    }
}

fn check_strength(password: &str) -> Result<(), Answer> {
    if password.chars().count() < SHORTEST {
        return Err(Answer::password_strength_error(
            "password_too_short",
            "Password must be at least 10 characters in length.",
        ));
    }
    if COMMON.contains(&password.to_lowercase().as_str()) {
        return Err(Answer::password_strength_error(
            "password_too_common",
            "Password is too common.",
        ));
    }
    Ok(())
}

fn check_hash(hash: &str, hash_type: &str) -> Result<&'static str, Answer> {
    let known = HASH_TYPES.iter().find(|known| **known == hash_type);
    let Some(known) = known else {
        return Err(Answer::invalid(
            "password_hash_type_invalid",
            format!(
                "password_hash_type should be one of {}.",
                HASH_TYPES.join(", ")
            ),
        ));
    };
    let well_formed = match *known {
        "bcrypt" => is_bcrypt(hash),
        "firebase-scrypt" => is_firebase_scrypt(hash),
        "ssha" => is_salted_digest(hash, "{SSHA}", 20),
        "ssha256" => is_salted_digest(hash, "{SSHA256}", 32),
        "scrypt" => is_modular(hash, &["$scrypt$"]),
        "pbkdf2" => is_modular(hash, &["$pbkdf2$", "$pbkdf2-"]),
        _ => is_modular(hash, &["$argon2id$", "$argon2i$", "$argon2d$"]),
    };
    if well_formed {
        Ok(known)
    } else {
        Err(Answer::refused(
            "invalid_password_hash",
            format!("The password hash is not a valid {known} hash."),
        ))
    }
}

/// `$2b$10$` and 53 characters of salt and digest.
fn is_bcrypt(hash: &str) -> bool {
    let parts: Vec<&str> = hash.split('$').collect();
    let ["", version, cost, rest] = parts.as_slice() else {
        return false;
    };
    matches!(*version, "2" | "2a" | "2b" | "2x" | "2y")
        && cost.len() == 2
        && cost
            .parse::<u32>()
            .is_ok_and(|cost| (4..=31).contains(&cost))
        && rest.len() == 53
        && rest
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/'))
}

/// Firebase's own scrypt, with its parameters by name in any order:
/// `$firebase-scrypt$hash=…$salt=…$sk=…$ss=…$r=8$m=14`.
fn is_firebase_scrypt(hash: &str) -> bool {
    let Some(rest) = hash.strip_prefix("$firebase-scrypt$") else {
        return false;
    };
    ["hash", "salt", "sk", "ss", "r", "m"].iter().all(|name| {
        rest.split(['$', ','])
            .filter_map(|part| part.split_once('='))
            .any(|(key, value)| key == *name && !value.is_empty())
    })
}

/// A digest of known size, and a salt behind it, in Base64.
fn is_salted_digest(hash: &str, prefix: &str, digest: usize) -> bool {
    let Some(rest) = hash.strip_prefix(prefix) else {
        return false;
    };
    let text = rest.trim_end_matches('=');
    text.bytes().all(is_base64) && text.len() * 3 / 4 > digest
}

/// The modular (PHC) form: parameters, salt and digest between dollar signs.
fn is_modular(hash: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| hash.starts_with(prefix))
        && hash.split('$').filter(|part| !part.is_empty()).count() >= 4
        && !hash.ends_with('$')
        && !hash.contains(char::is_whitespace)
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_its_format() {
        let bcrypt = "$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";
        let ssha = "{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9gqu2J1hwU=";
        let argon2 = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let firebase = "$firebase-scrypt$hash=aGFzaA$salt=c2FsdA$sk=c2s$ss=Bw$r=8$m=14";
        for (hash, hash_type) in [
            (bcrypt, "bcrypt"),
            (ssha, "ssha"),
            (argon2, "argon2"),
            (firebase, "firebase-scrypt"),
            ("$scrypt$n=16384,r=8,p=1$c2FsdA$aGFzaA", "scrypt"),
            ("$pbkdf2-sha256$i=600000,l=32$c2FsdA$aGFzaA", "pbkdf2"),
        ] {
            assert_eq!(check_hash(hash, hash_type).unwrap(), hash_type);
            let other = if hash_type == "bcrypt" {
                "argon2"
            } else {
                "bcrypt"
            };
            assert_eq!(check_hash(hash, other).unwrap_err().status, 400);
        }
        assert_eq!(check_hash(&bcrypt[..59], "bcrypt").unwrap_err().status, 400);
        assert_eq!(check_hash(bcrypt, "md5").unwrap_err().status, 422);
    }
}
