//! Owns the issue: one thing that is wrong or odd, where it is, and what to do.

use std::fmt;

use super::IssueCode;
use super::columns::Columns;
use super::field::Field;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The row fails.
    Error,
    /// The row goes on.
    Warning,
}

impl Severity {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One thing that is wrong or odd. Its texts never contain a secret, nor a cell of a broken record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    pub severity: Severity,
    pub code: IssueCode,
    /// `None`: it is about the whole source.
    pub record_number: Option<u64>,
    /// What the caller calls the row, where a column was named that says so.
    pub record_id: Option<String>,
    pub line: Option<u64>,
    /// The column's name as the user wrote it.
    pub column: Option<String>,
    pub message: String,
}

impl Issue {
    /// A warning about the whole source.
    pub fn about_source(code: IssueCode, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            code,
            record_number: None,
            record_id: None,
            line: None,
            column: None,
            message: message.into(),
        }
    }
}

impl fmt::Display for Issue {
    /// `record 13 (line 14), column email: …`, `record 13 (id A-17): …`
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(number) = self.record_number {
            write!(formatter, "record {number}")?;
            let id = self
                .record_id
                .as_ref()
                .map(|id| format!("id {}", one_line(id)));
            let line = self.line.map(|line| format!("line {line}"));
            let more: Vec<String> = id.into_iter().chain(line).collect();
            if !more.is_empty() {
                write!(formatter, " ({})", more.join(", "))?;
            }
            if let Some(column) = &self.column {
                write!(formatter, ", column {column}")?;
            }
            formatter.write_str(": ")?;
        }
        formatter.write_str(&self.message)
    }
}

/// Collects the issues of one record.
pub(super) struct Notes<'columns> {
    columns: &'columns Columns,
    record_number: u64,
    line: Option<u64>,
    pub errors: Vec<Issue>,
    pub warnings: Vec<Issue>,
}

impl<'columns> Notes<'columns> {
    pub fn new(columns: &'columns Columns, record_number: u64, line: Option<u64>) -> Self {
        Self {
            columns,
            record_number,
            line,
            errors: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Says what the caller calls the record, in what was noted of it.
    pub fn call(&mut self, record_id: Option<&str>) {
        for issue in self.errors.iter_mut().chain(&mut self.warnings) {
            issue.record_id = record_id.map(str::to_owned);
        }
    }

    pub fn error(&mut self, code: IssueCode, field: Field, message: impl Into<String>) {
        let column = self.columns.name_of(field);
        let issue = self.issue(Severity::Error, code, column, message.into());
        self.errors.push(issue);
    }

    pub fn warning(&mut self, code: IssueCode, field: Field, message: impl Into<String>) {
        let column = self.columns.name_of(field);
        let issue = self.issue(Severity::Warning, code, column, message.into());
        self.warnings.push(issue);
    }

    /// An error about the column at a position, or about none.
    pub fn error_at(&mut self, code: IssueCode, position: Option<usize>, message: String) {
        let column = position.and_then(|position| self.columns.names().get(position).cloned());
        let issue = self.issue(Severity::Error, code, column, message);
        self.errors.push(issue);
    }

    /// Whether an error about the column at a position was noted.
    pub fn has_error_at(&self, position: usize) -> bool {
        let name = self.columns.names().get(position);
        name.is_some()
            && self
                .errors
                .iter()
                .any(|issue| issue.column.as_ref() == name)
    }

    fn issue(
        &self,
        severity: Severity,
        code: IssueCode,
        column: Option<String>,
        message: String,
    ) -> Issue {
        Issue {
            severity,
            code,
            record_number: Some(self.record_number),
            record_id: None,
            line: self.line,
            column,
            message,
        }
    }
}

/// A cell in a message: short, on one line, no control characters. For cells that are no secrets only.
pub(super) fn quoted(text: &str) -> String {
    format!("`{}`", one_line(text))
}

fn one_line(text: &str) -> String {
    let mut shown: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if text.chars().nth(60).is_some() {
        shown.push('…');
    }
    shown
}
