-- Version 1. Times are milliseconds since 1970; SHA-256 digests are 32 bytes.
CREATE TABLE cluster (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  founder     BLOB NOT NULL UNIQUE,        -- the clip it began with: its name for ever, also in exports
  name        TEXT,
  confirmed   INTEGER NOT NULL DEFAULT 0,
  members     INTEGER NOT NULL DEFAULT 0,  -- counters, kept by whoever moves a clip or adds a sighting
  sightings   INTEGER NOT NULL DEFAULT 0,
  first_seen  INTEGER,
  last_seen   INTEGER
) STRICT;
-- `campaign list`: clusters with company, the latest first.
CREATE INDEX cluster_by_time ON cluster (last_seen DESC, id DESC) WHERE members > 1;

CREATE TABLE clip (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  sha256      BLOB NOT NULL UNIQUE,
  path        TEXT NOT NULL,
  size        INTEGER NOT NULL,
  recorded_at INTEGER NOT NULL,
  conclusion  TEXT NOT NULL,               -- of the latest verdict
  llr         REAL,
  cluster     INTEGER NOT NULL REFERENCES cluster (id)
) STRICT;
CREATE INDEX clip_by_cluster ON clip (cluster);

CREATE TABLE verdict (
  id              INTEGER PRIMARY KEY AUTOINCREMENT,
  clip            INTEGER NOT NULL REFERENCES clip (id),
  pipeline_digest BLOB NOT NULL,
  recorded_at     INTEGER NOT NULL,
  conclusion      TEXT NOT NULL,
  llr             REAL,
  line            TEXT NOT NULL,           -- the verdict line of the report
  UNIQUE (clip, pipeline_digest)
) STRICT;

CREATE TABLE evidence (
  verdict INTEGER NOT NULL REFERENCES verdict (id),
  ordinal INTEGER NOT NULL,
  line    TEXT NOT NULL,                   -- an evidence line of the report
  PRIMARY KEY (verdict, ordinal)
) STRICT, WITHOUT ROWID;

-- A clip that is observed again gets a new row number, so that indexes notice.
CREATE TABLE observables (
  id      INTEGER PRIMARY KEY AUTOINCREMENT,
  clip    INTEGER NOT NULL UNIQUE REFERENCES clip (id),
  version INTEGER NOT NULL,
  frames  BLOB NOT NULL,
  sound   BLOB NOT NULL,
  rest    TEXT NOT NULL
) STRICT;

-- A small JPEG for people.
CREATE TABLE thumbnail (
  clip INTEGER PRIMARY KEY REFERENCES clip (id),
  jpeg BLOB NOT NULL
) STRICT;

CREATE TABLE trace (
  kind  TEXT NOT NULL,
  value TEXT NOT NULL,
  clip  INTEGER NOT NULL REFERENCES clip (id),
  PRIMARY KEY (kind, value, clip)
) STRICT, WITHOUT ROWID;
CREATE INDEX trace_by_clip ON trace (clip);

CREATE TABLE voice (
  clip     INTEGER NOT NULL REFERENCES clip (id),
  ordinal  INTEGER NOT NULL,
  model    BLOB NOT NULL,                  -- SHA-256 of the model that made it
  start_us INTEGER NOT NULL,
  end_us   INTEGER NOT NULL,
  vector   BLOB NOT NULL,                  -- 32-bit floats, little-endian
  PRIMARY KEY (clip, ordinal)
) STRICT, WITHOUT ROWID;

CREATE TABLE sighting (
  id      INTEGER PRIMARY KEY AUTOINCREMENT,
  clip    INTEGER NOT NULL REFERENCES clip (id),
  url     TEXT NOT NULL,
  channel TEXT NOT NULL,
  seen_at INTEGER NOT NULL,
  UNIQUE (clip, url, channel, seen_at)
) STRICT;

CREATE TABLE link (
  a      INTEGER NOT NULL REFERENCES clip (id),
  b      INTEGER NOT NULL REFERENCES clip (id),
  kind   TEXT NOT NULL,
  score  REAL NOT NULL,
  shared TEXT NOT NULL,                    -- JSON: the shared stretches
  PRIMARY KEY (a, b, kind)
) STRICT, WITHOUT ROWID;
CREATE INDEX link_by_b ON link (b);

CREATE TABLE decision (
  id     INTEGER PRIMARY KEY AUTOINCREMENT,
  author TEXT NOT NULL,
  at     INTEGER NOT NULL,
  ruling TEXT NOT NULL                     -- JSON
) STRICT;
-- Which clips a decision speaks of.
CREATE TABLE decided (
  clip     INTEGER NOT NULL REFERENCES clip (id),
  decision INTEGER NOT NULL REFERENCES decision (id),
  PRIMARY KEY (clip, decision)
) STRICT, WITHOUT ROWID;

CREATE TABLE review (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  clip        INTEGER NOT NULL REFERENCES clip (id),  -- what to look at again
  cause       INTEGER NOT NULL REFERENCES clip (id),  -- the clip whose verdict changed
  before      TEXT NOT NULL,
  after       TEXT NOT NULL,
  at          INTEGER NOT NULL,
  resolved_by TEXT,
  resolved_at INTEGER
) STRICT;
CREATE INDEX review_open ON review (id) WHERE resolved_at IS NULL;
