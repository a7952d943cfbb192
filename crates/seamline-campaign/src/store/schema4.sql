-- Version 4: whom to tell when a job ends. A row goes when it was told, or given up.
CREATE TABLE callback (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  job        INTEGER NOT NULL REFERENCES job (n),
  url        TEXT NOT NULL,
  tries      INTEGER NOT NULL DEFAULT 0,
  not_before INTEGER NOT NULL DEFAULT 0,
  UNIQUE (job, url)
) STRICT;
CREATE INDEX callback_turn ON callback (not_before, id);
