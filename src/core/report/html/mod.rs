//! Owns the report on a run that people look at: one HTML file that needs nothing else, no network and no script. Charts
//! are drawn when it is written, so that it looks the same in a mail, on a build server and on paper.

mod charts;
mod palette;
mod redact;
mod words;

use minijinja::{Environment, UndefinedBehavior, context};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use redact::masked;

/// A report could not be drawn.
#[derive(Debug, thiserror::Error)]
pub enum HtmlError {
    #[error("the report cannot be drawn: {0}")]
    Chart(String),
    #[error("the report cannot be written: {0}")]
    Page(#[from] minijinja::Error),
    #[error("the report cannot be masked: {0}")]
    Masking(#[from] serde_json::Error),
}

/// What a report shows. Nothing in it is a secret; with [`Report::redacted`] no email address is whole.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    pub run_id: String,
    /// The name that the caller gave to the run.
    pub run_name: Option<String>,
    /// As the run's summary has it.
    pub status: String,
    /// The path that was imported; `-` for standard input, `rows` for rows of a program.
    pub source: String,
    /// `workos` or `sandbox`.
    pub target: String,
    pub mode: String,
    pub counts: Counts,
    pub started_at: String,
    pub ended_at: Option<String>,
    pub duration_seconds: f64,
    pub waits: Waits,
    /// The most frequent first.
    pub causes: Vec<Cause>,
    /// Of the causes that are not among them: how many, and how many rows.
    pub more_causes: Rest,
    /// `None` where nothing has ended yet.
    pub throughput: Option<Throughput>,
    /// The largest first.
    pub organizations: Vec<Organization>,
    pub more_organizations: Rest,
    /// Rows that reached no organization, where rows have any.
    pub rows_without_organization: u64,
    /// Calls by name, and how many.
    pub calls: Vec<(String, u64)>,
    /// Name and value.
    pub settings: Vec<(String, String)>,
    pub attempts: Vec<Attempt>,
    pub receipt: Option<Receipt>,
    /// What undoing the run did, in words and numbers.
    pub undone: Vec<(String, u64)>,
    pub reproduction: Reproduction,
    /// Email addresses are masked.
    pub redacted: bool,
    pub version: String,
    pub written_at: String,
}

/// Counts of rows, unless they say otherwise.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Counts {
    pub total: u64,
    pub imported: u64,
    pub created: u64,
    pub updated: u64,
    pub unchanged: u64,
    pub failed: u64,
    pub pending: u64,
    pub inferred: u64,
    pub warnings: u64,
    /// Users who differ from their row and were left as they are.
    pub differing: u64,
    pub users_deleted: u64,
    pub memberships_created: u64,
    pub organizations_created: u64,
}

/// What held a run up, in all.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Waits {
    pub turned_away: u64,
    pub pauses: u64,
    pub paused_seconds: f64,
    pub away_seconds: f64,
}

/// Rows that failed alike.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Cause {
    pub code: String,
    pub error_type: String,
    pub count: u64,
    pub retry_helps: bool,
    pub remedy: String,
    pub examples: Vec<Example>,
}

/// One of the rows that failed alike.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Example {
    pub record_number: u64,
    pub line: Option<u64>,
    pub email: Option<String>,
    pub message: String,
    pub http_status: Option<u16>,
    pub request_id: Option<String>,
}

/// What is left of a list whose beginning is shown.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Rest {
    pub count: u64,
    pub rows: u64,
    pub failed: u64,
}

/// How fast it went. Times are seconds since the first moment; spans in which nobody worked on the run are cut out.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Throughput {
    /// The length of a bucket.
    pub width: f64,
    /// All buckets in order; those in which nothing happened are there too.
    pub buckets: Vec<Bucket>,
    /// What was kept of the write limit: from, until, requests in a second.
    pub limits: Vec<(f64, f64, f64)>,
    /// The limit's own period, where it is one for the whole run.
    pub limit_period: Option<f64>,
    /// Calls paused after a 429.
    pub paused: Vec<(f64, f64)>,
    /// The API was away.
    pub away: Vec<(f64, f64)>,
    /// Where spans were cut out, and how long they were.
    pub cuts: Vec<(f64, f64)>,
}

