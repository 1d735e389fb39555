/// The form of the cache database. Only ever add a step at the end.
package enum CacheSchema {
  package static let migrations = [
    Migration(
      "runs, attempts and results",
      [
        """
        CREATE TABLE runs (
          id INTEGER PRIMARY KEY AUTOINCREMENT,
          pipeline TEXT NOT NULL,
          file BLOB,
          command TEXT NOT NULL,
          pid INTEGER NOT NULL,
          started REAL NOT NULL,
          finished REAL,
          exit_code INTEGER
        ) STRICT
        """,
        """
        CREATE TABLE fingerprints (
          digest TEXT PRIMARY KEY,
          kind TEXT NOT NULL
        ) STRICT, WITHOUT ROWID
        """,
        """
        CREATE TABLE fingerprint_parts (
          fingerprint TEXT NOT NULL REFERENCES fingerprints (digest) ON DELETE CASCADE,
          position INTEGER NOT NULL,
          name TEXT NOT NULL,
          value TEXT NOT NULL,
          PRIMARY KEY (fingerprint, position)
        ) STRICT, WITHOUT ROWID
        """,
        """
        CREATE TABLE attempts (
          id INTEGER PRIMARY KEY AUTOINCREMENT,
          run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
          pipeline TEXT NOT NULL,
          cell TEXT NOT NULL,
          fingerprint TEXT NOT NULL REFERENCES fingerprints (digest),
          number INTEGER NOT NULL,
          status TEXT NOT NULL
            CHECK (status IN ('running', 'done', 'failed', 'refused', 'interrupted', 'discarded')),
          started REAL NOT NULL,
          finished REAL,
          pid INTEGER,
          process_start INTEGER,
          exit_code INTEGER,
          signal INTEGER,
          error TEXT,
          peak_memory INTEGER,
          log BLOB,
          events BLOB,
          metrics TEXT
        ) STRICT
        """,
        "CREATE INDEX attempts_by_result ON attempts (fingerprint, id) WHERE status = 'done'",
        "CREATE INDEX attempts_by_cell ON attempts (pipeline, cell, id)",
        "CREATE INDEX attempts_by_run ON attempts (run, id)",
        "CREATE INDEX attempts_unfinished ON attempts (id) WHERE status = 'running'",
        """
        CREATE TABLE outputs (
          attempt INTEGER NOT NULL REFERENCES attempts (id) ON DELETE CASCADE,
          position INTEGER NOT NULL,
          name TEXT NOT NULL,
          kind TEXT NOT NULL,
          digest TEXT NOT NULL,
          PRIMARY KEY (attempt, position)
        ) STRICT, WITHOUT ROWID
        """,
        """
        CREATE TABLE run_cells (
          run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
          position INTEGER NOT NULL,
          cell TEXT NOT NULL,
          stage TEXT NOT NULL,
          kind TEXT NOT NULL,
          status TEXT NOT NULL
            CHECK (status IN ('pending', 'running', 'cached', 'done', 'failed', 'refused', 'skipped', 'interrupted')),
          reason TEXT,
          seconds REAL,
          fingerprint TEXT REFERENCES fingerprints (digest),
          attempt INTEGER REFERENCES attempts (id),
          error TEXT,
          PRIMARY KEY (run, position)
        ) STRICT, WITHOUT ROWID
        """,
        "CREATE INDEX run_cells_by_name ON run_cells (run, cell)",
        """
        CREATE TABLE objects (
          digest TEXT PRIMARY KEY,
          is_folder INTEGER NOT NULL,
          size INTEGER NOT NULL,
          content BLOB
        ) STRICT
        """,
        """
        CREATE TABLE object_entries (
          object TEXT NOT NULL REFERENCES objects (digest) ON DELETE CASCADE,
          path BLOB NOT NULL,
          position INTEGER NOT NULL,
          digest TEXT,
          device INTEGER NOT NULL,
          inode INTEGER NOT NULL,
          size INTEGER NOT NULL,
          modified INTEGER NOT NULL,
          changed INTEGER NOT NULL,
          PRIMARY KEY (object, path)
        ) STRICT, WITHOUT ROWID
        """,
        """
        CREATE TABLE file_digests (
          path BLOB PRIMARY KEY,
          device INTEGER NOT NULL,
          inode INTEGER NOT NULL,
          size INTEGER NOT NULL,
          modified INTEGER NOT NULL,
          changed INTEGER NOT NULL,
          digest TEXT NOT NULL,
          recorded INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID
        """,
      ]),
    Migration(
      "names and origins of runs",
      [
        "ALTER TABLE runs ADD COLUMN name TEXT",
        "ALTER TABLE runs ADD COLUMN origin TEXT",
        "CREATE UNIQUE INDEX runs_by_name ON runs (name) WHERE name IS NOT NULL",
        "CREATE INDEX run_cells_by_attempt ON run_cells (attempt) WHERE attempt IS NOT NULL",
        "CREATE INDEX outputs_by_digest ON outputs (digest)",
      ]),
    // SQLite looks a list of words up anew for every row: that took half the time of recording a run. The words are
    // those of `CellStatus`, which alone writes them; nothing looked cells up by name within a run.
    Migration(
      "cells without a list of words",
      [
        """
        CREATE TABLE run_cells_new (
          run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
          position INTEGER NOT NULL,
          cell TEXT NOT NULL,
          stage TEXT NOT NULL,
          kind TEXT NOT NULL,
          status TEXT NOT NULL,
          reason TEXT,
          seconds REAL,
          fingerprint TEXT REFERENCES fingerprints (digest),
          attempt INTEGER REFERENCES attempts (id),
          error TEXT,
          PRIMARY KEY (run, position)
        ) STRICT, WITHOUT ROWID
        """,
        "INSERT INTO run_cells_new SELECT * FROM run_cells",
        "DROP TABLE run_cells",
        "ALTER TABLE run_cells_new RENAME TO run_cells",
        "CREATE INDEX run_cells_by_attempt ON run_cells (attempt) WHERE attempt IS NOT NULL",
      ]),
  ]
}
