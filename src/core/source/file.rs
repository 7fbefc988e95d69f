//! Owns the source that is a file, or standard input: what is told from its beginning, its batches, its rewinding.

use std::collections::VecDeque;
use std::io;

use zeroize::Zeroizing;

use super::delimited::DelimitedReader;
use super::ndjson::NdjsonReader;
use super::open::Origin;
use super::window::Window;
use super::{
    Broken, BrokenKind, Dialect, Format, Record, RecordBuilder, Source, SourceError, decode, sniff,
};

/// How many records are read before a file is taken or refused.
const FIRST_RECORDS: usize = 1_000;
/// A batch, and the first records, end early when their texts are longer than this.
const BATCH_BYTES: usize = 4 << 20;

pub(super) enum Reader {
    Delimited(DelimitedReader),
    Ndjson(NdjsonReader),
}

impl Reader {
    fn next_record(&mut self) -> io::Result<Option<Record>> {
        match self {
            Self::Delimited(reader) => reader.next_record(),
            Self::Ndjson(reader) => reader.next_record(),
        }
    }

    pub(super) fn columns(&self) -> &[String] {
        match self {
            Self::Delimited(reader) => &reader.columns,
            Self::Ndjson(reader) => reader.builder.columns(),
        }
    }

    pub(super) fn dialect(&self, encoding: &'static str) -> Dialect {
        match self {
            Self::Delimited(reader) => Dialect::Delimited {
                delimiter: reader.delimiter,
                encoding,
            },
            Self::Ndjson(_) => Dialect::Ndjson { encoding },
        }
    }

    fn take_sample(&mut self) -> Zeroizing<Vec<u8>> {
        match self {
            Self::Delimited(reader) => std::mem::take(&mut reader.sample),
            Self::Ndjson(reader) => std::mem::take(&mut reader.sample),
        }
    }
}

pub(super) struct FileSource {
    origin: Origin,
    path: String,
    format: Format,
    chunk: usize,
    encoding: &'static str,
    reader: Reader,
    /// Records that were read to judge the file.
    ahead: VecDeque<Record>,
    warnings: Vec<String>,
}

impl FileSource {
    pub fn open(
        mut origin: Origin,
        path: &str,
        format: &Format,
        chunk: usize,
    ) -> Result<Self, SourceError> {
        if let Some(delimiter) = format.delimiter {
            check_delimiter(delimiter)?;
        }
        let (reader, encoding) = start(&mut origin, path, format, chunk, None)?;
        let mut source = Self {
            origin,
            path: path.to_owned(),
            format: format.clone(),
            chunk,
            encoding,
            reader,
            ahead: VecDeque::new(),
            warnings: Vec::new(),
        };
        source.judge()?;
        Ok(source)
    }

    /// Reads the first records and refuses the file if they say that it is something else.
    fn judge(&mut self) -> Result<(), SourceError> {
        self.ahead = self.read(FIRST_RECORDS)?.into();
        let path = || self.path.clone();
        if let Some(name) = first_duplicate(self.reader.columns()) {
            return Err(SourceError::DuplicateColumn { path: path(), name });
        }
        if let Some(what) = sniff::own_output(self.reader.columns()) {
            let name = self.path.rsplit(['/', '\\']).next().unwrap_or_default();
            return Err(SourceError::NotUsers {
                path: name.to_owned(),
                what,
            });
        }
        let is_ndjson = matches!(self.reader, Reader::Ndjson(_));
        if is_ndjson && self.ahead.is_empty() {
            return Err(SourceError::Empty { path: path() });
        }
        let undecodable = self.ahead.iter().filter(|record| is_undecodable(record));
        let (undecodable, total) = (undecodable.count(), self.ahead.len());
        if undecodable == 0 || self.format.encoding.is_some() {
            return Ok(());
        }
        let guess = sniff::guess_encoding(&self.reader.take_sample());
        if undecodable * 2 > total {
            return Err(SourceError::NotUtf8 {
                path: path(),
                guess,
            });
        }
        self.warnings.push(format!(
            "{undecodable} of the first {total} records are not UTF-8 and will fail. If the whole file is in another \
             encoding, use --encoding {}",
            guess.unwrap_or("windows-1252").to_ascii_lowercase()
        ));
        Ok(())
    }

    fn read(&mut self, max: usize) -> Result<Vec<Record>, SourceError> {
        let mut records = Vec::with_capacity(max.min(FIRST_RECORDS));
        let mut bytes = 0;
        while records.len() < max && bytes < BATCH_BYTES {
            let record = self
                .reader
                .next_record()
                .map_err(|reason| SourceError::Unreadable {
                    path: self.path.clone(),
                    reason,
                })?;
            let Some(record) = record else { break };
            bytes += text_length(&record);
            records.push(record);
        }
        Ok(records)
    }
}

