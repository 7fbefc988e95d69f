//! Owns rules of the caller's own: how a record looks to them, and how what they say joins what our rules say.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Debug;

use serde_json::{Map, Value};

use super::columns::Columns;
use super::field::Field;
use super::interpret::{Interpreted, Rejected};
use super::issue::{Issue, Severity};
use super::secrecy::may_hold_secrets;
use super::{IssueCode, Row};
use crate::source::{CellView, Record};

/// What rules see in place of a cell that may be a secret: that there is one.
const HIDDEN: &str = "[hidden]";

/// A record as rules see it.
#[derive(Clone, Debug, PartialEq)]
pub struct SeenRow {
    pub record_number: u64,
    /// Known columns under their own names, others under those of the source. Texts are trimmed, blank cells are null.
    pub values: Map<String, Value>,
}

/// One thing that a rule says of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    pub record_number: u64,
    pub severity: Severity,
    pub code: IssueCode,
    /// One of our names for it, or the source's.
    pub column: Option<String>,
    pub message: String,
}

/// The caller's own rules. They are asked in the order of the source, and more than once for a record if the source is
/// read more than once.
pub trait OwnRules: Debug + Send + Sync {
    /// What they say of these records. May block.
    ///
    /// # Errors
    /// When a rule fails: reading the source ends.
    fn judge(&self, rows: Vec<SeenRow>) -> Result<Vec<Remark>, String>;
}

/// What rules have said of some records.
#[derive(Debug, Default)]
pub struct Judged(HashMap<u64, Vec<Remark>>);

impl Judged {
    /// By record, each in the order in which it was said.
    pub fn new(remarks: Vec<Remark>) -> Self {
        let mut by_record: HashMap<u64, Vec<Remark>> = HashMap::new();
        for remark in remarks {
            let of_record = by_record.entry(remark.record_number).or_default();
            of_record.push(remark);
        }
        Self(by_record)
    }

    /// Adds what was said of a record to what it means: an error refuses it, as one of ours does.
    pub fn add_to(&mut self, interpreted: Interpreted, columns: &Columns) -> Interpreted {
        // Most records have nothing said of them, and most imports no rules.
        if self.0.is_empty() {
            return interpreted;
        }
        let number = interpreted.identity().record_number;
        match self.0.remove(&number) {
            Some(remarks) => added(interpreted, remarks, columns),
            None => interpreted,
        }
    }
}

fn added(interpreted: Interpreted, remarks: Vec<Remark>, columns: &Columns) -> Interpreted {
    let Interpreted { row, mut warnings } = interpreted;
    let (identity, steps, mut issues) = match row {
        Ok(Row { identity, steps }) => (identity, steps, Vec::new()),
        Err(Rejected { identity, issues }) => (identity, Vec::new(), issues),
    };
    for remark in remarks {
        let issue = Issue {
            severity: remark.severity,
            code: remark.code,
            record_number: Some(identity.record_number),
            record_id: identity.record_id().map(Cow::into_owned),
            line: identity.line,
            column: remark.column.map(|name| as_written(name, columns)),
            message: remark.message,
        };
        match remark.severity {
            Severity::Error => issues.push(issue),
            Severity::Warning => warnings.push(issue),
        }
    }
    let row = match issues.is_empty() {
        true => Ok(Row { identity, steps }),
        false => Err(Rejected { identity, issues }),
    };
    Interpreted { row, warnings }
}

/// The column's name as the user wrote it, as in all other issues.
fn as_written(name: String, columns: &Columns) -> String {
    let field = Field::ALL.into_iter().find(|field| field.as_str() == name);
    field
        .and_then(|field| columns.name_of(field))
        .unwrap_or(name)
}

