//! Owns what a schema's `format: email` means to the server. The general rule of JSON Schema takes ASCII alone; Kratos takes
//! addresses with any letters before the `@`, as people have them.

/// How long an address is at most, and what stands before its last `@`.
const LONGEST: usize = 254;
const LONGEST_LOCAL: usize = 64;
/// How long a domain and each of its parts is at most.
const LONGEST_DOMAIN: usize = 253;
const LONGEST_LABEL: usize = 63;

/// What may stand in an unquoted name beside letters and digits (RFC 5322, `atext`).
const SIGNS: &str = "!#$%&'*+-/=?^_`{|}~";

/// Whether the server takes the text as an email.
pub(super) fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    text.len() <= LONGEST && local.len() <= LONGEST_LOCAL && is_local(local) && is_domain(domain)
}

/// Words with dots between them, or anything in quotes.
fn is_local(local: &str) -> bool {
    let quoted = local
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    if let Some(inner) = quoted {
        return !inner.is_empty() && !inner.contains(['"', '\\']) && !has_control(inner);
    }
    let is_of_word =
        |sign: char| sign.is_ascii_alphanumeric() || !sign.is_ascii() || SIGNS.contains(sign);
    local
        .split('.')
        .all(|word| !word.is_empty() && word.chars().all(is_of_word))
}

fn has_control(text: &str) -> bool {
    text.chars().any(char::is_control)
}

/// As DNS has it: other letters are written as `xn--…`.
fn is_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        (1..=LONGEST_LABEL).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .chars()
                .all(|sign| sign.is_ascii_alphanumeric() || sign == '-')
    };
    domain.len() <= LONGEST_DOMAIN && domain.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::is_email;

    #[test]
    fn addresses_are_what_the_server_takes() {
        let long = format!("{}@b.c", "a".repeat(65));
        let taken = [
            "a@b.c",
            "łukasz@example.com",
            "o'neil+tag@mail.example.com",
            "a.b@localhost",
            "\"a b\"@b.c",
            "a@xn--mnchen-3ya.de",
        ];
        let refused = [
            "",
            "a",
            "@b.c",
            "a@",
            "a b@c.d",
            "a..b@c.d",
            ".a@c.d",
            "a@b@c.d",
            "a@münchen.de",
            "a@-b.c",
            "a@b..c",
            "a@b_c.d",
            "\"a@b.c",
            long.as_str(),
        ];
        for text in taken {
            assert!(is_email(text), "{text}");
        }
        for text in refused {
            assert!(!is_email(text), "{text}");
        }
    }
}
