import Foundation
import Testing
import TidemarkCore

@testable import TidemarkSQLite

/// What could slip past triggers that see rows.
@Suite("SQLite: the guard")
struct GuardTests {
    private let path = FileManager.default.temporaryDirectory.path + "/tidemark-guard-\(UUID().uuidString).db"
    private let roles: SQLiteRoleAdministration

    init() throws {
        let database = try SQLiteDatabase(path: path, mode: .create)
        try database.execute(
            """
            CREATE TABLE parent (id INTEGER PRIMARY KEY);
            CREATE TABLE child (id INTEGER PRIMARY KEY, v TEXT UNIQUE, parent INTEGER REFERENCES parent ON DELETE CASCADE);
            CREATE TABLE wide (a TEXT, b TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID;
            CREATE TABLE other (id INTEGER);
            CREATE TRIGGER copies AFTER INSERT ON other BEGIN INSERT INTO child VALUES (new.id, 'by trigger', NULL); END;
            CREATE VIEW seen AS SELECT id, v FROM child;
            CREATE TRIGGER through INSTEAD OF UPDATE ON seen BEGIN UPDATE child SET v = new.v WHERE id = old.id; END;
            INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1, 'a', 1); INSERT INTO wide VALUES ('a', 'b');
            """)
        roles = try SQLiteRoleAdministration(path: path, side: "target")
        try roles.installRoles()
        try roles.raiseGuard(
            on: ["CHILD", "wide"].map { TableName(schema: "public", name: $0) }, of: "it's", noting: Standing(.replica, epoch: 1, cause: .setup), waitMs: 100)
    }

    @Test("refuses every form of a write, and what comes of another table's", arguments: [
        "INSERT OR IGNORE INTO child VALUES (2, 'b', 1)", "INSERT OR REPLACE INTO child VALUES (1, 'b', 1)", "REPLACE INTO wide VALUES ('a', 'b')",
        "INSERT OR FAIL INTO child VALUES (2, 'b', 1)", "INSERT OR ROLLBACK INTO child VALUES (2, 'b', 1)",
        "INSERT INTO child VALUES (1, 'b', 1) ON CONFLICT (id) DO UPDATE SET v = excluded.v", "INSERT INTO child VALUES (1, 'b', 1) ON CONFLICT DO NOTHING",
        "UPDATE OR REPLACE child SET v = 'c'", "UPDATE OR IGNORE child SET v = 'c'", "UPDATE child SET v = 'c' WHERE id = 1", "UPDATE wide SET b = 'c'",
        "DELETE FROM child", "DELETE FROM wide WHERE a = 'a'", "DELETE FROM parent", "INSERT INTO other VALUES (5)", "UPDATE seen SET v = 'c'",
        "WITH n(i) AS (VALUES (4)) INSERT INTO child SELECT i, 'n', 1 FROM n RETURNING id",
    ])
    func forms(sql: String) throws {
        let application = try SQLiteDatabase(path: path, mode: .readWrite)
        try application.execute("PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = OFF")
        let failure = #expect(throws: SQLiteFailure.self) { try application.execute(sql) }
        #expect(failure?.message.hasPrefix("tidemark: table") == true, "\(failure?.message ?? "")")
        #expect(failure?.message.contains("replica of pipeline it's") == true)
        #expect(try application.rows("SELECT * FROM child") == [[.integer(1), .string("a"), .integer(1)]])
        #expect(try application.rows("SELECT * FROM wide") == [[.string("a"), .string("b")]])
        #expect(try application.rows("SELECT count(*) FROM other, parent") == [[.integer(0)]])
    }

    @Test("a guard raised in another role says so from then on")
    func role() throws {
        let tables = [TableName(schema: nil, name: "child")]
        try roles.raiseGuard(on: tables, of: "it's", noting: Standing(.fenced, epoch: 2, cause: .switchover), waitMs: 100)
        let application = try SQLiteDatabase(path: path, mode: .readWrite)
        let failure = #expect(throws: SQLiteFailure.self) { try application.execute("DELETE FROM child") }
        #expect(failure?.message.contains("fenced") == true)
        #expect(try roles.guardedTables(of: "it's").count == 2)
    }

    @Test("who writes all the while is waited for, and nothing is changed")
    func busy() throws {
        let application = try SQLiteDatabase(path: path, mode: .readWrite)
        try application.execute("BEGIN IMMEDIATE; INSERT INTO parent VALUES (2)")
        let tables = [TableName(schema: nil, name: "parent")]
        let standing = Standing(.fenced, epoch: 2, cause: .switchover)
        let failure = #expect(throws: TidemarkError.self) { try roles.raiseGuard(on: tables, of: "it's", noting: standing, waitMs: 50) }
        #expect(failure?.remedy.contains("fuser") == true)
        try application.execute("COMMIT")
        #expect(try roles.guardedTables(of: "it's").count == 2)
        #expect(try roles.standing(of: "it's")?.role == .replica)
        try roles.raiseGuard(on: tables, of: "it's", noting: standing, waitMs: 50)
        #expect(try roles.guardedTables(of: "it's").count == 3)
    }
}
