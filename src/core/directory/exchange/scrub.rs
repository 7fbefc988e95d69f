//! Takes secrets out of what the server says: some servers quote what they refuse.

use serde_json::Value;

use crate::directory::ApiError;
use crate::secret::Secret;

const SHOWN: &str = "[secret]";

pub(super) fn scrub(error: &mut ApiError, secrets: &[Secret]) {
    for secret in secrets {
        let secret = secret.expose();
        if secret.is_empty() {
            continue;
        }
        // Quoted in a text as JSON writes it, where that differs.
        let escaped = Value::from(secret).to_string();
        let forms = [secret, escaped.trim_matches('"')];
        error.message = without(&error.message, &forms);
        for value in &mut error.details.workos_errors {
            scrub_value(value, &forms);
        }
        for text in [
            &mut error.details.workos_code,
            &mut error.details.workos_request_id,
        ] {
            *text = text.take().map(|text| without(&text, &forms));
        }
    }
}

fn without(text: &str, forms: &[&str; 2]) -> String {
    forms
        .iter()
        .fold(text.to_owned(), |text, form| match form.is_empty() {
            true => text,
            false => text.replace(form, SHOWN),
        })
}

fn scrub_value(value: &mut Value, forms: &[&str; 2]) {
    match value {
        Value::String(text) => *text = without(text, forms),
        Value::Array(items) => items.iter_mut().for_each(|item| scrub_value(item, forms)),
        Value::Object(pairs) => {
            *pairs = std::mem::take(pairs)
                .into_iter()
                .map(|(key, mut item)| {
                    scrub_value(&mut item, forms);
                    (without(&key, forms), item)
                })
                .collect();
        }
        // A password of digits, quoted as a number.
        Value::Number(number) if number.to_string().contains(forms[0]) => *value = SHOWN.into(),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::journal::outcome::ApiDetails;

    #[test]
    fn a_secret_is_taken_out_of_every_part_in_every_form() {
        let secret = "pa\"ss\\1234567";
        let mut error = ApiError {
            message: format!("bad: {secret} or {}", json!({ "password": secret })),
            details: ApiDetails {
                workos_code: Some(format!("bad_{secret}")),
                workos_request_id: Some(secret.to_owned()),
                workos_errors: vec![json!({ (secret): [secret, 1], "code": secret })],
                ..ApiDetails::default()
            },
        };
        scrub(&mut error, &[Secret::new(""), Secret::new(secret)]);
        let shown = format!("{error:?}");
        assert!(!shown.contains("1234567"), "{shown}");
        let mut error = ApiError {
            details: ApiDetails {
                workos_errors: vec![json!(1234567), json!(7)],
                ..ApiDetails::default()
            },
            ..ApiError::default()
        };
        scrub(&mut error, &[Secret::new("1234567")]);
        assert_eq!(error.details.workos_errors, [json!("[secret]"), json!(7)]);
    }
}
