import CSQLite
import Foundation
import TidemarkCore

@testable import TidemarkSQLite

/// A seeded generator, so that a failing history can be run again.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

extension SQLiteDatabase {
    /// Ends an endless recursion of the application's triggers early: SQLite's limit of 1,000 takes seconds to reach.
    func limitTriggerDepth() { sqlite3_limit(handle, SQLITE_LIMIT_TRIGGER_DEPTH, 25) }
}

/// The repository's own SQL, found from this file.
func installSQL(_ name: String = "install.sql") throws -> String {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    return try String(contentsOf: root.appendingPathComponent("sql/sqlite/\(name)"), encoding: .utf8)
}

/// A database in memory with one captured table `t`.
final class Captured {
    let database: SQLiteDatabase
    let table: SQLiteTable
    // The log is only appended to, so each look replays what is new.
    private var replayedID: Int64 = 0
    private var keyed: [String: String] = [:]
    private var counts: [String: Int] = [:]
    private var standingStatement: SQLiteStatement?

    init(_ schema: String, before: String = "", after: String = "", guarded: Bool = false, images: CapturedImages = .new) throws {
        database = try SQLiteDatabase(path: ":memory:", mode: .create)
        database.limitTriggerDepth()
        try database.execute(schema)
        try database.execute(before)
        try database.execute(installSQL())
        guard let found = try SQLiteCatalog(database).tables().first(where: { $0.name == "t" }) else {
            throw SQLiteFailure(code: 1, message: "no table t")
        }
        table = found
        for sql in try SQLiteTriggers(table: found, capture: 7, images: images, guardsNestedWrites: guarded).create {
            try database.execute(sql)
        }
        try database.execute(after)
    }

    /// Rows that the log says are there.
    func replayed() throws -> [String: Int] {
        let rows = try database.rows(
            "SELECT operation, key, image, id FROM data_changes WHERE id > ? AND operation <> 'B' ORDER BY id", [.integer(replayedID)])
        for row in rows {
            let isDelete = row[0] == .string("D")
            if let key = row[1].string {
                keyed[key] = isDelete ? nil : row[2].string
            } else {
                counts[row[2].string ?? "?", default: 0] += isDelete ? -1 : 1
            }
        }
        replayedID = rows.last?[3].integer ?? replayedID
        var all = counts
        for image in keyed.values { all[image, default: 0] += 1 }
        return all.filter { $0.value != 0 }
    }

    /// Rows that are there.
    func standing() throws -> [String: Int] {
        let statement: SQLiteStatement
        if let known = standingStatement {
            statement = known
        } else {
            statement = try database.prepare("SELECT \(SQLiteEncoding.object(table.columns.map(\.name), of: "t")) FROM t")
            standingStatement = statement
        }
        var counts: [String: Int] = [:]
        while try statement.step() { counts[statement.column(0).string ?? "?", default: 0] += 1 }
        statement.reset()
        return counts
    }

    func isRight() throws -> Bool { try replayed() == standing() }

    func log() throws -> [String] {
        try database.rows("SELECT operation || coalesce(key, '') FROM data_changes ORDER BY id").map { $0[0].string ?? "" }
    }
}
