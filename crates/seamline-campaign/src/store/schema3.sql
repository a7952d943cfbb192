-- Version 3: searches that do not read every clip.
-- Names by their trigrams; the text itself stands in `clip` only. A clip's name never changes, and no clip goes.
CREATE VIRTUAL TABLE clip_name USING fts5 (path, content = 'clip', content_rowid = 'id', tokenize = 'trigram');
INSERT INTO clip_name (clip_name) VALUES ('rebuild');
CREATE TRIGGER clip_named AFTER INSERT ON clip BEGIN
  INSERT INTO clip_name (rowid, path) VALUES (NEW.id, NEW.path);
END;

-- The earliest and the latest time within each 1,024 numbers of clips. Numbers follow time unless the clock was set
-- back, so that a span of time is a few blocks; where it was, it is more of them, and nothing is missed.
CREATE TABLE clip_time (
  block    INTEGER PRIMARY KEY,
  earliest INTEGER NOT NULL,
  latest   INTEGER NOT NULL
) STRICT;
INSERT INTO clip_time SELECT id / 1024, min(recorded_at), max(recorded_at) FROM clip GROUP BY id / 1024;
CREATE TRIGGER clip_timed AFTER INSERT ON clip BEGIN
  INSERT INTO clip_time VALUES (NEW.id / 1024, NEW.recorded_at, NEW.recorded_at) ON CONFLICT (block) DO UPDATE
    SET earliest = min(earliest, excluded.earliest), latest = max(latest, excluded.latest);
END;
