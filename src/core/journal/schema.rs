//! Owns the tables of the journal. Names of tables, views and columns are stable: people open the file with `sqlite3`,
//! DuckDB or pandas. The tables are written for size (numbers for words); the views `results` and `steps` are for reading.

/// Raised with every change that an older reader would not understand.
pub const SCHEMA_VERSION: u32 = 6;

/// The tables. No password, hash, key or whole row is ever stored in them.
pub const SCHEMA: &str = "
-- what was asked for, and how it ended; one record
CREATE TABLE run (
    id             TEXT PRIMARY KEY,
    schema_version INTEGER NOT NULL,
    name           TEXT,               -- the name that the caller gave to it (`run_id=`)
    source         TEXT NOT NULL,
    mode           TEXT NOT NULL,
    target         TEXT NOT NULL,
    options        TEXT NOT NULL,      -- JSON; the options that shape the result
    key            BLOB NOT NULL,      -- keys the digests of this run
    source_digest  BLOB,               -- keyed digest of the source's content; absent where rows are known one by one
    environment    BLOB NOT NULL,      -- keyed digest of base URL and key
    total          INTEGER,            -- records of the source
    readings       INTEGER NOT NULL DEFAULT 0, -- how often reading the source was begun (see `known_row`)
    error_file     TEXT,               -- the error file that grows line by line
    error_length   INTEGER,            -- how many of its bytes belong to the rows in `outcome`
    counters       TEXT,               -- JSON; what the other tables do not tell, such as calls by name
    started_at     TEXT NOT NULL,      -- RFC 3339, UTC
    ended_at       TEXT,
    status         TEXT
);

-- one object of the directory that rows claim; the memo. Times are milliseconds since 1970, UTC
CREATE TABLE step (
    id           INTEGER PRIMARY KEY,  -- in the order in which rows named them
    kind         INTEGER NOT NULL,     -- see `kind_word`
    key          INTEGER NOT NULL,     -- 64 bits of a digest of the natural key
    name         TEXT,                 -- the natural key; absent where it is made of the ids of other objects
    key_rest     INTEGER,              -- 64 more bits of the digest, where there is no name
    first_record INTEGER,              -- the row whose fields count
    fields       INTEGER,              -- keyed digest of that row's fields
    owed         INTEGER,              -- 1: that row ended without it, and what it says is still to be written
    label        TEXT,                 -- the first name that a row gave to it (organizations)
    intent       INTEGER,              -- what a write that was about to be sent was to do (see `effect`)
    intent_at    INTEGER,              -- when the first one was about to be sent
    last_intent  INTEGER,              -- when the latest one was, if there was another one
    before       TEXT,                 -- JSON; what a write changed: the fields' names, or roles and state as they were
    remote_id    TEXT,                 -- the directory's id
    state        INTEGER,              -- 0 the directory does not have it, 1 it was there, 2 created by this run
    by_record    INTEGER,              -- the row through which this run wrote it
    effect       INTEGER,              -- what it did: 1 created, 2 updated, 3 reactivated, 4 existing, 5 deleted
    inferred     INTEGER,              -- 1: found by reading back; else confirmed by the API's own answer
    detail       INTEGER REFERENCES detail (id), -- what else is known of it, such as roles
    content      INTEGER               -- 32 bits of a keyed digest of what this run left it like (users, organizations)
);
CREATE INDEX step_key ON step (key);
CREATE INDEX step_missing ON step (id) WHERE state = 0;

-- texts that many steps share
CREATE TABLE detail (
    id   INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE          -- JSON
);

-- how each row ended
CREATE TABLE outcome (
    record_number INTEGER PRIMARY KEY,
    line          INTEGER,
    email         TEXT,                -- where it is not the name of the row's user in `step`
    external_id   TEXT,
    outcome       INTEGER NOT NULL,    -- 1 created, 2 updated, 3 unchanged, 4 failed
    inferred      INTEGER,             -- 0 confirmed, 1 inferred: the weakest of its steps
    error         TEXT,                -- JSON: error_type, code, message, http_status, workos_code, …
    at            INTEGER NOT NULL,    -- milliseconds since 1970, UTC
    without_password INTEGER           -- 1: it names a user, and brings nothing to sign in with
);

-- what the caller calls each row, where a column was named that says so
CREATE TABLE record_id (
    record_number INTEGER PRIMARY KEY,
    id            TEXT NOT NULL
);

-- which steps a row used, and what became of them
CREATE TABLE outcome_step (
    record_number INTEGER NOT NULL,
    kind          INTEGER NOT NULL,
    step_id       INTEGER NOT NULL,
    effect        INTEGER NOT NULL,
    PRIMARY KEY (record_number, kind)
) WITHOUT ROWID;

-- rows that wait for another row to say how their organization is called
CREATE TABLE parked (
    record_number INTEGER PRIMARY KEY,
    step_id       INTEGER NOT NULL     -- its subject
);
CREATE INDEX parked_by_subject ON parked (step_id);

-- rows that are known by what they say, not by their place: those of programs, and of runs with a name
CREATE TABLE known_row (
    record_number INTEGER PRIMARY KEY,
    digest        INTEGER NOT NULL,    -- keyed digest of the whole row, 64 bits …
    digest_rest   INTEGER NOT NULL,    -- … and 64 more
    reading       INTEGER NOT NULL     -- the latest reading in which it was seen; equal rows are counted by it
);
CREATE INDEX known_row_digest ON known_row (digest);

