import Foundation
import TidemarkPostgres
import TidemarkSQLite
import TidemarkTestSupport

/// An empty database of one engine, and the little that the suite asks of it.
protocol ScratchDatabase: Sendable {
    var address: String { get }
    /// Runs statements as an application would, in a session of its own.
    func run(_ sql: String) throws
    /// Every row of a table as text, in an order of its own; NULL is ∅.
    func rows(_ table: String, _ columns: [String]) throws -> [String]
    /// All of the schema, to compare before and after.
    func schema() throws -> String
}

enum ScratchEngine: String, CaseIterable, Sendable {
    case postgres, sqlite

    func database(_ purpose: String) throws -> any ScratchDatabase {
        switch self {
        case .postgres: ScratchPostgres(address: try ScratchCluster.shared.database(purpose))
        case .sqlite: try ScratchSQLite(purpose)
        }
    }
}

struct ScratchPostgres: ScratchDatabase {
    let address: String

    func run(_ sql: String) throws {
        let session = try PostgresSession(address)
        try session.run("set search_path = public")
        try session.run(sql)
    }

    func rows(_ table: String, _ columns: [String]) throws -> [String] {
        let session = try PostgresSession(address)
        try session.run("set search_path = public")
        let texts = columns.map { "coalesce(\($0)::text, '∅')" }.joined(separator: " || '|' || ")
        let found = try session.query("select \(texts) from \(table)")
        return (0..<found.count).map { found[$0, 0] ?? "" }.sorted()
    }

    func schema() throws -> String {
        let dump = Shell.run("\(ScratchCluster.binaries())/pg_dump", ["--schema-only", "-d", address]).output
        // Newer versions of pg_dump write a random key into every dump.
        return dump.split(separator: "\n").filter { !$0.contains("restrict ") }.joined(separator: "\n")
    }
}

struct ScratchSQLite: ScratchDatabase {
    private let path: String
    var address: String { "sqlite:\(path)" }

    init(_ purpose: String) throws {
        path = FileManager.default.temporaryDirectory.path + "/tidemark-\(purpose)-\(UUID().uuidString).db"
        let database = try SQLiteDatabase(path: path, mode: .create)
        try database.execute("PRAGMA journal_mode = WAL")
    }

    private init(path: String) { self.path = path }

    /// The same database in a file of its own.
    func copied() throws -> ScratchSQLite {
        let copy = path + "-\(UUID().uuidString).db"
        try SQLiteDatabase(path: path, mode: .readWrite).execute("VACUUM INTO '\(copy)'")
        return ScratchSQLite(path: copy)
    }

    func run(_ sql: String) throws {
        let database = try SQLiteDatabase(path: path, mode: .readWrite, busyTimeoutMilliseconds: 30_000)
        try database.execute("PRAGMA foreign_keys = ON")
        try database.execute(sql)
    }

    func rows(_ table: String, _ columns: [String]) throws -> [String] {
        let database = try SQLiteDatabase(path: path, mode: .readOnly, busyTimeoutMilliseconds: 30_000)
        let texts = columns.map { "coalesce(cast(\($0) as text), '∅')" }.joined(separator: " || '|' || ")
        return try database.rows("select \(texts) from \(table)").map { $0[0].string ?? "" }.sorted()
    }

    func schema() throws -> String {
        let database = try SQLiteDatabase(path: path, mode: .readOnly)
        return try database.rows("select type || ' ' || name || ' ' || coalesce(sql, '') from sqlite_schema order by 1")
            .map { $0[0].string ?? "" }.joined(separator: "\n")
    }
}