/// What happened in one bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    /// Milliseconds since 1970, UTC.
    pub at: i64,
    pub writes: u64,
    pub rows: u64,
    pub failed: u64,
}

/// An organization, and how its rows ended.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Organization {
    pub name: String,
    pub id: Option<String>,
    pub rows: u64,
    pub created: u64,
    pub updated: u64,
    pub unchanged: u64,
    pub failed: u64,
}

/// One attempt at the run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Attempt {
    pub began_at: String,
    pub version: String,
    pub live: bool,
    /// What was kept of the write limit, in words.
    pub limit: String,
}

/// What `verify` found, as its receipt says.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Receipt {
    pub ok: bool,
    pub verified_at: String,
    pub rows: u64,
    pub counts: Vec<(String, u64)>,
    pub extra_memberships: Option<u64>,
    pub is_sample: bool,
    pub environment: String,
    pub source: String,
    pub source_sha256: Option<String>,
    pub directory_sha256: String,
    pub directory_objects: u64,
    /// What does not fit this run, if anything.
    pub remark: Option<String>,
}

/// How somebody else gets the same.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Reproduction {
    /// `None` for rows of a program.
    pub command: Option<String>,
    /// Of the file as it is now, if it is still what was imported.
    pub sha256: Option<String>,
    /// Why there is no digest.
    pub remark: Option<String>,
}

impl Report {
    /// The same without whole email addresses, wherever they are.
    ///
    /// # Errors
    /// Only if its parts were not plain values.
    pub fn redacted(mut self) -> Result<Self, HtmlError> {
        for cause in &mut self.causes {
            for example in &mut cause.examples {
                example.mask_own_address();
            }
        }
        let mut value = serde_json::to_value(&self)?;
        mask(&mut value);
        let mut masked: Self = serde_json::from_value(value)?;
        masked.redacted = true;
        Ok(masked)
    }

    /// The page.
    ///
    /// # Errors
    /// When it cannot be drawn: a defect of ours.
    pub fn to_html(&self) -> Result<String, HtmlError> {
        let mut environment = Environment::new();
        // A misspelt name is a defect that every test sees.
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.add_filter("number", words::number);
        environment.add_filter("duration", words::duration);
        environment.add_filter("code", words::code);
        environment.add_filter("share", words::share);
        environment.add_filter("stage", words::stage);
        environment.add_filter("rate", words::rate);
        environment.add_filter("moment", words::moment);
        // Its ending says that everything is escaped that is not marked safe; only what we draw is.
        environment.add_template("report.html", include_str!("report.html"))?;
        let page = environment.get_template("report.html")?;
        let drawn = charts::of(self)?;
        Ok(page.render(context! {
            report => self,
            drawn => drawn,
            colours => palette::css(),
            style => include_str!("report.css"),
            tone => words::tone(&self.status),
            sentence => words::sentence(self),
            source => words::source(&self.source),
            held_up => words::held_up(&self.waits),
            table => self.throughput.as_ref().map(words::table),
        })?)
    }
}

impl Example {
    /// Masks what stands for the row's email address, also where it is none, in the message too.
    fn mask_own_address(&mut self) {
        let Some(email) = self.email.take().filter(|email| !email.is_empty()) else {
            return;
        };
        let shown = redact::masked_address(&email);
        self.message = self.message.replace(&email, &shown);
        self.email = Some(shown);
    }
}

fn mask(value: &mut Value) {
    match value {
        Value::String(text) => *text = masked(text),
        Value::Array(values) => values.iter_mut().for_each(mask),
        Value::Object(parts) => parts.values_mut().for_each(mask),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
