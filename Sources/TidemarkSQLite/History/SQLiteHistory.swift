package import TidemarkCore

/// The past of one SQLite database, as its log holds it.
package final class SQLiteHistory: SourceHistory {
    private let database: SQLiteDatabase
    private let path: String
    private let log: ChangeLog

    package init(path: String) throws {
        self.path = path
        database = try SQLiteFile(path, role: "source").open()
        log = ChangeLog(database: database)
    }

    package func identity() throws -> String {
        try saying("the source cannot be identified", path: path) {
            guard let id = try log.installID() else {
                throw TidemarkError(
                    "the source is not set up", why: "\(path) has no tidemark_installation",
                    remedy: "Type: tidemark setup --source sqlite:\(path) --target …")
            }
            return id
        }
    }

    package func capturedTables() throws -> [CapturedTable] {
        _ = try identity()
        return try saying("the registry cannot be read", path: path) {
            // setup renews an older version's, and this reads columns that it adds.
            guard try LogUpgrade(database: database).hasColumn("images", of: "tidemark_capture") else { throw OlderLog.error() }
            return try CaptureRegistry(database).capturedTables()
        }
    }

    package func selection(of pipeline: String) throws -> TableSelection? {
        try saying("the registry cannot be read", path: path) { try PipelineRegistry(database: database).request(of: pipeline)?.selection }
    }

    package func place(_ name: PlaceName) throws -> HistoryPlace {
        try saying("the places of the log cannot be read", path: path) {
            let (condition, value): (String, SQLiteValue) = switch name {
            case .time(let time): ("julianday(ticked_at) <= julianday(?)", .string(time))
            case .change(let id): ("last_id < ?", .integer(id))
            }
            let found = try places("WHERE \(condition) ORDER BY id DESC LIMIT 1", [value]).first
            guard let found, try isReached(found) else { throw try unreachable() }
            return found
        }
    }

    package func oldImages(_ ids: ClosedRange<Int64>) throws -> [OldImage] {
        try saying("the change log cannot be read", path: path) {
            try database.rows(
                """
                SELECT capture, key, image FROM main.data_changes
                WHERE id BETWEEN ? AND ? AND operation = 'B' AND key IS NOT NULL AND image IS NOT NULL ORDER BY id
                """, [.integer(ids.lowerBound), .integer(ids.upperBound)]
            ).map { OldImage(capture: Int32(truncatingIfNeeded: $0[0].integer ?? 0), key: $0[1].string ?? "", image: $0[2].string ?? "") }
        }
    }

    package func holdNow() throws -> Int64 {
        try saying("the change log cannot be read", path: path) {
            try database.execute("BEGIN")
            return try log.last()?.id ?? 0
        }
    }

    package func changes(of table: CapturedTable, since place: HistoryPlace, _ receive: (RowHistory) throws -> Void) throws {
        try saying("the change log cannot be read", path: path) {
            let statement = try LoggedPast(database, table, from: .max, to: place).statement(for: .reading)
            defer { statement.reset() }
            while try statement.step() {
                let before: RowHistory.Before = statement.int64(1) == 0 ? .unknown : statement.column(2).string.map { .image($0) } ?? .absent
                try receive(
                    RowHistory(
                        key: statement.column(0).string, before: before, after: statement.column(3).string,
                        wasInserted: statement.int64(4) == 1, count: statement.int64(5)))
            }
        }
    }

    package func requireOldImages(of tables: [CapturedTable], from start: Snapshot, backTo place: HistoryPlace) throws {
        try saying("the change log cannot be examined", path: path) {
            let names = Set(tables.map(\.name))
            if let unseen = try CaptureFingerprint(database).unseenChanges().first(where: { names.contains($0.table) && $0.capture == .max }) {
                throw CaptureFingerprint.error(unseen.table, why: unseen.why)
            }
            for table in tables { try HistoryObstacles(database: database, place: place, end: Self.id(start)).refuse(table) }
        }
    }

    package func readBack(
        _ tables: [CapturedTable], from start: Snapshot, to place: HistoryPlace, _ receive: (ChangePage) throws -> Void
    ) throws {
        try saying("the change log cannot be read", path: path) {
            // In the reverse order of the ids of all tables: each has its own statement, and the next change is the latest of them.
            var streams: [(statement: SQLiteStatement, table: CapturedTable)] = []
            defer { for stream in streams { stream.statement.reset() } }
            for table in tables {
                let statement = try LoggedPast(database, table, from: Self.id(start), to: place).statement(for: .backward)
                if try statement.step() { streams.append((statement, table)) }
            }
            let limits = SQLiteSourceLimits()
            var page = ChangePage()
            while let next = streams.indices.max(by: { streams[$0].statement.int64(0) < streams[$1].statement.int64(0) }) {
                let (statement, table) = streams[next]
                let operation: Operation = switch statement.int64(1) { case 0: .delete; case 1: .update; default: .insert }
                page.append(
                    id: BackwardID.logged(statement.int64(0)), capture: table.capture, operation: operation, key: statement.bytes(2),
                    image: statement.bytes(3))
                if page.changes.count >= limits.pageChangesMax || page.bytes.count >= limits.pageBytesMax {
                    try receive(page)
                    page = ChangePage()
                }
                if try !statement.step() {
                    statement.reset()
                    streams.remove(at: next)
                }
            }
            if !page.changes.isEmpty { try receive(page) }
        }
    }

    package func keep(_ pipeline: String, from place: HistoryPlace) throws {
        try saying("the source was not told to keep its log", pipeline: pipeline, path: path) {
            try WriteLock(database: database).hold {
                guard try isReached(place) else { throw try unreachable() }
                _ = try database.rows(
                    """
                    UPDATE main.tidemark_pipeline SET confirmed_id = ?, token = ?, confirmed_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
                    WHERE name = ? AND lost_at IS NULL
                    """, [.integer(place.lastID), .string(place.witness), .string(pipeline)])
            }
        }
    }

    /// Whole transactions end where tidemark wrote a tick.
    private func places(_ rest: String, _ values: [SQLiteValue]) throws(SQLiteFailure) -> [HistoryPlace] {
        try database.rows("SELECT last_id, token, ticked_at FROM main.tidemark_tick \(rest)", values).map { row in
            HistoryPlace(
                snapshot: .change(row[0].integer ?? 0), witness: row[1].string ?? "", lastID: row[0].integer ?? 0, time: row[2].string ?? "")
        }
    }

    /// The last row of the log that the place saw is its witness, and nothing behind it may be gone.
    private func isReached(_ place: HistoryPlace) throws(SQLiteFailure) -> Bool {
        try log.row(place.lastID)?.token == place.witness
    }

    private func unreachable() throws(SQLiteFailure) -> TidemarkError {
        let first = try database.rows("SELECT min(id) FROM main.data_changes").first?.first?.integer ?? .max
        let oldest = try places("WHERE last_id >= ? ORDER BY id LIMIT 1", [.integer(first)]).first
        return TidemarkError(
            "the change log does not lead back so far",
            why: oldest.map { "its oldest place is at \($0.time), change \($0.lastID)" } ?? "it holds nothing that its pipelines have applied",
            remedy: "Name a later place. What is to be kept from now on: tidemark setup --retain 24h …")
    }

    static func id(_ snapshot: Snapshot) throws -> Int64 {
        guard case .change(let id) = snapshot else {
            throw TidemarkError(
                "that is no place in a SQLite source", why: "it is \(snapshot)", remedy: "Point --source at the file that the pipeline was set up for.")
        }
        return id
    }
}
