//! Owns how email addresses are masked: `alice@example.com` becomes `a…@example.com`, wherever it stands in a text.

/// What cannot be part of an address that nobody quotes.
const BOUNDS: [char; 19] = [
    '<', '>', '(', ')', '[', ']', '{', '}', ',', ';', ':', '"', '`', '=', '|', '\\', '“', '”', '…',
];

/// The text with all email addresses masked, also those that are written for a URL (`alice%40example.com`).
pub fn masked(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, sign)) = next_sign(rest) {
        let (before, after) = rest.split_at(at);
        shown.push_str(&without_local_part(before));
        shown.push_str(sign);
        rest = &after[sign.len()..];
    }
    shown.push_str(rest);
    shown
}

/// What a row has for its email address, masked even if it is none.
pub(super) fn masked_address(address: &str) -> String {
    match next_sign(address) {
        Some((at, _)) => first_of(&address[..at]) + &address[at..],
        None => first_of(address),
    }
}

fn next_sign(text: &str) -> Option<(usize, &'static str)> {
    let signs = ["@", "%40"].into_iter();
    signs
        .filter_map(|sign| Some((text.find(sign)?, sign)))
        .min_by_key(|(at, _)| *at)
}

/// What stands before an `@`, with the part that belongs to the address masked.
fn without_local_part(before: &str) -> String {
    let begin = local_part(before);
    let (kept, local) = before.split_at(begin);
    match local.is_empty() {
        true => kept.to_owned(),
        false => kept.to_owned() + &first_of(local),
    }
}

/// Where the part before an `@` begins.
fn local_part(before: &str) -> usize {
    // Messages quote what a cell holds: all of it is the address, with blanks and whatever else.
    if before.matches('`').count() % 2 == 1 {
        return before.rfind('`').map_or(0, |tick| tick + 1);
    }
    if let Some(quoted) = before.strip_suffix('"') {
        return quoted.rfind('"').unwrap_or(0);
    }
    let bound = |one: char| one.is_whitespace() || BOUNDS.contains(&one) || one == '@';
    before
        .char_indices()
        .rev()
        .find(|(_, one)| bound(*one))
        .map_or(0, |(at, one)| at + one.len_utf8())
}

/// The quotes that a text begins with, its first letter, and no more.
fn first_of(text: &str) -> String {
    let letter = text.find(char::is_alphanumeric);
    let shown = letter.and_then(|at| text[at..].chars().next());
    let quotes = text.chars().take_while(|one| "'’‘\"".contains(*one));
    quotes.chain(shown).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_masked_wherever_they_stand() {
        for (text, expected) in [
            ("alice@example.com", "a…@example.com"),
            ("a@b.c, bob.smith+x@b.c;", "a…@b.c, b…@b.c;"),
            (
                "<Bob@b.c> and mailto:o'brien@b.c",
                "<B…@b.c> and mailto:o…@b.c",
            ),
            ("'bob@b.c'", "'b…@b.c'"),
            ("{\"email\":\"bob@b.c\"}", "{\"email\":\"b…@b.c\"}"),
            ("\"bob smith\"@b.c", "\"b…@b.c"),
            (
                "`bob smith@b.c` is no email address",
                "`b…@b.c` is no email address",
            ),
            ("`x` and bob@b.c", "`x` and b…@b.c"),
            ("/users?email=bob%40b.c&x=1", "/users?email=b…%40b.c&x=1"),
            ("jürgen@müller.de", "j…@müller.de"),
            ("one@two@three", "o…@t…@three"),
            ("@acme 5 @ 3", "@acme 5 @ 3"),
            ("nobody", "nobody"),
        ] {
            assert_eq!(masked(text), expected);
        }
        assert_eq!(masked_address("nobody at home"), "n…");
        assert_eq!(masked_address("no body@b.c"), "n…@b.c");
    }
}
