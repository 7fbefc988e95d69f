//! Owns the bytes of a file as they are written, in step with its decoded text: what is given back to its owner is
//! copied from here, and never encoded a second time.

use std::io::{self, Read, Write};

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8};

use super::window::{CHUNK, Window};

/// Why bytes could not be copied.
pub(super) enum CopyError {
    Read(io::Error),
    Write(io::Error),
}

/// Where the copied bytes go; nowhere if they are left out.
pub(super) type Into<'sink> = Option<&'sink mut dyn Write>;

/// A file's bytes, from behind its byte order mark.
pub(super) struct RawText {
    window: Window,
    mark: Vec<u8>,
    written: &'static Encoding,
    /// The reader of the text decodes it; else a byte is a byte, whatever it is.
    decoded: bool,
}

impl RawText {
    /// `encoding` is the one that the text is decoded from, if it is; a byte order mark wins over it.
    pub fn open(
        input: Box<dyn Read + Send>,
        encoding: Option<&'static Encoding>,
    ) -> io::Result<Self> {
        let mut window = Window::new(input, CHUNK);
        while !window.ended() && window.bytes().len() < 3 {
            window.fill()?;
        }
        let found = Encoding::for_bom(window.bytes());
        let (written, length) = found
            .filter(|(found, _)| encoding.is_some() || *found == UTF_8)
            .unwrap_or((encoding.unwrap_or(UTF_8), 0));
        let mark = window.bytes()[..length].to_vec();
        window.consume(length);
        Ok(Self {
            window,
            mark,
            written,
            decoded: encoding.is_some(),
        })
    }

    /// The byte order mark; empty if there is none.
    pub fn mark(&self) -> &[u8] {
        &self.mark
    }

    /// The encoding that the file is written in.
    pub fn written(&self) -> &'static Encoding {
        self.written
    }

    /// Passes over so many bytes of the decoded text; returns how many line ends were among them.
    pub fn pass(&mut self, text: usize, mut into: Into) -> Result<u64, CopyError> {
        let mut decoder = self.decoded.then(|| self.decoder());
        let (mut left, mut lines) = (text, 0);
        while left > 0 {
            let bytes = self.window.bytes();
            if bytes.is_empty() {
                if self.window.ended() {
                    break;
                }
                self.window.fill().map_err(CopyError::Read)?;
                continue;
            }
            let (count, length, ends) = match &mut decoder {
                Some(decoder) => {
                    let (length, ends) = decode(decoder, bytes[0]);
                    (1, length, ends)
                }
                None => {
                    let count = left.min(bytes.len());
                    let ends = bytes[..count].iter().filter(|byte| **byte == b'\n');
                    (count, count, ends.count())
                }
            };
            if let Some(into) = &mut into {
                into.write_all(&bytes[..count]).map_err(CopyError::Write)?;
            }
            self.window.consume(count);
            left = left.saturating_sub(length);
            lines += ends as u64;
        }
        Ok(lines)
    }

    /// Passes over everything up to and including the next line end of the decoded text, however much that is.
    pub fn pass_line(&mut self, mut into: Into) -> Result<(), CopyError> {
        // In most encodings no other character has the byte of a line end in it.
        let mut decoder = (!self.written.is_ascii_compatible()).then(|| self.decoder());
        loop {
            let bytes = self.window.bytes();
            if bytes.is_empty() {
                if self.window.ended() {
                    return Ok(());
                }
                self.window.fill().map_err(CopyError::Read)?;
                continue;
            }
            let end = match &mut decoder {
                Some(decoder) => bytes.iter().position(|byte| decode(decoder, *byte).1 > 0),
                None => bytes.iter().position(|byte| *byte == b'\n'),
            };
            let count = end.map_or(bytes.len(), |end| end + 1);
            if let Some(into) = &mut into {
                into.write_all(&bytes[..count]).map_err(CopyError::Write)?;
            }
            self.window.consume(count);
            if end.is_some() {
                return Ok(());
            }
        }
    }

    /// Encodings with states are in their first one wherever a line, or the text after a delimiter, begins.
    fn decoder(&self) -> Decoder {
        self.written.new_decoder_without_bom_handling()
    }
}

/// How much text a byte completes, counted as `decode::Decoding` gives it out, and how many line ends.
fn decode(decoder: &mut Decoder, byte: u8) -> (usize, usize) {
    let mut output = [0; 64];
    let mut input = &[byte][..];
    let (mut length, mut ends) = (0, 0);
    loop {
        let (result, read, written) =
            decoder.decode_to_utf8_without_replacement(input, &mut output, false);
        input = &input[read..];
        length += written;
        ends += output[..written]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        match result {
            DecoderResult::InputEmpty => return (length, ends),
            DecoderResult::Malformed(..) => length += 1,
            DecoderResult::OutputFull => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(bytes: &[u8], label: Option<&str>) -> RawText {
        let encoding = label.map(|label| Encoding::for_label(label.as_bytes()).unwrap());
        let reader = Box::new(io::Cursor::new(bytes.to_vec()));
        RawText::open(reader, encoding).unwrap_or_else(|_| panic!("cannot be opened"))
    }

    fn lines(raw: &mut RawText, count: usize) -> Vec<Vec<u8>> {
        let line = |_| {
            let mut line = Vec::new();
            assert!(raw.pass_line(Some(&mut line)).is_ok());
            line
        };
        (0..count).map(line).collect()
    }

    #[test]
    fn lines_are_those_of_the_text() {
        let mut raw = opened(b"\xef\xbb\xbfa\r\nb\xff\n\nc", None);
        assert_eq!(raw.mark(), b"\xef\xbb\xbf");
        let expected: [&[u8]; 5] = [b"a\r\n", b"b\xff\n", b"\n", b"c", b""];
        assert_eq!(lines(&mut raw, 5), expected);
        // U+0A0A and U+010A have the byte of a line end in them, and are none.
        let wide: Vec<u8> = "\u{feff}\u{a0a}\u{10a}\nb\n"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let mut raw = opened(&wide, Some("utf-16le"));
        assert_eq!(raw.mark(), b"\xff\xfe");
        assert_eq!(lines(&mut raw, 2), [&wide[2..8], &wide[8..]]);
        // In the middle of two-byte text a line end is none.
        let mut raw = opened(b"\x1b$B$\"\n$\"\x1b(B\nb\n", Some("iso-2022-jp"));
        let expected: [&[u8]; 2] = [b"\x1b$B$\"\n$\"\x1b(B\n", b"b\n"];
        assert_eq!(lines(&mut raw, 2), expected);
    }

    #[test]
    fn text_is_passed_over_by_its_decoded_length() {
        let passed = |label: Option<&str>, bytes: &[u8], text: &str| {
            let mut raw = opened(bytes, label);
            let mut into = Vec::new();
            let ends = raw.pass(text.len(), Some(&mut into)).ok();
            (into, ends, lines(&mut raw, 1).remove(0))
        };
        assert_eq!(
            passed(None, "ü\n,b".as_bytes(), "ü\n,"),
            ("ü\n,".as_bytes().to_vec(), Some(1), b"b".to_vec())
        );
        assert_eq!(
            passed(Some("windows-1252"), b"\xfc\x80,b", "ü€,"),
            (b"\xfc\x80,".to_vec(), Some(0), b"b".to_vec())
        );
        // What cannot be decoded is one byte of the text.
        assert_eq!(
            passed(Some("shift_jis"), b"\x82,\x82\xa0b", "?,あ"),
            (b"\x82,\x82\xa0".to_vec(), Some(0), b"b".to_vec())
        );
    }
}
