//! Measures the journal alone: what the engine asks and notes for rows with a user and a membership, in an order in
//! which no key is next to its neighbour. Prints steps a second and bytes a row, on disk (`disk`) or in memory
//! (`memory`), for the given number of rows.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use serde_json::json;
use workos_importer_core::engine::Claimed;
use workos_importer_core::journal::outcome::{Effect, Evidence, Outcome, RowResult, StepResult};
use workos_importer_core::journal::{
    EndedRow, Journal, JournalError, Registration, Remembered, RunRecord,
};
use workos_importer_core::row::{
    Columns, Kind, Mode, OrganizationOptions, Rules, StepKey, fields_digest, interpret,
};
use workos_importer_core::source::{Cell, RecordBuilder};

/// As many rows as the engine has under way.
const ROWS_IN_FLIGHT: usize = 256;
const BATCH: u64 = 500;

type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let place = arguments.next().unwrap_or_else(|| "disk".into());
    let rows: u64 = arguments
        .next()
        .unwrap_or_else(|| "100000".into())
        .parse()?;
    let folder = arguments
        .next()
        .map_or_else(std::env::temp_dir, PathBuf::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(measure(
        &place,
        rows,
        folder.join("journal-benchmark.sqlite3"),
    ))
}

async fn measure(place: &str, rows: u64, path: PathBuf) -> Result<(), Error> {
    for ending in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{ending}", path.display()));
    }
    let journal = Arc::new(match place {
        "memory" => Journal::inline(None, &record())?,
        _ => Journal::on_disk(&path, &record())?,
    });
    let began = Instant::now();
    let mut next = 0;
    let mut builder = RecordBuilder::default();
    while next < rows {
        let batch: Vec<Claimed> = (next..rows.min(next + BATCH))
            .filter_map(|number| claimed(&mut builder, number, rows))
            .collect();
        next += BATCH;
        register(&journal, &batch).await?;
        let mut under_way = stream::iter(batch)
            .map(|row| one_row(Arc::clone(&journal), row))
            .buffer_unordered(ROWS_IN_FLIGHT);
        while let Some(done) = under_way.next().await {
            done?;
        }
    }
    let journal = Arc::into_inner(journal);
    drop(journal);
    let seconds = began.elapsed().as_secs_f64();
    let bytes = std::fs::metadata(&path).map_or(0, |file| file.len());
    println!(
        "{}",
        json!({
            "place": place,
            "rows": rows,
            "seconds": seconds,
            "steps_per_second": 2.0 * rows as f64 / seconds,
            "bytes_per_row": bytes as f64 / rows as f64,
        })
    );
    let _ = std::fs::remove_file(&path);
    Ok(())
}

/// Row `number`, of a user whose place in the alphabet has nothing to do with it.
fn claimed(builder: &mut RecordBuilder, number: u64, rows: u64) -> Option<Claimed> {
    // Multiplying by an odd number and folding gives each number once, far from its neighbours.
    let person = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) % 0xFFFF_FFFF_FFFF;
    let organization = person % (rows / 100).max(1);
    let cells = vec![
        (
            "email".to_owned(),
            Cell::text(format!("user{person}@example.com")),
        ),
        (
            "first_name".to_owned(),
            Cell::text(format!("First{number}")),
        ),
        (
            "external_id".to_owned(),
            Cell::text(format!("crm-{number}")),
        ),
        (
            "org_external_id".to_owned(),
            Cell::text(format!("org-{organization}")),
        ),
        (
            "org_name".to_owned(),
            Cell::text(format!("Organization {organization}")),
        ),
    ];
    let record = builder.record(None, cells)?;
    let columns = Columns::resolve(builder.columns(), &[]).ok()?;
    let (mode, _) = Mode::decide(&OrganizationOptions::default(), &columns).ok()?;
    let mode: Mode = mode;
    let row = interpret(
        &columns,
        &mode,
        record,
        &Rules {
            clear_empty: false,
            exact_permissions: false,
            create_organizations: true,
            identities: None,
        },
    )
    .row
    .ok()?;
    Some(Claimed {
        fields: row.user().map(|user| fields_digest(user, &[7; 32])),
        identity: row.identity,
        steps: row.steps,
        subject: Kind::User,
        digest: None,
    })
}

async fn register(journal: &Journal, batch: &[Claimed]) -> Result<(), JournalError> {
    let registrations: Vec<Registration> = batch
        .iter()
        .flat_map(|row| {
            row.steps.iter().filter_map(|step| {
                Some(Registration {
                    key: step.key()?,
                    record_number: row.identity.record_number,
                    fields: row.fields.filter(|_| step.kind == Kind::User),
                    label: step.label().map(str::to_owned),
                })
            })
        })
        .collect();
    journal
        .ask(move |store| {
            registrations
                .iter()
                .try_for_each(|one| store.register(one).map(drop))
        })
        .await
}

/// What the engine asks and notes for one new user in a known organization.
async fn one_row(journal: Arc<Journal>, row: Claimed) -> Result<(), JournalError> {
    let number = row.identity.record_number;
    let mut keys = Vec::new();
    let mut steps = Vec::new();
    let organization = row
        .steps
        .iter()
        .find(|step| step.kind == Kind::Organization);
    let organization = organization.and_then(|step| step.key());
    let organization_id = format!(
        "org_01J{:0>23}",
        organization.as_ref().map_or("", |key| &key.name)
    );
    let user_id = format!("user_01J{number:0>23}");
    let user = row.steps.iter().find(|step| step.kind == Kind::User);
    let Some(user) = user.and_then(|step| step.key()) else {
        return Ok(());
    };
    let membership = StepKey::new(Kind::Membership, format!("{user_id}:{organization_id}"));
    if let Some(key) = organization {
        keys.push((key, Effect::Existing));
    }
    let written = [
        (user, user_id, None),
        (
            membership,
            format!("om_01J{number:0>23}"),
            Some("{\"membership\":{\"roles\":[\"member\"],\"active\":true}}"),
        ),
    ];
    for (key, id, detail) in written {
        for _ in 0..2 {
            let asked = key.clone();
            journal.ask(move |store| store.remembered(&asked)).await?;
        }
        let intended = key.clone();
        let at = Timestamp::now();
        journal
            .commit(move |store| store.intent(&intended, Effect::Created, None, at))
            .await?;
        let known = Remembered {
            id: Some(id.clone()),
            ours: true,
            evidence: Evidence::Confirmed,
            done: Some((number, Effect::Created)),
            detail: detail.map(str::to_owned),
            content: (key.kind == Kind::User).then_some(number as i32 | 0x4000_0000),
            owed_to: None,
        };
        let kept = key.clone();
        journal.note(move |store| store.remember(&kept, &known))?;
        steps.push(StepResult {
            kind: key.kind,
            effect: Effect::Created,
            id,
            evidence: Evidence::Confirmed,
            differs: false,
            remark: None,
        });
        keys.push((key, Effect::Created));
    }
    let result = RowResult {
        identity: row.identity,
        outcome: Outcome::Created,
        steps,
        error: None,
        at: Timestamp::now(),
    };
    let ended = EndedRow::of(&result, keys);
    journal.note(move |store| store.outcome(&ended))
}

fn record() -> RunRecord {
    RunRecord {
        id: "benchmark".into(),
        name: None,
        source: "rows".into(),
        mode: "multi-org".into(),
        target: "none".into(),
        options: "{}".into(),
        key: [7; 32],
        source_digest: None,
        environment: [0; 32],
        started_at: "2026-01-01T00:00:00Z".into(),
    }
}
