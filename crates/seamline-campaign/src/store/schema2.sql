-- Version 2: work to be done, who may ask for it, and what reports need beside verdicts.

-- What a pipeline is, as a report's first line says it.
CREATE TABLE run (
  pipeline_digest BLOB PRIMARY KEY,
  info            TEXT NOT NULL            -- JSON
) STRICT;
-- Pictures beside a verdict's evidence.
CREATE TABLE exhibits (
  verdict INTEGER PRIMARY KEY REFERENCES verdict (id),
  list    TEXT NOT NULL                    -- JSON
) STRICT;
-- A small JPEG for people; early stores of version 1 lack it.
CREATE TABLE IF NOT EXISTS thumbnail (
  clip INTEGER PRIMARY KEY REFERENCES clip (id),
  jpeg BLOB NOT NULL
) STRICT;
-- Clips recorded and not yet compared with the rest: a crash in between must not lose their links.
CREATE TABLE unlinked (
  clip INTEGER PRIMARY KEY REFERENCES clip (id)
) STRICT;
-- Search by time and by conclusion, the latest first.
CREATE INDEX clip_by_conclusion ON clip (conclusion, id);

CREATE TABLE job (
  n               INTEGER PRIMARY KEY AUTOINCREMENT,
  id              BLOB NOT NULL UNIQUE,    -- SHA-256 over clip and pipeline
  clip            BLOB NOT NULL,
  pipeline_digest BLOB NOT NULL,
  path            TEXT NOT NULL,           -- for people
  source          BLOB NOT NULL,           -- where its bytes are
  size            INTEGER NOT NULL,
  state           TEXT NOT NULL,           -- queued, running, done, failed, dead
  priority        INTEGER NOT NULL,
  due             INTEGER NOT NULL,        -- its turn among equal priorities: submission, later for the larger
  not_before      INTEGER NOT NULL DEFAULT 0,
  deadline        INTEGER,
  attempts        INTEGER NOT NULL DEFAULT 0,
  abandoned       INTEGER NOT NULL DEFAULT 0,
  starts          INTEGER NOT NULL DEFAULT 0,  -- fencing token: each lease has its own
  owner           INTEGER,                 -- who has the lease
  lease_until     INTEGER,
  submitted_at    INTEGER NOT NULL,
  started_at      INTEGER,
  ended_at        INTEGER,
  stage           TEXT,
  fraction        REAL NOT NULL DEFAULT 0,
  conclusion      TEXT,
  failure         TEXT,                    -- its code
  message         TEXT,
  line            TEXT,                    -- the verdict line of an end without a recorded verdict
  ended           INTEGER                  -- order of ends
) STRICT;
CREATE INDEX job_turn ON job (priority DESC, due, n) WHERE state = 'queued';
CREATE INDEX job_running ON job (lease_until) WHERE state = 'running';
CREATE UNIQUE INDEX job_ended ON job (ended) WHERE ended IS NOT NULL;
CREATE INDEX job_by_state ON job (state, n);
CREATE INDEX job_by_clip ON job (clip);
-- Numbers that must never be given twice, and counts of states that would else be counted row by row.
CREATE TABLE counter (
  name  TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO counter VALUES ('ended', 0), ('queued', 0), ('running', 0), ('done', 0), ('failed', 0), ('dead', 0);
CREATE TRIGGER job_added AFTER INSERT ON job BEGIN
  UPDATE counter SET value = value + 1 WHERE name = new.state;
END;
CREATE TRIGGER job_moved AFTER UPDATE OF state ON job WHEN old.state <> new.state BEGIN
  UPDATE counter SET value = value - 1 WHERE name = old.state;
  UPDATE counter SET value = value + 1 WHERE name = new.state;
END;

-- `pipeline`: the digest of the pipeline that judges now.
CREATE TABLE setting (
  name  TEXT PRIMARY KEY,
  value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Attempts that came to nothing: the evidence of a dead letter.
CREATE TABLE attempt (
  job     INTEGER NOT NULL REFERENCES job (n),
  at      INTEGER NOT NULL,
  failure TEXT NOT NULL,
  message TEXT NOT NULL
) STRICT;
CREATE INDEX attempt_by_job ON attempt (job);
-- Who asked, and what was said of the clip.
CREATE TABLE submission (
  job    INTEGER NOT NULL REFERENCES job (n),
  at     INTEGER NOT NULL,
  origin TEXT NOT NULL,
  who    TEXT NOT NULL,
  path   TEXT NOT NULL,
  claim  TEXT NOT NULL,
  UNIQUE (job, origin, who, path, claim)
) STRICT;
-- Sightings that wait for their clip's first verdict.
CREATE TABLE job_sighting (
  job     INTEGER NOT NULL REFERENCES job (n),
  url     TEXT NOT NULL,
  channel TEXT NOT NULL,
  seen_at INTEGER NOT NULL,
  PRIMARY KEY (job, url, channel, seen_at)
) STRICT, WITHOUT ROWID;

-- Files of watched folders that were submitted. A file is who it is (device, inode, size, time), whatever its name.
CREATE TABLE watched (
  device   INTEGER NOT NULL,
  inode    INTEGER NOT NULL,
  size     INTEGER NOT NULL,
  mtime_ns INTEGER NOT NULL,
  path     BLOB NOT NULL,
  job      BLOB NOT NULL,
  moved    INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (device, inode, size, mtime_ns)
) STRICT, WITHOUT ROWID;
CREATE INDEX watched_by_job ON watched (job);
-- How far a manifest was read: what stands before `offset` is submitted.
CREATE TABLE manifest (
  path   BLOB PRIMARY KEY,
  head   BLOB NOT NULL,                    -- SHA-256 of its first line: another manifest begins anew
  offset INTEGER NOT NULL,
  line   INTEGER NOT NULL
) STRICT;
-- How far a report file was written: what stands after `bytes` is cut off and written again.
CREATE TABLE outlet (
  path  BLOB PRIMARY KEY,
  ended INTEGER NOT NULL,
  bytes INTEGER NOT NULL
) STRICT;

CREATE TABLE token (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  name       TEXT NOT NULL,
  role       TEXT NOT NULL,
  sha256     BLOB NOT NULL UNIQUE,         -- of the secret, which is 256 random bits
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  revoked_at INTEGER
) STRICT;
-- Who did what. Rows are added; the triggers refuse anything else.
CREATE TABLE audit (
  id     INTEGER PRIMARY KEY AUTOINCREMENT,
  at     INTEGER NOT NULL,
  actor  TEXT NOT NULL,
  action TEXT NOT NULL,
  object TEXT NOT NULL
) STRICT;
CREATE TRIGGER audit_stays BEFORE UPDATE ON audit BEGIN SELECT raise(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit BEGIN SELECT raise(ABORT, 'the audit log is append-only'); END;
