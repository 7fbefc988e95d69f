//! Owns the SQL of the memo: what rows claim, what was about to be written, what the directory said.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, params};

use super::outcome::{Effect, Evidence};
use super::places::Place;
use super::store::Store;
use crate::row::{Kind, NOTHING_CLAIMED, StepKey};

/// A write of an earlier attempt whose answer is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenIntent {
    pub effect: Effect,
    /// When the first such write was about to be sent, and the latest.
    pub first: Timestamp,
    pub last: Timestamp,
}

/// What a row says about a key while it is read.
#[derive(Clone, Debug)]
pub struct Registration {
    pub key: StepKey,
    pub record_number: u64,
    /// Keyed digest of the fields that the row claims for it.
    pub fields: Option<[u8; 16]>,
    /// A name that the row gives to it.
    pub label: Option<String>,
}

/// What was known about the key when the row was registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The first row that named the key.
    pub first_record: u64,
    /// The key is new to the journal: no attempt of the run knows anything about it.
    pub is_new: bool,
    /// `false`: an earlier row claims other fields, and they count.
    pub same_fields: bool,
    /// The first name given, where this row gives another one.
    pub other_label: Option<String>,
}

/// What is known about an object of the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// `None`: the directory is known not to have it.
    pub id: Option<String>,
    /// This run created it.
    pub ours: bool,
    pub evidence: Evidence,
    /// What this run did to it, and through which row.
    pub done: Option<(u64, Effect)>,
    /// JSON of what else is known, such as the roles of a membership.
    pub detail: Option<String>,
    /// Digest of what this run left it like, where it wrote it; see [`super::Journal::key`].
    pub content: Option<i32>,
    /// The first row that named it, where that row ended without it: what it says is still to be written. Changed by
    /// [`Store::owe`] alone.
    pub owed_to: Option<u64>,
}

impl Remembered {
    /// The directory is known not to have it.
    pub fn missing() -> Self {
        Self {
            id: None,
            ours: false,
            evidence: Evidence::Confirmed,
            done: None,
            detail: None,
            content: None,
            owed_to: None,
        }
    }
}

/// What `state` says of a step.
const MISSING: i64 = 0;
const FOUND: i64 = 1;
const OURS: i64 = 2;

/// What a step forgets when what the directory said is no longer so.
pub(super) const FORGOTTEN: &str = "remote_id = NULL, state = NULL, detail = NULL, intent = NULL, intent_at = NULL, \
                                    last_intent = NULL, before = NULL, by_record = NULL, effect = NULL, content = NULL";

/// 64 bits of a keyed digest: nobody without the key can look for two fields that share them.
fn short(fields: &[u8; 16]) -> i64 {
    let [first, ..] = fields.as_chunks::<8>().0 else {
        return 0;
    };
    i64::from_le_bytes(*first)
}

impl Store {
    /// The id of a key's step; `None` if it has none yet.
    pub(super) fn step_id(&self, key: &StepKey) -> rusqlite::Result<Option<i64>> {
        let place = Place::of(key);
        self.find(&place, key.kind)
    }

    fn find(&self, place: &Place<'_>, kind: Kind) -> rusqlite::Result<Option<i64>> {
        if let Some(id) = self.latest.get(place) {
            return Ok(Some(id));
        }
        let found = self
            .connection
            .prepare_cached(
                "SELECT id FROM step WHERE key = ? AND kind = ? AND name IS ? AND key_rest IS ?",
            )?
            .query_row(
                params![place.key, kind_number(kind), place.name, place.rest],
                |row| row.get(0),
            )
            .optional()?;
        if let Some(id) = found {
            self.latest.put(place, id);
        }
        Ok(found)
    }

    /// The id of a key's step, made if it is not there yet.
    pub(super) fn ensure_step(&self, key: &StepKey) -> rusqlite::Result<i64> {
        let place = Place::of(key);
        match self.find(&place, key.kind)? {
            Some(id) => Ok(id),
            None => self.make_step(&place, key.kind, None),
        }
    }

