import Testing

@testable import TidemarkSQLite

@Suite struct CaptureTests {
    @Test("D1: an insert that is ignored logs no delete") func ignoredInsertsDeleteNothing() throws {
        let captured = try Captured("CREATE TABLE t (id INTEGER PRIMARY KEY, u UNIQUE)")
        try captured.database.execute(
            """
            INSERT INTO t VALUES (1, 'a'); INSERT OR IGNORE INTO t VALUES (9, 'a');
            INSERT INTO t VALUES (9, 'a') ON CONFLICT DO NOTHING;
            """)
        #expect(throws: SQLiteFailure.self) { try captured.database.execute("INSERT OR FAIL INTO t VALUES (9, 'a')") }
        #expect(try captured.log() == [#"I{"id":1}"#])
        try captured.database.execute("REPLACE INTO t VALUES (9, 'a')")
        #expect(try captured.log() == [#"I{"id":1}"#, #"D{"id":1}"#, #"I{"id":9}"#])
        #expect(try captured.database.rows("SELECT count(*) FROM tidemark_replaced") == [[.integer(0)]])
    }

    @Test("D2: a replaced row is found by the index's own rule", arguments: [
        ("u TEXT NOT NULL DEFAULT 'x' UNIQUE", "", "('x')", "(NULL)"),
        ("u INTEGER NOT NULL DEFAULT '5' UNIQUE", "", "(5)", "(NULL)"),
        ("u", "CREATE UNIQUE INDEX i ON t (u COLLATE NOCASE DESC)", "('a')", "('A')"),
        ("u TEXT COLLATE NOCASE UNIQUE", "", "('a')", "('A')"),
        ("u", "CREATE UNIQUE INDEX i ON t (lower(u || ',)') /* , ) */ COLLATE RTRIM ASC)", "('a')", "('A')"),
        ("u", "CREATE UNIQUE INDEX i ON t (u) WHERE u > 1.5 AND u <> x'00'", "(5)", "(5)"),
        ("u, g AS (u % 10) STORED", "CREATE UNIQUE INDEX i ON t (g)", "(5)", "(15)"),
        ("u, g AS (u % 10)", "CREATE UNIQUE INDEX i ON t (g)", "(5)", "(15)"),
    ])
    func conflictsByEveryIndex(column: String, index: String, first: String, second: String) throws {
        let captured = try Captured("CREATE TABLE t (id INTEGER PRIMARY KEY, \(column)); \(index)")
        try captured.database.execute("INSERT INTO t (u) VALUES \(first); REPLACE INTO t (id, u) SELECT 9, column1 FROM (VALUES \(second))")
        #expect(try captured.standing().count == 1)
        #expect(try captured.isRight())
        try captured.database.execute("INSERT INTO t (id) SELECT 20 WHERE 0; UPDATE OR REPLACE t SET id = 30")
        #expect(try captured.isRight())
    }

    @Test("D4: with a newer trigger of the application, the row is logged as it stands") func laterTriggersMakeNewStale() throws {
        let captured = try Captured(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, v)",
            after: "CREATE TRIGGER app AFTER INSERT ON t BEGIN UPDATE t SET v = 'touched' WHERE id = new.id; END")
        try captured.database.execute("INSERT INTO t VALUES (1, 'a')")
        #expect(try captured.isRight())
    }

    @Test("F6: keys carry their storage class") func keysCarryTheirStorageClass() throws {
        let captured = try Captured("CREATE TABLE t (k NOT NULL PRIMARY KEY, v)")
        try captured.database.execute(
            "INSERT INTO t VALUES (1, 'i'), ('1', 't'), (x'31', 'b'); REPLACE INTO t VALUES (1.0, 'r'); DELETE FROM t WHERE k = '1'")
        #expect(try captured.isRight())
        #expect(try captured.standing().count == 2)
    }

    @Test("F6: which keys identify a row") func keysAreChosen() throws {
        let database = try SQLiteDatabase(path: ":memory:", mode: .create)
        try database.execute(
            """
            CREATE TABLE a (id INTEGER PRIMARY KEY, "x y" TEXT); CREATE TABLE b (k TEXT PRIMARY KEY);
            CREATE TABLE c (k TEXT PRIMARY KEY NOT NULL); CREATE TABLE d (a, b, PRIMARY KEY (b, a)) WITHOUT ROWID;
            CREATE TABLE e (a NOT NULL, b NOT NULL); CREATE UNIQUE INDEX e1 ON e (a) WHERE b;
            CREATE UNIQUE INDEX e2 ON e (a, b); CREATE TABLE f (a NOT NULL); CREATE UNIQUE INDEX f1 ON f (abs(a));
            CREATE TABLE g (id INTEGER PRIMARY KEY DESC); CREATE TABLE h (id INT PRIMARY KEY NOT NULL) STRICT;
            CREATE VIRTUAL TABLE z USING fts5(body); CREATE VIEW w AS SELECT 1;
            """)
        try database.execute(installSQL())
        let keys = try SQLiteCatalog(database).tables().map { "\($0.name):\($0.key?.columns.joined(separator: ",") ?? "-")" }
        #expect(keys == ["a:id", "b:-", "c:k", "d:b,a", "e:a,b", "f:-", "g:-", "h:id"])
        try database.execute(installSQL())
        try database.execute(installSQL("uninstall.sql"))
        #expect(try database.rows("SELECT name FROM sqlite_schema WHERE name GLOB 'tidemark*' OR name = 'data_changes'").isEmpty)
    }
}
