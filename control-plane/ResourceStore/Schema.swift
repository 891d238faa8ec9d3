// The tables of the database, as migrations: each one once, in order, never changed after it was released.
internal import GRDB

enum Schema {
    static var migrator: Migrations {
        var migrator = Migrations()
        migrator.registerMigration("1 resources") { db in
            try db.execute(
                sql: """
                    CREATE TABLE resource (
                        key TEXT PRIMARY KEY, path TEXT NOT NULL, kind TEXT NOT NULL, parent TEXT NOT NULL,
                        name TEXT NOT NULL, properties TEXT NOT NULL, etag TEXT NOT NULL, created REAL NOT NULL,
                        modified REAL NOT NULL, revision INTEGER NOT NULL) WITHOUT ROWID;
                    CREATE INDEX resource_kind ON resource (kind, parent, name);
                    CREATE INDEX resource_kind_name ON resource (kind, name);
                    CREATE TABLE change (
                        revision INTEGER NOT NULL, ordinal INTEGER NOT NULL, path TEXT NOT NULL, kind TEXT NOT NULL,
                        verb TEXT NOT NULL, detail TEXT NOT NULL, PRIMARY KEY (revision, ordinal)) WITHOUT ROWID;
                    CREATE TABLE secret (
                        resource TEXT NOT NULL, field TEXT NOT NULL, key_id TEXT NOT NULL, sealed BLOB NOT NULL,
                        PRIMARY KEY (resource, field)) WITHOUT ROWID;
                    CREATE TABLE reference (
                        source TEXT NOT NULL, target TEXT NOT NULL, PRIMARY KEY (source, target)) WITHOUT ROWID;
                    CREATE INDEX reference_target ON reference (target);
                    CREATE TABLE uniqueness (
                        scope TEXT NOT NULL, value TEXT NOT NULL, resource TEXT NOT NULL,
                        PRIMARY KEY (scope, value)) WITHOUT ROWID;
                    CREATE INDEX uniqueness_resource ON uniqueness (resource);
                    CREATE TABLE audit (
                        sequence INTEGER PRIMARY KEY, time REAL NOT NULL, revision INTEGER, principal TEXT NOT NULL,
                        application TEXT NOT NULL, action TEXT NOT NULL, resource TEXT NOT NULL,
                        outcome TEXT NOT NULL, address TEXT NOT NULL, request TEXT NOT NULL, count INTEGER NOT NULL,
                        hash TEXT NOT NULL);
                    CREATE INDEX audit_time ON audit (time);
                    CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
                    """)
        }
        migrator.registerMigration("2 cluster") { db in
            try db.execute(
                sql: """
                    CREATE TABLE node (
                        id TEXT PRIMARY KEY, gateway TEXT NOT NULL, label TEXT NOT NULL, sealing_key BLOB NOT NULL,
                        software TEXT NOT NULL, address TEXT NOT NULL, created REAL NOT NULL, last_seen REAL NOT NULL,
                        applied INTEGER NOT NULL, refused INTEGER, refused_reason TEXT, stopped INTEGER NOT NULL,
                        revoked INTEGER NOT NULL) WITHOUT ROWID;
                    CREATE TABLE blob (hash TEXT PRIMARY KEY, bytes BLOB NOT NULL) WITHOUT ROWID;
                    CREATE TABLE snapshot (
                        gateway TEXT NOT NULL, version INTEGER NOT NULL, created REAL NOT NULL, root BLOB NOT NULL,
                        signature BLOB NOT NULL, PRIMARY KEY (gateway, version)) WITHOUT ROWID;
                    CREATE TABLE usage_batch (
                        node TEXT NOT NULL, epoch INTEGER NOT NULL, sequence INTEGER NOT NULL, received REAL NOT NULL,
                        PRIMARY KEY (node, epoch, sequence)) WITHOUT ROWID;
                    CREATE TABLE usage (
                        bucket INTEGER NOT NULL, api TEXT NOT NULL, operation TEXT NOT NULL, product TEXT NOT NULL,
                        subscription TEXT NOT NULL, user TEXT NOT NULL, success INTEGER NOT NULL,
                        blocked INTEGER NOT NULL, failed INTEGER NOT NULL, other INTEGER NOT NULL,
                        bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL, cache_hits INTEGER NOT NULL,
                        cache_misses INTEGER NOT NULL, api_sum INTEGER NOT NULL, api_min INTEGER,
                        api_max INTEGER NOT NULL, service_calls INTEGER NOT NULL, service_sum INTEGER NOT NULL,
                        service_min INTEGER, service_max INTEGER NOT NULL,
                        PRIMARY KEY (bucket, api, operation, product, subscription, user)) WITHOUT ROWID;
                    """)
        }
        migrator.registerMigration("3 usage digests") { db in
            try db.execute(sql: "ALTER TABLE usage_batch ADD COLUMN digest TEXT NOT NULL DEFAULT ''")
        }
        migrator.registerMigration("4 retired blobs") { db in
            // The version from which on no newest root names the blob; null while one does.
            try db.execute(
                sql: """
                    ALTER TABLE blob ADD COLUMN retired INTEGER;
                    CREATE INDEX blob_retired ON blob (retired) WHERE retired IS NOT NULL;
                    """)
        }
        return migrator
    }
}
