//! Owns "did you mean": which known name is close to one that is not known.

/// The candidate nearest to `name`, if one is near enough to be meant. Both are compared as they are given.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let allowed = match name.chars().count() {
        0..=3 => 1,
        4..=7 => 2,
        _ => 3,
    };
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= allowed && *distance < candidate.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn typos_are_near_and_other_words_are_not() {
        let known = ["email", "password", "firstname"];
        assert_eq!(nearest("passwrd", known), Some("password"));
        assert_eq!(nearest("emial", known), Some("email"));
        assert_eq!(nearest("phone", known), None);
        assert_eq!(nearest("department", known), None);
    }
}