/// The records as rules see them; broken ones, which have no cells, are left out.
pub fn seen(columns: &Columns, records: &[Record]) -> Vec<SeenRow> {
    let shown: Vec<(String, bool)> = columns
        .names()
        .iter()
        .enumerate()
        .map(|(position, name)| {
            let mut fields = Field::ALL.into_iter();
            match fields.find(|field| columns.position(*field) == Some(position)) {
                Some(field) => (field.as_str().to_owned(), field.is_secret()),
                // Also a second column of one meaning: its name says what it holds.
                None => (name.clone(), may_hold_secrets(name, &[])),
            }
        })
        .collect();
    let rows = records.iter().filter_map(|record| {
        let cells = record.content.as_ref().ok()?;
        let values = shown.iter().enumerate().map(|(position, (name, hidden))| {
            let value = match cells.get(position) {
                cell if cell.is_blank() => Value::Null,
                _ if *hidden => Value::from(HIDDEN),
                CellView::Text(text) => Value::from(text.trim()),
                cell => cell.to_json(),
            };
            (name.clone(), value)
        });
        Some(SeenRow {
            record_number: record.number,
            values: values.collect(),
        })
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::{Mode, Rules, interpret};
    use crate::source::{Format, open_reader};

    const TEXT: &str = "E-Mail,Password,first_name,Team,api_token\n\
                        a@b.c,hunter2-hunter2, Ada ,blue,t-1\n\
                        d@e.f,,,,\n\
                        g@h.i,\"x\"y,,,\n\
                        nobody,,Eve,red,\n";

    fn read() -> (Columns, Vec<Record>) {
        let reader = Box::new(TEXT.as_bytes());
        let mut source = open_reader("users.csv", reader, &Format::default()).unwrap();
        let columns = Columns::resolve(source.columns(), &[]).unwrap();
        let records = source.next_batch(10).unwrap();
        (columns, records)
    }

    #[test]
    fn rules_see_our_names_and_no_secret() {
        let (columns, records) = read();
        let rows = seen(&columns, &records);
        let numbers: Vec<u64> = rows.iter().map(|row| row.record_number).collect();
        assert_eq!(numbers, [1, 2, 4]);
        let first = serde_json::to_value(&rows[0].values).unwrap();
        let expected = serde_json::json!({
            "email": "a@b.c", "password": "[hidden]", "first_name": "Ada", "Team": "blue", "api_token": "[hidden]",
        });
        assert_eq!(first, expected);
        let second = serde_json::to_value(&rows[1].values).unwrap();
        let expected = serde_json::json!({
            "email": "d@e.f", "password": null, "first_name": null, "Team": null, "api_token": null,
        });
        assert_eq!(second, expected);
    }

    #[test]
    fn what_rules_say_is_said_as_ours_is() {
        let (columns, records) = read();
        let remark = |record_number, severity, column: &str| Remark {
            record_number,
            severity,
            code: IssueCode::own("wrong_team").unwrap(),
            column: Some(column.into()),
            message: "no such team".into(),
        };
        let mut remarks = Judged::new(vec![
            remark(1, Severity::Error, "email"),
            remark(2, Severity::Warning, "Team"),
            remark(4, Severity::Error, "Team"),
        ]);
        let found: Vec<(bool, Vec<String>)> = records
            .into_iter()
            .map(|record| {
                let meant = interpret(&columns, &Mode::UserOnly, record, &Rules::default());
                let Interpreted { row, warnings } = remarks.add_to(meant, &columns);
                let is_valid = row.is_ok();
                let errors = row.err().map(|rejected| rejected.issues);
                let issues = errors.into_iter().flatten().chain(warnings);
                let said = issues.map(|issue| format!("{} {issue}", issue.code.as_str()));
                (is_valid, said.collect())
            })
            .collect();
        assert_eq!(
            found[0],
            (
                false,
                vec!["wrong_team record 1 (line 2), column E-Mail: no such team".into()]
            )
        );
        assert_eq!(
            found[1],
            (
                true,
                vec!["wrong_team record 2 (line 3), column Team: no such team".into()]
            )
        );
        assert_eq!(found[2].1.len(), 1);
        assert!(found[3].1[0].starts_with("invalid_email") && found[3].1[1].starts_with("wrong"));
    }
}