    /// Makes a step that is not there, with what a row says about it where a row names it. Returns its id.
    fn make_step(
        &self,
        place: &Place<'_>,
        kind: Kind,
        named: Option<&Registration>,
    ) -> rusqlite::Result<i64> {
        self.connection
            .prepare_cached(
                "INSERT INTO step (kind, key, name, key_rest, first_record, fields, label) VALUES (?, ?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![
                kind_number(kind),
                place.key,
                place.name,
                place.rest,
                named.map(|row| row.record_number),
                named.and_then(|row| row.fields.as_ref()).map(short),
                named.and_then(|row| row.label.as_deref()),
            ])?;
        let id = self.connection.last_insert_rowid();
        self.latest.put(place, id);
        Ok(id)
    }

    /// Registers a key for a row, in the order of reading: the first row's fields and name count.
    pub fn register(&self, registration: &Registration) -> rusqlite::Result<Registered> {
        let key = &registration.key;
        let place = Place::of(key);
        let Some(id) = self.find(&place, key.kind)? else {
            self.make_step(&place, key.kind, Some(registration))?;
            return Ok(Registered {
                first_record: registration.record_number,
                is_new: true,
                same_fields: true,
                other_label: None,
            });
        };
        let (first, fields, label): (Option<u64>, Option<i64>, Option<String>) = self
            .connection
            .prepare_cached("SELECT first_record, fields, label FROM step WHERE id = ?")?
            .query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let claimed = registration.fields.as_ref().map(short);
        if first.is_none() || (label.is_none() && registration.label.is_some()) {
            self.connection
                .prepare_cached(
                    "UPDATE step SET first_record = coalesce(first_record, ?), fields = coalesce(fields, ?),
                     label = coalesce(label, ?) WHERE id = ?",
                )?
                .execute(params![
                    registration.record_number,
                    claimed,
                    registration.label,
                    id
                ])?;
        }
        let same_fields = match (fields, claimed) {
            // A row that says nothing but who the user is agrees with every earlier one.
            (Some(_), Some(_)) if registration.fields == Some(NOTHING_CLAIMED) => true,
            (Some(earlier), Some(now)) => earlier == now,
            _ => true,
        };
        let other_label = match (label, &registration.label) {
            (Some(earlier), Some(now)) if earlier != *now => Some(earlier),
            _ => None,
        };
        Ok(Registered {
            first_record: first.unwrap_or(registration.record_number),
            is_new: false,
            same_fields,
            other_label,
        })
    }

    /// What is known about a key; `None` if nothing is.
    pub fn remembered(&self, key: &StepKey) -> rusqlite::Result<Option<Remembered>> {
        let Some(id) = self.step_id(key)? else {
            return Ok(None);
        };
        self.connection
            .prepare_cached(
                "SELECT s.remote_id, s.state, s.inferred, d.text, s.by_record, s.effect, s.content,
                        CASE s.owed WHEN 1 THEN s.first_record END FROM step s
                 LEFT JOIN detail d ON d.id = s.detail WHERE s.id = ? AND s.state IS NOT NULL",
            )?
            .query_row([id], remembered_from)
            .optional()
    }

    /// Notes that a write for the key is about to leave, and what it changes of what was there; the time of the first
    /// one stays.
    pub fn intent(
        &self,
        key: &StepKey,
        effect: Effect,
        before: Option<&str>,
        at: Timestamp,
    ) -> rusqlite::Result<()> {
        let id = self.ensure_step(key)?;
        self.connection
            .prepare_cached(
                "UPDATE step SET intent = ?1, before = coalesce(before, ?2), intent_at = coalesce(intent_at, ?3),
                 last_intent = CASE WHEN intent_at IS NOT NULL THEN ?3 END WHERE id = ?4",
            )?
            .execute(params![effect.code(), before, at.as_millisecond(), id])?;
        Ok(())
    }

    /// The write of an earlier attempt whose answer is not known; `None` if every answer is.
    pub fn open_intent(&self, key: &StepKey) -> rusqlite::Result<Option<OpenIntent>> {
        let Some(id) = self.step_id(key)? else {
            return Ok(None);
        };
        let found: Option<(i64, i64, i64)> = self
            .connection
            .prepare_cached(
                "SELECT intent, intent_at, coalesce(last_intent, intent_at) FROM step
                 WHERE id = ? AND intent IS NOT NULL AND remote_id IS NULL",
            )?
            .query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        Ok(found.and_then(|(effect, first, last)| {
            Some(OpenIntent {
                effect: Effect::of_code(effect)?,
                first: Timestamp::from_millisecond(first).ok()?,
                last: Timestamp::from_millisecond(last).ok()?,
            })
        }))
    }

    /// The name that counts for the key's object, where rows give it one.
    pub fn label(&self, key: &StepKey) -> rusqlite::Result<Option<String>> {
        let Some(id) = self.step_id(key)? else {
            return Ok(None);
        };
        self.connection
            .prepare_cached("SELECT label FROM step WHERE id = ?")?
            .query_row([id], |row| row.get(0))
    }

    /// The row of this source for whose user, who is called otherwise, the directory has this id; and that name. Rows that
    /// were in an earlier reading of it alone do not count.
    pub fn row_of_the_same_user(
        &self,
        name: &str,
        remote_id: &str,
    ) -> rusqlite::Result<Option<(u64, String)>> {
        // Only a run that comes to this pays for the index.
        self.connection.execute_batch(
            "CREATE INDEX IF NOT EXISTS step_of_user ON step (remote_id) WHERE kind = 1;",
        )?;
        self.connection
            .prepare_cached(
                "SELECT coalesce(s.by_record, s.first_record), s.name FROM step s
                 WHERE s.kind = 1 AND s.remote_id = ?1 AND s.name <> ?2 AND NOT EXISTS (
                     SELECT 1 FROM known_row k, run r
                     WHERE k.record_number = coalesce(s.by_record, s.first_record) AND k.reading < r.readings)",
            )?
            .query_row(params![remote_id, name], |row| {
                Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get(1)?))
            })
            .optional()
    }

    /// The writes that were about to leave since then: when, and by when their answers were here. A write is counted by
    /// the directory somewhere between the two; without the second its answer is not known to have come.
    pub fn sent_since(
        &self,
        since: Timestamp,
    ) -> rusqlite::Result<Vec<(Timestamp, Option<Timestamp>)>> {
        // What came before a later write of the same step was answered, or given up, when that one left. The last one was
        // when the row that sent it had ended.
        let mut statement = self.connection.prepare(
            "SELECT s.intent_at AS at, s.last_intent AS ended FROM step s
             WHERE s.last_intent IS NOT NULL AND s.intent_at >= ?1
             UNION ALL
             SELECT coalesce(s.last_intent, s.intent_at) AS at, o.at AS ended FROM step s
             LEFT JOIN outcome o ON o.record_number = coalesce(s.by_record, s.first_record)
                                AND o.at >= coalesce(s.last_intent, s.intent_at)
             WHERE coalesce(s.last_intent, s.intent_at) >= ?1
             UNION ALL
             SELECT at, at AS ended FROM undone WHERE at >= ?1 AND what = 'deleted'
             ORDER BY at",
        )?;
        // Times are kept in whole milliseconds, rounded down.
        let at = |milliseconds| Timestamp::from_millisecond(milliseconds).unwrap_or_default();
        let times = statement.query_map([since.as_millisecond()], |row| {
            let ended: Option<i64> = row.get(1)?;
            Ok((at(row.get(0)?), ended.map(|ended| at(ended + 1))))
        })?;
        times.collect()
    }

    /// Notes what the directory said about the key.
    pub fn remember(&self, key: &StepKey, known: &Remembered) -> rusqlite::Result<()> {
        let id = self.ensure_step(key)?;
        let state = match (&known.id, known.ours) {
            (None, _) => MISSING,
            (Some(_), false) => FOUND,
            (Some(_), true) => OURS,
        };
        let detail = match &known.detail {
            Some(text) => Some(self.detail(text)?),
            None => None,
        };
        self.connection
            .prepare_cached(
                // What was created by this run stays so, whatever it is found to be later.
                "UPDATE step SET remote_id = ?1, state = CASE WHEN ?2 = 1 AND state = 2 THEN 2 ELSE ?2 END,
                 inferred = ?3, detail = ?4, by_record = coalesce(?5, by_record), effect = coalesce(?6, effect),
                 content = coalesce(?8, content) WHERE id = ?7",
            )?
            .execute(params![
                known.id,
                state,
                (known.evidence == Evidence::Inferred).then_some(1),
                detail,
                known.done.map(|(record, _)| record),
                known.done.map(|(_, effect)| effect.code()),
                id,
                known.content
            ])?;
        Ok(())
    }

    /// The number of a text that many steps share.
    fn detail(&self, text: &str) -> rusqlite::Result<i64> {
        if let Some(id) = self.latest.detail(text) {
            return Ok(id);
        }
        let found = self
            .connection
            .prepare_cached("SELECT id FROM detail WHERE text = ?")?
            .query_row([text], |row| row.get(0))
            .optional()?;
        let id = match found {
            Some(id) => id,
            None => {
                self.connection
                    .execute("INSERT INTO detail (text) VALUES (?)", [text])?;
                self.connection.last_insert_rowid()
            }
        };
        self.latest.put_detail(text, id);
        Ok(id)
    }

    /// Notes that the API's answer was no: nothing was written, and nothing is in doubt.
    pub fn refused(&self, key: &StepKey) -> rusqlite::Result<()> {
        let id = self.ensure_step(key)?;
        self.connection
            .prepare_cached(
                "UPDATE step SET intent = NULL, intent_at = NULL, last_intent = NULL, before = NULL WHERE id = ?",
            )?
            .execute([id])?;
        Ok(())
    }

    /// Notes, of a row that was the first to name a key, that it ended without it, or (`false`) that it came to it after
    /// all. Does nothing for other rows: they claim what the first one does, or do not count.
    pub fn owe(&self, key: &StepKey, record_number: u64, is_owed: bool) -> rusqlite::Result<()> {
        let Some(id) = self.step_id(key)? else {
            return Ok(());
        };
        self.connection
            .prepare_cached("UPDATE step SET owed = ? WHERE id = ? AND first_record = ?")?
            .execute(params![is_owed.then_some(1), id, record_number])?;
        Ok(())
    }

    /// Forgets what the directory said: the next row asks again.
    pub fn forget(&self, key: &StepKey) -> rusqlite::Result<()> {
        let id = self.ensure_step(key)?;
        self.connection
            .prepare_cached(&format!("UPDATE step SET {FORGOTTEN} WHERE id = ?"))?
            .execute([id])?;
        // Whom the next row makes in its place was sent nothing.
        self.forget_recovery(id)?;
        Ok(())
    }
}

fn remembered_from(row: &Row<'_>) -> rusqlite::Result<Remembered> {
    let inferred: Option<i64> = row.get(2)?;
    Ok(Remembered {
        id: row.get(0)?,
        ours: row.get::<_, i64>(1)? == OURS,
        evidence: match inferred {
            Some(1) => Evidence::Inferred,
            _ => Evidence::Confirmed,
        },
        detail: row.get(3)?,
        content: row.get(6)?,
        owed_to: row.get(7)?,
        done: row
            .get::<_, Option<u64>>(4)?
            .zip(row.get::<_, Option<i64>>(5)?.and_then(Effect::of_code)),
    })
}

pub(super) fn kind_number(kind: Kind) -> i64 {
    kind.code()
}
