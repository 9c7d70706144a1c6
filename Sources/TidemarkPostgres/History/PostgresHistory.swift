package import TidemarkCore

/// The past of one PostgreSQL database, as its log holds it.
package final class PostgresHistory: SourceHistory {
    let session: PostgresSession
    private let log: LogReading

    package init(_ url: String) throws {
        session = try reporting("the source cannot be reached") { try PostgresSession(url) }
        log = LogReading(session: session, prepared: PreparedStatements(session))
    }

    package func identity() throws -> String {
        try reporting("the source cannot be identified") { try SourceIdentity.read(in: session) }
    }

    package func capturedTables() throws -> [CapturedTable] {
        try reporting("the registry of captured tables cannot be read") {
            guard try CaptureRegistry.isInstalled(in: session) else { throw Self.notSetUp }
            // setup renews it, and this reads columns that it adds.
            let isCurrent = try session.query(
                "select exists (select from pg_attribute where attrelid = 'tidemark.data_changes'::regclass and attname = 'before')")
            guard isCurrent[0, 0] == "t" else { throw OlderLog.error() }
            return try CaptureRegistry.tables(in: session)
        }
    }

    package func selection(of pipeline: String) throws -> TableSelection? {
        try reporting("the pipeline's record cannot be read") { try RecordedRequest(of: pipeline, in: session)?.request.selection }
    }

    package func place(_ name: PlaceName) throws -> HistoryPlace {
        try reporting("the source's ticks cannot be read") { try HistoryPlaces(session: session).newest(name) }
    }

    package func oldImages(_ ids: ClosedRange<Int64>) throws -> [OldImage] {
        try reporting("the change log cannot be read") {
            let rows = try session.query(
                """
                select capture, key, before from tidemark.data_changes
                where id between $1 and $2 and key is not null and before <> '' order by id
                """, [.text(String(ids.lowerBound)), .text(String(ids.upperBound))])
            return (0..<rows.count).map { row in
                OldImage(capture: Int32(rows[row, 0] ?? "") ?? 0, key: rows[row, 1] ?? "", image: rows[row, 2] ?? "")
            }
        }
    }

    package func holdNow() throws -> Int64 {
        try reporting("the change log cannot be read") {
            try session.run("begin isolation level repeatable read read only; set local enable_seqscan = off; set local jit = off; set local work_mem = '32MB'")
            return try CaptureRegistry.lastDrawnID(in: session)
        }
    }

    package func changes(of table: CapturedTable, since place: HistoryPlace, _ receive: (RowHistory) throws -> Void) throws {
        try reporting("the change log cannot be read") {
            let now = try TransactionSnapshot.parsed(try session.query("select pg_current_snapshot()")[0, 0])
            let captures = try generations(of: [table]).keys
            let rows = try LoggedPast(table: table, captures: captures.sorted(), ids: above(place, seenBy: now), place: place, end: now)
            try session.run("declare tidemark_past no scroll cursor for \(table.keyColumns.isEmpty ? rows.wholeRows : rows.rows)")
            defer { _ = try? session.run("close tidemark_past") }
            while true {
                let some = try session.query("fetch \(Self.rowsPerFetch) from tidemark_past")
                for row in 0..<some.count { try receive(Self.history(some, row)) }
                if some.count < Self.rowsPerFetch { return }
            }
        }
    }

    private static let rowsPerFetch = 500

    private static func history(_ rows: PostgresRows, _ row: Int) -> RowHistory {
        let before: RowHistory.Before = rows[row, 1] != "t" ? .unknown : rows[row, 2].map { $0.isEmpty ? .tooLarge : .image($0) } ?? .absent
        return RowHistory(
            key: rows[row, 0], before: before, after: rows[row, 3], wasInserted: rows[row, 4] == "t", count: Int64(rows[row, 5] ?? "") ?? 1)
    }

    package func requireOldImages(of tables: [CapturedTable], from start: Snapshot, backTo place: HistoryPlace) throws {
        try reporting("the change log cannot be examined") {
            let end = try Self.transactions(start)
            try HistoryObstacles(session: session, place: place, end: end, above: try above(place, seenBy: end)).refuse(tables)
        }
    }

    package func readBack(
        _ tables: [CapturedTable], from start: Snapshot, to place: HistoryPlace, _ receive: (ChangePage) throws -> Void
    ) throws {
        try reporting("the change log cannot be read") {
            let end = try Self.transactions(start)
            try session.run("set enable_seqscan = off; set jit = off; set work_mem = '32MB'")
            let query = LoggedPast.backward(try generations(of: tables), ids: try above(place, seenBy: end), place: place, end: end)
            try session.copyOutChanges(query, ReadLimits(), receive)
        }
    }

    package func keep(_ pipeline: String, from place: HistoryPlace) throws {
        try reporting("the source was not told to keep its log") {
            let places = HistoryPlaces(session: session)
            try session.run("begin")
            do {
                // Pruning looks at the pipelines first: from here on it waits, or has been.
                try session.run("lock table tidemark.pipeline, tidemark.retained in share row exclusive mode")
                guard try places.isReached(place) else { throw try places.unreachable() }
                try session.query(
                    """
                    update tidemark.pipeline set snapshot = $2, witness = $3, last_id = $4, confirmed_at = clock_timestamp()
                    where name = $1 and lost_at is null
                    """,
                    [.text(pipeline), .text(place.snapshot.description), .text(place.witness), .text(String(place.lastID))])
                try session.run("commit")
            } catch {
                session.rollback()
                throw error
            }
        }
    }

    /// Every generation of the tables' capture, with the one that stands for it.
    private func generations(of tables: [CapturedTable]) throws -> [Int32: Int32] {
        let all = try CaptureRegistry.tables(in: session)
        var found: [Int32: Int32] = [:]
        for table in tables { for other in all where other.name == table.name { found[other.capture] = table.capture } }
        return found
    }

    private func above(_ place: HistoryPlace, seenBy end: TransactionSnapshot) throws -> Int64 {
        try log.lowestID(notSeenBy: try Self.transactions(place.snapshot), endedIn: end)
    }

    static func transactions(_ snapshot: Snapshot) throws -> TransactionSnapshot {
        guard case .transactions(let transactions) = snapshot else {
            throw TidemarkError(
                "that is no place in a PostgreSQL source", why: "it is \(snapshot)",
                remedy: "Point --source at the database that the pipeline was set up for.")
        }
        return transactions
    }

    private static let notSetUp = TidemarkError(
        "the source is not set up", why: "it has no schema tidemark", remedy: "Type: tidemark setup --source … --target …")
}
