//! Owns what Kratos takes as a password or as the hash of one. Only the kind is
//! kept: no password and no hash stays in the sandbox.

use super::answers;
use crate::answer::Answer;

/// How the formats that Kratos imports begin, and what they are called here. A
/// beginning that another one begins with comes later.
const FORMATS: [(&str, &str); 23] = [
    ("$2a$", "bcrypt"),
    ("$2b$", "bcrypt"),
    ("$2y$", "bcrypt"),
    ("$bcrypt$", "bcrypt"),
    ("$argon2id$", "argon2id"),
    ("$argon2i$", "argon2i"),
    ("$pbkdf2-sha1$", "pbkdf2"),
    ("$pbkdf2-sha224$", "pbkdf2"),
    ("$pbkdf2-sha256$", "pbkdf2"),
    ("$pbkdf2-sha384$", "pbkdf2"),
    ("$pbkdf2-sha512$", "pbkdf2"),
    ("$scrypt$", "scrypt"),
    ("$firescrypt$", "firescrypt"),
    ("{SSHA}", "ssha"),
    ("{SSHA256}", "ssha256"),
    ("{SSHA512}", "ssha512"),
    ("$sha1$", "sha1"),
    ("$sha256$", "sha256"),
    ("$sha512$", "sha512"),
    ("$md5$", "md5"),
    ("$md5-crypt$", "md5-crypt"),
    ("$sha256-crypt$", "sha256-crypt"),
    ("$sha512-crypt$", "sha512-crypt"),
];

/// The kind of a hash, told by its beginning.
///
/// # Errors
/// 400, if no format begins so or nothing follows the beginning.
pub(super) fn kind_of(hash: &str) -> Result<&'static str, Answer> {
    let known = FORMATS.iter().find_map(|(beginning, kind)| {
        let rest = hash.strip_prefix(beginning)?;
        (!rest.is_empty()).then_some(*kind)
    });
    known
        .or_else(|| hash.starts_with("$hmac-").then_some("hmac"))
        .ok_or_else(|| {
            answers::bad_request(
                "The imported password does not match any known hash format. For more information see https://www.ory.sh/dr/2",
            )
        })
}
