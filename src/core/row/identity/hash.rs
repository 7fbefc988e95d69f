//! Owns the hashes that an identity server takes: which, by how they begin, and whether they are whole.

use crate::row::IssueCode;
use crate::row::claim::Password;
use crate::row::field::Field;
use crate::row::issue::Notes;
use crate::row::password::{is_bcrypt, secret};
use crate::secret::Secret;
use crate::source::CellView;

/// How the hashes begin that Ory Kratos documents (importing identities: hashed passwords).
const BEGINNINGS: [&str; 24] = [
    "$2a$",
    "$2b$",
    "$2y$",
    "$argon2id$",
    "$argon2i$",
    "$scrypt$",
    "$firescrypt$",
    "{SSHA}",
    "{SSHA256}",
    "{SSHA512}",
    "$sha1$",
    "$sha256$",
    "$sha512$",
    "$md5$",
    "$md5-crypt$",
    "$sha256-crypt$",
    "$sha512-crypt$",
    "$hmac-md4$",
    "$hmac-md5$",
    "$hmac-sha1$",
    "$hmac-sha224$",
    "$hmac-sha256$",
    "$hmac-sha384$",
    "$hmac-sha512$",
];

/// The row's password, from its cells: `initial_password` and `password` mean the same. A hash wins over both.
pub(super) fn password(
    initial: CellView,
    plain: CellView,
    hash: CellView,
    notes: &mut Notes,
) -> Option<Password> {
    let initial = secret(initial, Field::InitialPassword, notes);
    let plain = secret(plain, Field::Password, notes);
    let hash = secret(hash, Field::PasswordHash, notes);
    let field = match initial {
        Some(_) => Field::InitialPassword,
        None => Field::Password,
    };
    if initial.is_some() && plain.is_some() {
        let message = "the row has an initial_password and a password, which mean the same. Clear one of the two";
        notes.error(IssueCode::DuplicateColumn, Field::Password, message);
        return None;
    }
    let plain = initial.or(plain);
    let Some(hash) = hash else {
        return plain.map(Password::Plain);
    };
    if plain.is_some() {
        let message = "the row has a password and a hash. The hash is sent, the password is not";
        notes.warning(IssueCode::PasswordIgnored, field, message);
    }
    match fault(&hash) {
        None => Some(Password::EncodedHash(hash)),
        Some((code, message)) => {
            notes.error(code, Field::PasswordHash, message);
            None
        }
    }
}

/// What is wrong with a hash, without anything of it.
fn fault(hash: &Secret) -> Option<(IssueCode, &'static str)> {
    let hash = hash.expose();
    if hash.chars().any(char::is_whitespace) {
        let message = "the hash has spaces or line breaks in it or around it";
        return Some((IssueCode::InvalidHashFormat, message));
    }
    let Some(beginning) = beginning(hash) else {
        let message = if hash.starts_with("$firebase-scrypt$") {
            "the server documents no hash that begins like this one. Firebase's begin with $firescrypt$ there"
        } else {
            "the server documents no hash that begins like this one. Write it as $2a$…, $argon2id$…, $pbkdf2-sha256$…, \
             $scrypt$…, {SSHA}… or another documented form"
        };
        return Some((IssueCode::UnknownHashFormat, message));
    };
    match beginning {
        "$2a$" | "$2b$" | "$2y$" if !is_bcrypt(hash) => Some((
            IssueCode::InvalidHashFormat,
            "a bcrypt hash has 60 characters, like $2b$10$ and 53 more. It may have been cut off",
        )),
        "$argon2id$" | "$argon2i$" if hash.split('$').count() < 6 => Some((
            IssueCode::InvalidHashFormat,
            "an argon2 hash is $argon2id$v=…$m=…,t=…,p=…$salt$hash. It may have been cut off",
        )),
        beginning if hash.len() == beginning.len() => Some((
            IssueCode::InvalidHashFormat,
            "nothing follows the beginning of the hash. It may have been cut off",
        )),
        _ => None,
    }
}

/// The documented beginning that the hash has.
fn beginning(hash: &str) -> Option<&str> {
    if let Some(rest) = hash.strip_prefix("$pbkdf2-sha") {
        let digits = rest.split_once('$')?.0;
        let is_size =
            (1..=3).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        return is_size.then(|| &hash[..hash.len() - rest.len() + digits.len() + 1]);
    }
    BEGINNINGS.into_iter().find(|known| hash.starts_with(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BCRYPT: &str = "$2a$10$GzEm3vKoAqnJCTWesRARCe/ovjt/07qjvcH9jbLUg44Fn77gMZkmm";

    fn code(hash: &str) -> Option<&'static str> {
        fault(&Secret::new(hash)).map(|(code, _)| code.as_str())
    }

    #[test]
    fn documented_hashes_are_told_by_their_beginning() {
        for hash in [
            BCRYPT,
            "$argon2id$v=19$m=16,t=2,p=1$VG1Oa1lMbzZLbzk5azQ2Qg$kjcNNtZ/b0t/8HgXUiQ76A",
            "$pbkdf2-sha256$i=1,l=32$c2FsdA$aGFzaA",
            "$pbkdf2-sha1$i=1,l=32$c2FsdA$aGFzaA",
            "$scrypt$ln=16384,r=8,p=1$c2FsdA$aGFzaA",
            "$firescrypt$ln=14,r=8,p=1$c2FsdA$aGFzaA$c2Vw$a2V5",
            "{SSHA512}abcd==",
            "$md5$pf=e1NBTFR9$c2FsdA$aGFzaA",
            "$sha512-crypt$rounds=5000$salt$hash",
            "$hmac-sha256$aGFzaA==$a2V5",
        ] {
            assert_eq!(code(hash), None, "{hash}");
        }
    }

    #[test]
    fn others_and_those_that_are_cut_off_are_refused() {
        for hash in [
            "5f4dcc3b5aa765d61d8327deb882cf99",
            "$argon2d$v=19$m=16,t=2,p=1$c2FsdA$aGFzaA",
            "$pbkdf2$sha256$i=1",
            "$pbkdf2-sha$i=1$c2FsdA$aGFzaA",
            "$firebase-scrypt$aGFzaA",
            "{ssha}abcd",
            "$2x$10$abc",
            "$hmac-sha3$abc",
            "é$2a$",
        ] {
            assert_eq!(code(hash), Some("unknown_hash_format"), "{hash}");
        }
        for hash in [
            &BCRYPT[..59],
            &format!("{BCRYPT} "),
            "$argon2id$v=19$m=16,t=2,p=1$c2FsdA",
            "{SSHA}",
            "$pbkdf2-sha512$",
        ] {
            assert_eq!(code(hash), Some("invalid_hash_format"), "{hash}");
        }
    }
}
