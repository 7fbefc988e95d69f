//! Owns passwords and hashes: which of them counts, which type a hash has, whether it is written as its type is.

use super::claim::{HashKind, Password};
use super::convert::wrong_type;
use super::field::Field;
use super::issue::Notes;
use super::{IssueCode, near};
use crate::secret::Secret;
use crate::source::CellView;

/// The row's password, from its three cells. A hash with its type wins over a password.
pub(super) fn password(
    plain: CellView,
    hash: CellView,
    kind: CellView,
    notes: &mut Notes,
) -> Option<Password> {
    let plain = secret(plain, Field::Password, notes);
    let hash = secret(hash, Field::PasswordHash, notes);
    let kind = match kind {
        CellView::Absent | CellView::Missing => None,
        CellView::Text(text) => Some(text.trim()).filter(|text| !text.is_empty()),
        other => {
            wrong_type(other, Field::PasswordHashType, "text", notes);
            return None;
        }
    };
    match (hash, kind) {
        (None, None) => plain.map(Password::Plain),
        (Some(_), None) => {
            notes.error(
                IssueCode::PasswordHashWithoutType,
                Field::PasswordHash,
                "there is a password_hash but no password_hash_type. Fill in the type, or clear the hash",
            );
            None
        }
        (None, Some(_)) => {
            notes.error(
                IssueCode::TypeWithoutHash,
                Field::PasswordHashType,
                "there is a password_hash_type but no password_hash. Fill in the hash, or clear the type",
            );
            None
        }
        (Some(hash), Some(kind)) => {
            let kind = hash_kind(kind, notes)?;
            if plain.is_some() {
                notes.warning(
                    IssueCode::PasswordIgnored,
                    Field::Password,
                    "the row has a password and a hash. The hash is sent, the password is not",
                );
            }
            match judge(kind, hash.expose()) {
                Verdict::Usual => {}
                Verdict::Unusual(what) => {
                    notes.warning(IssueCode::UnusualHashFormat, Field::PasswordHash, what);
                }
                Verdict::Wrong(what) => {
                    notes.error(IssueCode::InvalidHashFormat, Field::PasswordHash, what);
                    return None;
                }
            }
            Some(Password::Hash { hash, kind })
        }
    }
}

/// A secret, untrimmed.
pub(super) fn secret(cell: CellView, field: Field, notes: &mut Notes) -> Option<Secret> {
    match cell {
        CellView::Absent | CellView::Missing => None,
        CellView::Text(text) => (!text.is_empty()).then(|| Secret::new(text)),
        other => {
            wrong_type(other, field, "text", notes);
            None
        }
    }
}

/// The type by its name; case and `_` for `-` do not matter. The cell is not quoted: with swapped columns it is a hash.
fn hash_kind(name: &str, notes: &mut Notes) -> Option<HashKind> {
    let folded = name.to_ascii_lowercase().replace('_', "-");
    let known = HashKind::ALL
        .into_iter()
        .find(|kind| kind.as_str() == folded);
    if known.is_none() {
        let names = HashKind::ALL.map(HashKind::as_str);
        let meant = match near::nearest(&folded, names) {
            Some(near) => format!(" Did you mean {near}?"),
            None => String::new(),
        };
        let message = format!(
            "this password_hash_type is unknown.{meant} The API takes {}",
            names.join(", ")
        );
        notes.error(IssueCode::UnknownHashType, Field::PasswordHashType, message);
    }
    known
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Usual,
    /// It may be refused: WorkOS documents the forms of some types by example only.
    Unusual(String),
    /// Nobody could sign in with it.
    Wrong(String),
}

