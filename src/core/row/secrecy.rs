//! Owns the guess which of somebody's columns hold secrets, for warnings about files that have all of them.

use super::columns::{fold, same_column};
use super::field::Field;

/// What the names of such columns have in them, misspelt ones and those of other systems too.
const WORDS: [&str; 5] = ["passw", "pwd", "hash", "secret", "token"];

/// Whether the cells of a column may be secrets: by its meaning for an import, or by its name.
pub fn may_hold_secrets(name: &str, mapping: &[(String, String)]) -> bool {
    let mapped = mapping.iter().find(|(from, _)| same_column(name, from));
    let field = Field::named(mapped.map_or(name, |(_, to)| to));
    let folded = fold(name);
    field.is_some_and(Field::is_secret) || WORDS.iter().any(|word| folded.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_told_by_meaning_and_by_name() {
        let mapping = [("Kennung".to_owned(), "password".to_owned())];
        for name in ["Password", "kennung", "passwrd", "pwd", "API token"] {
            assert!(may_hold_secrets(name, &mapping), "{name}");
        }
        for name in ["email", "first_name", "metadata", "passport"] {
            assert!(!may_hold_secrets(name, &mapping), "{name}");
        }
    }
}
