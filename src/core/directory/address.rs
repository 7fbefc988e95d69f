//! Owns how paths and queries are written.

use url::form_urlencoded;

/// A part of a path.
pub(crate) fn segment(text: &str) -> String {
    // Form encoding writes a space as `+`, which a path would keep as it is.
    form_urlencoded::byte_serialize(text.as_bytes())
        .collect::<String>()
        .replace('+', "%20")
}

/// A query, without its `?`.
pub(crate) fn query(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}
