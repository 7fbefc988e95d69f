//! Owns the source of a simulated run: a CSV text, read in small batches in the calling thread.

use std::io::Cursor;

use async_trait::async_trait;
use workos_importer_core::engine::{Claimed, ReadRow, Rows};
use workos_importer_core::journal::outcome::{ApiDetails, RowError};
use workos_importer_core::row::{
    Columns, Mode, OrganizationOptions, RowKind, Rules, fields_digest, interpret,
};
use workos_importer_core::source::{Format, Source, open_reader};

pub struct InlineRows {
    csv: String,
    source: Box<dyn Source>,
    columns: Columns,
    mode: Mode,
    can_rewind: bool,
    rules: Rules,
}

impl InlineRows {
    pub fn new(
        csv: &str,
        organization: &OrganizationOptions,
        can_rewind: bool,
        rules: Rules,
    ) -> Self {
        Self::about(RowKind::Users, csv, organization, can_rewind, rules)
    }

    /// Rows of a kind.
    pub fn about(
        kind: RowKind,
        csv: &str,
        organization: &OrganizationOptions,
        can_rewind: bool,
        rules: Rules,
    ) -> Self {
        let source = Self::open(csv);
        let columns = Columns::of(kind, (source.columns(), false), &[], None).unwrap();
        let (mode, _) = Mode::decide(organization, &columns).unwrap();
        Self {
            csv: csv.to_owned(),
            source,
            columns,
            mode,
            can_rewind,
            rules,
        }
    }

    pub fn mode(&self) -> &Mode {
        &self.mode
    }

    fn open(csv: &str) -> Box<dyn Source> {
        open_reader(
            "test.csv",
            Box::new(Cursor::new(csv.as_bytes().to_vec())),
            &Format::default(),
        )
        .unwrap()
    }
}

#[async_trait]
impl Rows for InlineRows {
    async fn next(&mut self) -> Result<Vec<ReadRow>, String> {
        // A small number without a common divisor, so that batches end in the middle of everything.
        let records = self
            .source
            .next_batch(7)
            .map_err(|error| error.to_string())?;
        let read = records.into_iter().map(|record| {
            let interpreted = interpret(&self.columns, &self.mode, record, &self.rules);
            match interpreted.row {
                Ok(row) => ReadRow::Claimed(Box::new(Claimed {
                    fields: row.user().map(|user| fields_digest(user, &[7; 32])),
                    identity: row.identity,
                    steps: row.steps,
                    subject: self.columns.kind().subject(),
                    digest: None,
                })),
                Err(rejected) => ReadRow::Invalid {
                    error: RowError {
                        error_type: "validation",
                        code: rejected.issues[0].code.as_str(),
                        message: rejected.issues[0].message.clone(),
                        api: ApiDetails::default(),
                    },
                    identity: Box::new(rejected.identity),
                    digest: None,
                },
            }
        });
        Ok(read.collect())
    }

    async fn rewind(&mut self) -> Result<bool, String> {
        self.source = Self::open(&self.csv);
        Ok(self.can_rewind)
    }

    fn can_rewind(&self) -> bool {
        self.can_rewind
    }
}
