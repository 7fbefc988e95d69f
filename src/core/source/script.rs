//! Owns the writing of our own words in the encoding of somebody's file.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// An encoding to write in.
#[derive(Clone, Copy, Debug)]
pub struct Script(&'static Encoding);

impl Script {
    pub(super) fn new(encoding: &'static Encoding) -> Self {
        Self(encoding)
    }

    /// The text with plain ASCII in place of the letters that the encoding lacks.
    pub fn fit<'text>(&self, text: &'text str) -> Cow<'text, str> {
        if text.is_ascii() || self.has_all_letters() {
            return Cow::Borrowed(text);
        }
        let mut fitted = String::with_capacity(text.len());
        for letter in text.chars() {
            match self.has(letter) {
                true => fitted.push(letter),
                false => fitted.push_str(plain(letter)),
            }
        }
        Cow::Owned(fitted)
    }

    /// The bytes of a text that fits.
    pub fn bytes(&self, text: &str) -> Vec<u8> {
        if self.0 == UTF_16LE {
            text.encode_utf16().flat_map(u16::to_le_bytes).collect()
        } else if self.0 == UTF_16BE {
            text.encode_utf16().flat_map(u16::to_be_bytes).collect()
        } else {
            self.0.encode(text).0.into_owned()
        }
    }

    /// Whether every letter can be written.
    pub fn has_all_letters(&self) -> bool {
        [UTF_8, UTF_16LE, UTF_16BE].contains(&self.0)
    }

    fn has(&self, letter: char) -> bool {
        // An encoding with states must be in its first one where our words end.
        let is_simple = self.0.is_ascii_compatible();
        letter.is_ascii() || is_simple && !self.0.encode(letter.encode_utf8(&mut [0; 4])).2
    }
}

/// What stands for a letter in plain ASCII. Never a double quote: it may stand in a quoted cell.
fn plain(letter: char) -> &'static str {
    match letter {
        '…' => "...",
        '→' => "->",
        '‘' | '’' | '“' | '”' | '`' => "'",
        '–' | '—' | '·' => "-",
        '×' => "x",
        '\u{a0}' => " ",
        _ => "?",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(label: &str, text: &str) -> Vec<u8> {
        let script = Script::new(Encoding::for_label(label.as_bytes()).unwrap());
        script.bytes(&script.fit(text))
    }

    #[test]
    fn what_an_encoding_lacks_becomes_plain() {
        assert_eq!(
            written("windows-1252", "Jürgen → „あ“…"),
            b"J\xfcrgen -> \x84?\x93\x85"
        );
        assert_eq!(written("iso-8859-2", "“x”…"), b"'x'...");
        assert_eq!(written("iso-2022-jp", "あ,b"), b"?,b");
        assert_eq!(written("utf-8", "あ…"), "あ…".as_bytes());
        assert_eq!(written("utf-16be", "a€"), b"\0a\x20\xac");
    }
}