-- what the directory held when the source was compared with it; emptied when the comparison is over
CREATE TABLE seen (
    id        INTEGER PRIMARY KEY,
    kind      INTEGER NOT NULL,        -- as in `step`
    remote_id TEXT NOT NULL,
    details   TEXT NOT NULL,           -- JSON
    was       TEXT,                    -- JSON; as the directory showed it, where a rehearsed write has changed it
    UNIQUE (kind, remote_id)
);
CREATE TABLE seen_name (
    name TEXT PRIMARY KEY,             -- such as `user.email:alice@acme.com`
    seen INTEGER,                      -- absent: it was looked for, and is not there
    was  INTEGER                       -- what the directory showed, where a rehearsed write has changed it: the number in
                                       -- `seen`, 0 not there, -1 nothing
) WITHOUT ROWID;
-- names that the source's rows use
CREATE TABLE wanted (
    name TEXT PRIMARY KEY,
    rows INTEGER NOT NULL              -- how many of them
) WITHOUT ROWID;
-- in which state each step was found when a run was rehearsed
CREATE TABLE planned (
    step_id INTEGER PRIMARY KEY,
    state   INTEGER NOT NULL           -- a digest
);
-- how far lists of the directory were read, from both ends
CREATE TABLE listing (
    name     TEXT PRIMARY KEY,
    oldest   TEXT,                     -- where the next page from this end begins
    newest   TEXT,
    pages    INTEGER NOT NULL,
    found    INTEGER NOT NULL,         -- how many objects on them rows name
    begun_at INTEGER NOT NULL,         -- milliseconds since 1970, UTC
    complete INTEGER NOT NULL          -- 1: what is not in `seen_name` is not there
);

-- what `undo` did with what this run had written
CREATE TABLE undone (
    step_id INTEGER PRIMARY KEY,
    what    TEXT NOT NULL,             -- deleted, or why it was left, such as signed_in
    note    TEXT,                      -- more about that: the API's message, the fields of an update
    at      INTEGER NOT NULL           -- milliseconds since 1970, UTC
);

-- which users of this run were sent what lets them set a password
CREATE TABLE recovery (
    step_id INTEGER PRIMARY KEY,
    state   INTEGER NOT NULL,          -- 1 being handed over, 2 handed over, 3 failed, 4 the user is gone
    note    TEXT,                      -- of 1 and 2: the file that it goes into, absent where a program takes it; of 3: why
    at      INTEGER NOT NULL           -- milliseconds since 1970, UTC
);

CREATE VIEW steps AS
SELECT s.id, k.word AS kind, s.name,
       s.first_record, s.label, i.word AS intent,
       strftime('%Y-%m-%dT%H:%M:%fZ', s.intent_at / 1000.0, 'unixepoch') AS intent_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', coalesce(s.last_intent, s.intent_at) / 1000.0, 'unixepoch') AS last_intent,
       s.before, s.remote_id, s.state = 0 AS missing, s.state = 2 AS ours, s.by_record, e.word AS effect,
       CASE WHEN s.state IS NOT NULL THEN CASE s.inferred WHEN 1 THEN 'inferred' ELSE 'confirmed' END END AS evidence,
       d.text AS detail, n.what AS undone
FROM step s
LEFT JOIN kind_word k ON k.code = s.kind
LEFT JOIN effect_word i ON i.code = s.intent
LEFT JOIN effect_word e ON e.code = s.effect
LEFT JOIN detail d ON d.id = s.detail
LEFT JOIN undone n ON n.step_id = s.id;

CREATE VIEW results AS
SELECT o.record_number, coalesce(o.email, us.name) AS email, o.external_id,
       CASE o.outcome WHEN 1 THEN 'created' WHEN 2 THEN 'updated' WHEN 3 THEN 'unchanged' ELSE 'failed' END AS outcome,
       CASE un.what WHEN 'deleted' THEN 'deleted' ELSE uw.word END AS user,
       CASE mn.what WHEN 'deleted' THEN 'deleted'
            ELSE coalesce(mw.word, CASE WHEN u.effect IS NOT NULL THEN 'none' END) END AS membership,
       CASE o.inferred WHEN 0 THEN 'confirmed' WHEN 1 THEN 'inferred' END AS evidence,
       us.remote_id AS user_id, os.remote_id AS organization_id, ms.remote_id AS membership_id,
       json_extract(o.error, '$.code') AS error_code, json_extract(o.error, '$.message') AS error_message, i.id AS record_id
FROM outcome o
LEFT JOIN record_id i ON i.record_number = o.record_number
LEFT JOIN outcome_step u ON u.record_number = o.record_number AND u.kind = 1
LEFT JOIN outcome_step g ON g.record_number = o.record_number AND g.kind = 0
LEFT JOIN outcome_step m ON m.record_number = o.record_number AND m.kind = 2
LEFT JOIN step us ON us.id = u.step_id
LEFT JOIN step os ON os.id = g.step_id
LEFT JOIN step ms ON ms.id = m.step_id
LEFT JOIN effect_word uw ON uw.code = u.effect
LEFT JOIN effect_word mw ON mw.code = m.effect
LEFT JOIN undone un ON un.step_id = u.step_id
LEFT JOIN undone mn ON mn.step_id = m.step_id;

-- the words of `kind`
CREATE TABLE kind_word (code INTEGER PRIMARY KEY, word TEXT NOT NULL);
INSERT INTO kind_word VALUES (0, 'organization'), (1, 'user'), (2, 'membership'), (3, 'permission'), (4, 'role'),
    (5, 'invitation'), (6, 'password reset'), (7, 'TOTP factor');
-- the words of `effect` and `intent`
CREATE TABLE effect_word (code INTEGER PRIMARY KEY, word TEXT NOT NULL);
INSERT INTO effect_word VALUES (1, 'created'), (2, 'updated'), (3, 'reactivated'), (4, 'existing'), (5, 'deleted');
";
