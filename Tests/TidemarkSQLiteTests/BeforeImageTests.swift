import Foundation
import Testing
import TidemarkCore

@testable import TidemarkSQLite

/// With image both, the log leads back to every place that was recorded.
@Suite struct BeforeImageTests {
    /// More shapes of keys than the histories of `HistoryTests` have.
    static let schemas = HistoryTests.schemas + [
        "CREATE TABLE t (id REAL PRIMARY KEY NOT NULL, u, v, w)",
        "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, u UNIQUE, v, w)",
    ]

    @Test("the state at a place is rebuilt from the one at the end and the log", arguments: Array(schemas.indices), Array(HistoryTests.applications.indices))
    func rebuilt(schema: Int, application: Int) throws {
        var wrong: [String] = []
        for history in 0..<max(2, HistoryTests.histories / 2) {
            var random = SplitMix(state: UInt64(schema * 100_000 + application * 1000 + history) &* 31)
            let early = history % 2 == 0
            let app = HistoryTests.applications[application]
            let captured = try Captured(
                Self.schemas[schema], before: early ? app : "", after: early ? "" : app, guarded: app.contains("BEFORE"), images: .both)
            try captured.database.execute("PRAGMA recursive_triggers = \(history % 4 < 2 ? "ON" : "OFF")")
            var places: [(id: Int64, rows: [String: Int], sql: String)] = []
            for _ in 0..<40 {
                let last = try captured.database.rows("SELECT max(id) FROM data_changes").first?.first?.integer ?? 0
                var sql = HistoryTests.statement(&random, keyless: schema == 5 || schema == 6)
                if !early, !app.isEmpty { sql = sql.replacing("OR FAIL", with: "OR ABORT") }
                places.append((last, try captured.standing(), sql))
                try? captured.database.execute(sql)
                if !(try captured.isRight()) { break }
            }
            for place in places.enumerated().filter({ $0.offset % 8 == history * 3 % 8 }).map(\.element).reversed() where try captured.rebuilt(at: place.id) != place.rows {
                wrong.append("history \(history), before \(place.sql): \(try captured.rebuilt(at: place.id)) is not \(place.rows)")
                break
            }
        }
        #expect(wrong == [], "\(wrong.count) histories")
    }

    @Test("a row that a trigger changes before its insertion is logged was not there before", arguments: ["(5, 'a')", "(NULL, 'a')"])
    func touchedInsertion(values: String) throws {
        let captured = try Captured(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, v)",
            after: "CREATE TRIGGER app AFTER INSERT ON t BEGIN UPDATE t SET v = 'touched' WHERE id = new.id; END", images: .both)
        try captured.database.execute("INSERT INTO t VALUES (2, 'x')")
        let place = try captured.database.rows("SELECT max(id) FROM data_changes").first?.first?.integer ?? 0
        let rows = try captured.standing()
        try captured.database.execute("INSERT INTO t VALUES \(values)")
        #expect(try captured.rebuilt(at: place) == rows)
        #expect(try captured.isRight())
    }
}

extension Captured {
    /// The rows at a place, from those at the end and the log.
    func rebuilt(at place: Int64) throws -> [String: Int] {
        var counts: [String: Int] = [:]
        guard let key = table.key else {
            counts = try standing()
            for row in try database.rows("SELECT operation, image FROM data_changes WHERE id > ?", [.integer(place)]) {
                counts[row[1].string ?? "?", default: 0] += row[0] == .string("I") ? -1 : 1
            }
            return counts.filter { $0.value != 0 }
        }
        try database.execute("CREATE INDEX IF NOT EXISTS by_key ON data_changes (key, id)")
        for row in try database.rows("SELECT \(SQLiteEncoding.object(key.columns, of: "t")), \(SQLiteEncoding.object(table.columns.map(\.name), of: "t")) FROM t") {
            guard try database.rows("SELECT 1 FROM data_changes WHERE id > ? AND key = ? LIMIT 1", [.integer(place), row[0]]).isEmpty else { continue }
            counts[row[1].string ?? "?", default: 0] += 1
        }
        for row in try database.rows("SELECT key, image, min(id) FROM data_changes WHERE id > ? AND operation = 'B' AND key IS NOT NULL GROUP BY key", [.integer(place)]) {
            guard let image = row[1].string else { continue }
            if key.isRowID, let text = row[0].string, let number = Int64(text.dropFirst(#"{"id":"#.count).dropLast()) {
                let isNewer = try !database.rows(
                    "SELECT 1 FROM data_changes WHERE id > ? AND id < ? AND operation = 'B' AND key IS NULL AND CAST(image AS INTEGER) < ?",
                    [.integer(place), row[2], .integer(number)]).isEmpty
                if isNewer { continue }
            }
            counts[image, default: 0] += 1
        }
        return counts
    }
}