impl Source for FileSource {
    fn columns(&self) -> &[String] {
        self.reader.columns()
    }

    fn columns_grow(&self) -> bool {
        matches!(self.reader, Reader::Ndjson(_))
    }

    fn next_batch(&mut self, max: usize) -> Result<Vec<Record>, SourceError> {
        if self.ahead.is_empty() {
            return self.read(max);
        }
        let count = max.min(self.ahead.len());
        Ok(self.ahead.drain(..count).collect())
    }

    fn rewind(&mut self) -> Result<bool, SourceError> {
        if matches!(self.origin, Origin::Once(_)) {
            return Ok(false);
        }
        let known = match &self.reader {
            Reader::Ndjson(reader) => {
                let mut builder = reader.builder.clone();
                builder.rewind();
                Some(builder)
            }
            Reader::Delimited(_) => None,
        };
        let (reader, _) = start(
            &mut self.origin,
            &self.path,
            &self.format,
            self.chunk,
            known,
        )?;
        if reader.columns() != self.reader.columns() {
            return Err(SourceError::Changed {
                path: self.path.clone(),
            });
        }
        self.reader = reader;
        self.ahead.clear();
        Ok(true)
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn dialect(&self) -> Dialect {
        self.reader.dialect(self.encoding)
    }
}

/// Opens the bytes, looks at the first of them, and makes the reader for them.
pub(super) fn start(
    origin: &mut Origin,
    path: &str,
    format: &Format,
    chunk: usize,
    known: Option<RecordBuilder>,
) -> Result<(Reader, &'static str), SourceError> {
    let unreadable = |reason| SourceError::Unreadable {
        path: path.to_owned(),
        reason,
    };
    let mut input = origin
        .reader()
        .map_err(unreadable)?
        .ok_or_else(|| unreadable(io::ErrorKind::UnexpectedEof.into()))?;
    let encoding = match &format.encoding {
        Some(label) => decode::named(label)?,
        None => None,
    };
    if let Some(encoding) = encoding {
        input = Box::new(decode::Decoding::new(input, encoding));
    }
    let mut window = Window::new(input, chunk);
    while !window.ended() && window.bytes().len() < 4 << 10 {
        window.fill().map_err(unreadable)?;
        // A terminal or a slow pipe is not waited for longer than for a line.
        if window.bytes().len() > 3 && window.bytes().contains(&b'\n') {
            break;
        }
    }
    if window.bytes().starts_with(b"\xef\xbb\xbf") {
        window.consume(3);
    }
    let first = window.bytes();
    sniff::refuse(first, path)?;
    if first.trim_ascii().is_empty() && window.ended() {
        return Err(SourceError::Empty {
            path: path.to_owned(),
        });
    }
    let begins_like_json = matches!(first.trim_ascii_start().first(), Some(b'{' | b'['));
    let reader = match sniff::ending(path).as_str() {
        "ndjson" | "jsonl" => Reader::Ndjson(NdjsonReader::new(window, known.unwrap_or_default())),
        "" if begins_like_json => {
            Reader::Ndjson(NdjsonReader::new(window, known.unwrap_or_default()))
        }
        _ if begins_like_json => {
            return Err(SourceError::Json {
                path: path.to_owned(),
            });
        }
        _ => Reader::Delimited(DelimitedReader::open(window, format.delimiter, path)?),
    };
    Ok((reader, encoding.unwrap_or(encoding_rs::UTF_8).name()))
}

fn check_delimiter(delimiter: u8) -> Result<(), SourceError> {
    let is_control = delimiter.is_ascii_control() && delimiter != b'\t';
    if !delimiter.is_ascii() || delimiter.is_ascii_alphanumeric() || is_control || delimiter == b'"'
    {
        return Err(SourceError::Delimiter);
    }
    Ok(())
}

/// The same name twice, as it is written; names that only mean the same are the row's to find.
fn first_duplicate(columns: &[String]) -> Option<String> {
    let mut seen = std::collections::HashSet::new();
    let duplicate = columns
        .iter()
        .find(|name| !name.is_empty() && !seen.insert(name.as_str()));
    duplicate.cloned()
}

fn is_undecodable(record: &Record) -> bool {
    matches!(
        &record.content,
        Err(Broken {
            kind: BrokenKind::InvalidByte,
            ..
        })
    )
}

fn text_length(record: &Record) -> usize {
    match &record.content {
        Ok(cells) => cells.text_length(),
        Err(_) => 0,
    }
}