/// Prefixes that say of which type a hash is (crypt(3), the PHC string format, RFC 2307).
fn evident_kind(hash: &str) -> Option<HashKind> {
    const PREFIXES: [(&str, HashKind); 10] = [
        ("$2a$", HashKind::Bcrypt),
        ("$2b$", HashKind::Bcrypt),
        ("$2y$", HashKind::Bcrypt),
        ("$argon2id$", HashKind::Argon2),
        ("$argon2i$", HashKind::Argon2),
        ("$argon2d$", HashKind::Argon2),
        ("$scrypt$", HashKind::Scrypt),
        ("$firebase-scrypt$", HashKind::FirebaseScrypt),
        ("{SSHA}", HashKind::Ssha),
        ("{SSHA256}", HashKind::Ssha256),
    ];
    if hash.starts_with("$pbkdf2") {
        return Some(HashKind::Pbkdf2);
    }
    let begins = |prefix: &str| {
        hash.get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    let found = PREFIXES.iter().find(|(prefix, _)| begins(prefix));
    found.map(|(_, kind)| *kind)
}

fn judge(kind: HashKind, hash: &str) -> Verdict {
    let name = kind.as_str();
    if hash.chars().any(char::is_whitespace) {
        return Verdict::Wrong("the hash has spaces or line breaks in it or around it".to_owned());
    }
    match evident_kind(hash) {
        Some(evident) if evident != kind => Verdict::Wrong(format!(
            "the hash is written like {}, but password_hash_type says {name}",
            evident.as_str()
        )),
        Some(HashKind::Bcrypt) if !is_bcrypt(hash) => Verdict::Wrong(
            "a bcrypt hash has 60 characters, like $2b$10$ and 53 more. It may have been cut off"
                .to_owned(),
        ),
        Some(HashKind::Argon2) if hash.split('$').count() < 5 => Verdict::Wrong(
            "an argon2 hash is $argon2id$v=…$m=…,t=…,p=…$salt$hash. It may have been cut off"
                .to_owned(),
        ),
        Some(_) => Verdict::Usual,
        None => match kind {
            HashKind::Bcrypt => Verdict::Wrong(
                "a bcrypt hash begins with $2a$, $2b$ or $2y$ and has 60 characters".to_owned(),
            ),
            HashKind::Argon2 => Verdict::Wrong(
                "an argon2 hash begins with $argon2id$, $argon2i$ or $argon2d$".to_owned(),
            ),
            _ => Verdict::Unusual(format!(
                "{name} hashes usually begin with {}; the API may refuse this one",
                match kind {
                    HashKind::Ssha => "{SSHA}",
                    HashKind::Ssha256 => "{SSHA256}",
                    HashKind::Pbkdf2 => "$pbkdf2-",
                    HashKind::FirebaseScrypt => "$firebase-scrypt$",
                    _ => "$scrypt$",
                }
            )),
        },
    }
}

/// crypt(3): `$2b$`, two digits of cost, `$`, 22 characters of salt and 31 of hash.
pub(super) fn is_bcrypt(hash: &str) -> bool {
    let bytes = hash.as_bytes();
    bytes.len() == 60
        && bytes[4..6].iter().all(u8::is_ascii_digit)
        && bytes[6] == b'$'
        && bytes[7..]
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BCRYPT: &str = "$2a$10$GzEm3vKoAqnJCTWesRARCe/ovjt/07qjvcH9jbLUg44Fn77gMZkmm";

    #[test]
    fn hashes_are_judged_by_their_type() {
        let argon2 = "$argon2id$v=19$m=16,t=2,p=1$VG1Oa1lMbzZLbzk5azQ2Qg$kjcNNtZ/b0t/8HgXUiQ76A";
        assert_eq!(judge(HashKind::Bcrypt, BCRYPT), Verdict::Usual);
        assert_eq!(judge(HashKind::Argon2, argon2), Verdict::Usual);
        assert_eq!(judge(HashKind::Ssha, "{SSHA}abcd=="), Verdict::Usual);
        assert_eq!(
            judge(HashKind::Pbkdf2, "$pbkdf2-sha256$i=1,l=32$c2FsdA$aGFzaA"),
            Verdict::Usual
        );
        assert!(matches!(
            judge(HashKind::Bcrypt, &BCRYPT[..59]),
            Verdict::Wrong(_)
        ));
        assert!(matches!(
            judge(HashKind::Bcrypt, "5f4dcc3b"),
            Verdict::Wrong(_)
        ));
        assert!(matches!(judge(HashKind::Argon2, BCRYPT), Verdict::Wrong(_)));
        assert!(matches!(
            judge(HashKind::Bcrypt, &format!("{BCRYPT} ")),
            Verdict::Wrong(_)
        ));
        assert!(matches!(
            judge(HashKind::Scrypt, "é$7$abc"),
            Verdict::Unusual(_)
        ));
    }
}
