//! Owns the second factors of users: TOTP ones, how they are enrolled and
//! shown. A secret is told once, to who enrolled it, and not kept.

use crate::answer::Answer;
use crate::clock;
use crate::fields::Fields;
use crate::organizations::NewId;
use crate::owned::Owned;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};
use url::form_urlencoded;

/// RFC 4648
const BASE_32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const SECRET: usize = 32;

/// A challenge comes with each enrolment, and is open for so long.
const CHALLENGE: Duration = Duration::from_secs(10 * 60);

/// One pixel: what a code shows is of no use to a program.
const PICTURE: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";

#[derive(Debug)]
struct Factor {
    issuer: String,
    user: String,
    created_at: String,
}

/// The factors of every user.
#[derive(Debug, Default)]
pub(crate) struct Factors {
    factors: Owned<Factor>,
}

impl Factors {
    /// Enrols a TOTP factor, another one beside those that there are. Without
    /// a secret one is drawn. `email` is what the user is called by default.
    pub(crate) fn create(
        &mut self,
        user_id: &str,
        email: &str,
        fields: &Fields,
        new_id: NewId<'_>,
        now: SystemTime,
    ) -> Result<Value, Answer> {
        if fields.text("type")?.value().as_deref() != Some("totp") {
            return Err(Answer::invalid("type_invalid", "type should be totp."));
        }
        let issuer = fields.text("totp_issuer")?.value();
        let user = fields.text("totp_user")?.value();
        let secret = fields.text("totp_secret")?.value();
        if secret.as_deref().is_some_and(|secret| !is_base_32(secret)) {
            return Err(Answer::invalid(
                "totp_secret_invalid",
                "totp_secret should be Base32.",
            ));
        }
        let id = new_id("auth_factor_");
        let secret = secret.unwrap_or_else(|| drawn(new_id));
        let time = clock::written(now);
        let factor = Factor {
            issuer: issuer.unwrap_or_else(|| "Sandbox".to_owned()),
            user: user.unwrap_or_else(|| email.to_owned()),
            created_at: time.clone(),
        };
        let mut shown = factor.shown(&id, user_id);
        shown["totp"]["secret"] = json!(secret);
        shown["totp"]["qr_code"] = json!(PICTURE);
        shown["totp"]["uri"] = json!(factor.uri(&secret));
        let challenge = json!({
            "object": "authentication_challenge",
            "id": new_id("auth_challenge_"),
            "authentication_factor_id": id,
            "expires_at": clock::written(now.checked_add(CHALLENGE).unwrap_or(now)),
            "created_at": time,
            "updated_at": time,
        });
        self.factors.insert(user_id, id, factor);
        Ok(json!({ "authentication_factor": shown, "authentication_challenge": challenge }))
    }

    pub(crate) fn ids_of(&self, user_id: &str) -> &BTreeSet<String> {
        self.factors.ids_of(user_id)
    }

    /// A factor without its secret, or null.
    pub(crate) fn shown(&self, id: &str) -> Value {
        let found = self.factors.get(id);
        found.map_or(Value::Null, |(user_id, factor)| factor.shown(id, user_id))
    }

    pub(crate) fn delete_of_user(&mut self, user_id: &str) {
        self.factors.delete_of(user_id);
    }

    pub(crate) fn dump(&self) -> Value {
        self.factors.ids().map(|id| self.shown(id)).collect()
    }
}

impl Factor {
    fn shown(&self, id: &str, user_id: &str) -> Value {
        json!({
            "object": "authentication_factor",
            "id": id,
            "user_id": user_id,
            "type": "totp",
            "totp": { "issuer": self.issuer, "user": self.user },
            "created_at": self.created_at,
            "updated_at": self.created_at,
        })
    }

    /// What an authenticator app reads from the picture.
    fn uri(&self, secret: &str) -> String {
        let (issuer, user) = (encoded(&self.issuer), encoded(&self.user));
        format!(
            "otpauth://totp/{issuer}:{user}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits=6&period=30"
        )
    }
}

fn encoded(text: &str) -> String {
    let pieces: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
    pieces.replace('+', "%20")
}

fn is_base_32(secret: &str) -> bool {
    let letters = secret.trim_end_matches('=');
    let is_letter = |byte: u8| BASE_32.contains(&byte.to_ascii_uppercase());
    !letters.is_empty() && letters.bytes().all(is_letter)
}

/// A secret from the letters of identifiers: they are drawn, from the seed.
fn drawn(new_id: NewId<'_>) -> String {
    let mut secret = String::with_capacity(SECRET);
    while secret.len() < SECRET {
        // The last 8 are drawn; the rest is time and counter.
        let letters = new_id("").into_bytes().into_iter().rev().take(8);
        let letters = letters.map(|letter| char::from(BASE_32[usize::from(letter) % 32]));
        secret.extend(letters);
    }
    secret.truncate(SECRET);
    secret
}

#[cfg(test)]
mod tests;
