-- Version 3 for PostgreSQL: what schema3.sql makes in SQLite, where it is explained. The extension comes with the
-- server and may be made by whoever owns the database; without it names are searched by reading them all.
DO $$ BEGIN
  CREATE EXTENSION IF NOT EXISTS pg_trgm;
  CREATE INDEX clip_name ON clip USING gin (path gin_trgm_ops);
EXCEPTION WHEN insufficient_privilege OR undefined_file OR feature_not_supported THEN
  RAISE NOTICE 'pg_trgm is not to be had: names are searched without an index';
END $$;

CREATE TABLE clip_time (
  block    bigint PRIMARY KEY,
  earliest bigint NOT NULL,
  latest   bigint NOT NULL
);
INSERT INTO clip_time SELECT id / 1024, min(recorded_at), max(recorded_at) FROM clip GROUP BY id / 1024;
CREATE FUNCTION clip_timed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO clip_time AS t VALUES (NEW.id / 1024, NEW.recorded_at, NEW.recorded_at) ON CONFLICT (block) DO UPDATE
    SET earliest = least(t.earliest, excluded.earliest), latest = greatest(t.latest, excluded.latest);
  RETURN NULL;
END $$;
CREATE TRIGGER clip_timed AFTER INSERT ON clip FOR EACH ROW EXECUTE FUNCTION clip_timed();
