//! Owns the part of the input that is in memory: bytes are read at its end and consumed at its beginning.

use std::io::{self, Read};

use zeroize::Zeroizing;

/// How much one read asks for.
pub(super) const CHUNK: usize = 64 << 10;

pub(super) struct Window {
    input: Box<dyn Read + Send>,
    buffer: Zeroizing<Vec<u8>>,
    start: usize,
    end: usize,
    ended: bool,
    chunk: usize,
}

impl Window {
    pub fn new(input: Box<dyn Read + Send>, chunk: usize) -> Self {
        Self {
            input,
            buffer: Zeroizing::new(Vec::new()),
            start: 0,
            end: 0,
            ended: false,
            chunk,
        }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// True once the input has no more bytes than those in the window.
    pub fn ended(&self) -> bool {
        self.ended
    }

    pub fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
    }

    /// One read, so that a slow pipe is followed line by line.
    pub fn fill(&mut self) -> io::Result<()> {
        if self.buffer.len() - self.end < self.chunk {
            self.make_room();
        }
        loop {
            match self.input.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.ended = true,
                Ok(count) => self.end += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            return Ok(());
        }
    }

    fn make_room(&mut self) {
        let used = self.end - self.start;
        if self.buffer.len() >= used + self.chunk {
            self.buffer.copy_within(self.start..self.end, 0);
        } else {
            // A new buffer instead of a reallocation: the old one is wiped, it may hold passwords.
            let mut larger = Zeroizing::new(vec![0; (used + self.chunk).max(2 * used)]);
            larger[..used].copy_from_slice(&self.buffer[self.start..self.end]);
            self.buffer = larger;
        }
        self.start = 0;
        self.end = used;
    }

    /// Drops everything up to and including the next line break; false if the input ended first. Memory stays flat.
    pub fn skip_line(&mut self) -> io::Result<bool> {
        loop {
            if let Some(position) = self.bytes().iter().position(|byte| *byte == b'\n') {
                self.consume(position + 1);
                return Ok(true);
            }
            self.consume(usize::MAX - self.start);
            if self.ended {
                return Ok(false);
            }
            self.fill()?;
        }
    }
}
