//! Owns the change from other encodings to UTF-8 while a file is read.

use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult, Encoding};
use zeroize::Zeroizing;

use super::SourceError;

/// A byte that no UTF-8 text contains: it stands for what could not be decoded, so that the record it is in breaks
/// like any other with an invalid byte.
const NOT_DECODED: u8 = 0xFF;
const INPUT: usize = 16 << 10;

/// The encoding of that label; `None` for UTF-8, which needs no decoding.
pub(super) fn named(label: &str) -> Result<Option<&'static Encoding>, SourceError> {
    // "UTF-16" alone is little endian in the Encoding Standard, and a byte order mark wins.
    match Encoding::for_label(label.trim().as_bytes()) {
        Some(encoding) if encoding == encoding_rs::UTF_8 => Ok(None),
        Some(encoding) if encoding != encoding_rs::REPLACEMENT => Ok(Some(encoding)),
        _ => Err(SourceError::UnknownEncoding {
            name: label.chars().take(40).collect(),
        }),
    }
}

/// Reads another encoding as UTF-8.
pub(super) struct Decoding {
    inner: Box<dyn Read + Send>,
    decoder: Decoder,
    input: Zeroizing<Vec<u8>>,
    start: usize,
    end: usize,
    ended: bool,
    finished: bool,
    output: Zeroizing<Vec<u8>>,
    ready: usize,
    taken: usize,
}

impl Decoding {
    pub fn new(inner: Box<dyn Read + Send>, encoding: &'static Encoding) -> Self {
        Self {
            inner,
            decoder: encoding.new_decoder(),
            input: Zeroizing::new(vec![0; INPUT]),
            start: 0,
            end: 0,
            ended: false,
            finished: false,
            output: Zeroizing::new(vec![0; 4 * INPUT]),
            ready: 0,
            taken: 0,
        }
    }

    fn decode_more(&mut self) -> io::Result<()> {
        if self.start == self.end && !self.ended {
            self.start = 0;
            self.end = self.inner.read(&mut self.input)?;
            self.ended = self.end == 0;
        }
        // One byte is kept free for the mark of what could not be decoded.
        let room = self.output.len() - 1;
        let (result, read, written) = self.decoder.decode_to_utf8_without_replacement(
            &self.input[self.start..self.end],
            &mut self.output[..room],
            self.ended,
        );
        self.start += read;
        self.taken = 0;
        self.ready = written;
        match result {
            DecoderResult::Malformed(..) => {
                self.output[written] = NOT_DECODED;
                self.ready += 1;
            }
            DecoderResult::InputEmpty => self.finished = self.ended,
            DecoderResult::OutputFull => {}
        }
        Ok(())
    }
}

impl Read for Decoding {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.ready {
            if self.finished || buffer.is_empty() {
                return Ok(0);
            }
            self.decode_more()?;
        }
        let count = buffer.len().min(self.ready - self.taken);
        buffer[..count].copy_from_slice(&self.output[self.taken..self.taken + count]);
        self.taken += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(label: &str, bytes: &'static [u8]) -> Vec<u8> {
        let mut output = Vec::new();
        Decoding::new(Box::new(bytes), named(label).unwrap().unwrap())
            .read_to_end(&mut output)
            .unwrap();
        output
    }

    #[test]
    fn other_encodings_become_utf_8() {
        assert_eq!(
            decoded("windows-1252", b"J\xfcrgen,\x80"),
            "Jürgen,€".as_bytes()
        );
        assert_eq!(decoded("utf-16", b"\xff\xfea\0\xfc\0"), "aü".as_bytes());
        assert_eq!(decoded("shift_jis", b"\x82\xa0"), "あ".as_bytes());
    }

    #[test]
    fn what_cannot_be_decoded_is_marked() {
        assert_eq!(decoded("shift_jis", b"a\x82"), b"a\xff");
    }

    #[test]
    fn utf_8_needs_no_decoding_and_nonsense_is_refused() {
        assert!(named("UTF8").unwrap().is_none());
        assert_eq!(named("klingon").unwrap_err().kind(), "unknown_encoding");
    }
}
