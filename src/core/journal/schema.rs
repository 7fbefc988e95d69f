//! Owns the tables of the journal. Column names are stable: people open the file with `sqlite3`, DuckDB or pandas.

/// Raised with every change that an older reader would not understand.
pub const SCHEMA_VERSION: u32 = 1;

/// The tables. No password, hash, key or whole row is ever stored in them.
pub const SCHEMA: &str = "
-- what was asked for, and how it ended; one record
CREATE TABLE run (
    id             TEXT PRIMARY KEY,
    schema_version INTEGER NOT NULL,
    source         TEXT NOT NULL,
    mode           TEXT NOT NULL,
    target         TEXT NOT NULL,
    options        TEXT NOT NULL,      -- JSON; the options that shape the result
    key            BLOB NOT NULL,      -- keys the digests of this run
    source_digest  BLOB,               -- keyed digest of the source's content; absent for what is read only once
    environment    BLOB NOT NULL,      -- keyed digest of base URL and key
    total          INTEGER,            -- records of the source
    counters       TEXT,               -- JSON; what the other tables do not tell, such as calls by name
    started_at     TEXT NOT NULL,      -- RFC 3339, UTC, as all times here
    ended_at       TEXT,
    status         TEXT
);

-- one object of the directory that rows claim; the memo
CREATE TABLE step (
    id           INTEGER PRIMARY KEY,  -- 64 bits of a digest of kind and name
    kind         INTEGER NOT NULL,     -- 0 organization, 1 user, 2 membership
    name         TEXT NOT NULL,        -- the natural key
    first_record INTEGER,              -- the row whose fields count
    fields       BLOB,                 -- keyed digest of that row's fields
    label        TEXT,                 -- the first name that a row gave to it (organizations)
    intent       TEXT,                 -- what a write that was about to be sent was to do: created, updated, …
    intent_at    TEXT,                 -- when the first one was about to be sent
    last_intent  TEXT,                 -- when the latest one was
    remote_id    TEXT,                 -- the directory's id
    missing      INTEGER,              -- 1: the directory does not have it
    ours         INTEGER,              -- 1: created by this run
    by_record    INTEGER,              -- the row through which this run wrote it
    effect       TEXT,                 -- what it did: created, updated, reactivated
    evidence     TEXT,
    detail       TEXT                  -- JSON; what is known of it, such as roles
);

-- how each row ended
CREATE TABLE outcome (
    record_number INTEGER PRIMARY KEY,
    line          INTEGER,
    email         TEXT,
    external_id   TEXT,
    outcome       TEXT NOT NULL,
    evidence      TEXT,
    error         TEXT,                -- JSON: error_type, code, message, http_status, workos_code, …
    at            TEXT NOT NULL
);

-- which steps a row used, and what became of them
CREATE TABLE outcome_step (
    record_number INTEGER NOT NULL,
    kind          INTEGER NOT NULL,
    step_id       INTEGER NOT NULL,
    effect        TEXT NOT NULL,
    PRIMARY KEY (record_number, kind)
) WITHOUT ROWID;

-- rows that wait for another row to say how their organization is called
CREATE TABLE parked (
    record_number INTEGER PRIMARY KEY,
    step_id       INTEGER NOT NULL
);

CREATE VIEW results AS
SELECT o.record_number, o.email, o.external_id, o.outcome,
       u.effect AS user, coalesce(m.effect, CASE WHEN u.effect IS NOT NULL THEN 'none' END) AS membership, o.evidence,
       us.remote_id AS user_id, os.remote_id AS organization_id, ms.remote_id AS membership_id,
       json_extract(o.error, '$.code') AS error_code, json_extract(o.error, '$.message') AS error_message
FROM outcome o
LEFT JOIN outcome_step u ON u.record_number = o.record_number AND u.kind = 1
LEFT JOIN outcome_step g ON g.record_number = o.record_number AND g.kind = 0
LEFT JOIN outcome_step m ON m.record_number = o.record_number AND m.kind = 2
LEFT JOIN step us ON us.id = u.step_id
LEFT JOIN step os ON os.id = g.step_id
LEFT JOIN step ms ON ms.id = m.step_id;
";
