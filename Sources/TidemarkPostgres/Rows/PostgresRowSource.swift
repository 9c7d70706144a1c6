package import TidemarkCore

/// Reads the rows of a source's tables at one position. Confined to one thread.
package final class PostgresRowSource: RowSource {
    private let session: PostgresSession
    private let rows: HeldRows
    private let shaping: SourceShaping
    /// A page of rows in native form: small, so that the server at the other end begins early.
    private static let nativeBytesMax = 256 << 10

    /// An exported snapshot is for any number of connections.
    package let readersMax = Int.max
    /// A held snapshot delays vacuum, and the lock that goes with it anyone who alters a table.
    package let holdMaxMs = 4_000

    package init(_ url: String) throws {
        session = try reporting("the source cannot be reached") { try PostgresSession(url) }
        shaping = SourceShaping(session)
        rows = HeldRows(session: session, shaping: shaping)
    }

    package func shape(_ rules: TableRules) throws { shaping.follow(rules) }

    package func hold(_ tables: [TableName]) throws -> HeldPosition {
        try reporting("the source cannot be held still") {
            rows.release()
            try shaping.prepare()
            try rows.begin("read only", locking: tables)
            let held = try session.query("select pg_current_snapshot(), pg_export_snapshot()")
            return HeldPosition(
                snapshot: .transactions(try TransactionSnapshot.parsed(held[0, 0])), share: held[0, 1],
                tables: try shaping.shaped(try CaptureRegistry.tables(in: session)))
        }
    }

    package func join(_ position: HeldPosition) throws {
        try reporting("a position of the source cannot be shared") {
            rows.release()
            try shaping.prepare()
            try session.run("begin isolation level repeatable read read only")
            try session.run("set transaction snapshot \(PostgresIdentifier.literal(position.share ?? ""))")
            // Who waits to alter a table waits for the connection that holds the position: it must not wait for him.
            try session.run("set local lock_timeout = '\(TableLocks.timeoutMs)ms'")
        }
    }

    package func release() { rows.release() }

    package func isInTheWay() throws -> Bool {
        try reporting("the source's locks cannot be read") { try rows.isInTheWay() }
    }

    package func keyOrder(of table: CapturedTable) throws -> [String] {
        try reporting("a table cannot be read") { try rows.relation(table).keyOrder }
    }

    package func size(of table: CapturedTable) throws -> TableSize {
        try reporting("a table cannot be measured") {
            try RelationSize.read(of: try rows.relation(table).oid, in: session)
        }
    }

    package func key(in part: TablePart, afterRows count: Int) throws -> String? {
        try reading(part) { relation, condition in
            guard !relation.keyOrder.isEmpty else { return nil }
            let order = relation.keys.map { "t.\($0.quoted)" }.joined(separator: ", ")
            let found = try session.query(
                """
                select \(relation.identity()) from (select \(order) from \(condition.from) order by \(order) offset $1 limit 2) t
                order by \(order)
                """, [.text(String(count - 1))])
            return found.count == 2 ? found[0, 0] : nil
        }
    }

    package func check(condition: String, of table: CapturedTable) throws {
        let fault = { (why: String) in
            TidemarkError(
                "the condition cannot be used", table: table.name, why: why,
                remedy: "--where takes what may stand behind WHERE in a query of the source, such as: id > 100 and region = 'north'")
        }
        do {
            // Also without parentheses, so that none of the condition's own can close ours; and by a way of asking that
            // takes one statement only, so that nothing hides behind it.
            let relation = try rows.relation(table)
            for text in [condition, "(\(condition)\n)"] {
                try session.query("explain select 1 from \(relation.plain) as t where \(text)\n")
            }
        } catch let failure as PostgresFailure {
            guard !failure.isConnectionLost else { throw failure.reported("the condition cannot be checked") }
            throw fault("the source says: \(failure.message)")
        }
    }

    package func read(_ part: TablePart, as form: RowForm, _ receive: (RowPage) throws -> Void) throws {
        try reading(part) { relation, condition in
            switch form {
            case .native(let columns):
                let list = columns.map { "t.\(PostgresIdentifier.quoted($0))" }.joined(separator: ", ")
                try readNative("select \(list) from \(condition.from)", receive)
            case .changes:
                try session.copyOutChanges(try query(of: part, relation, condition), ReadLimits()) { try receive(.changes($0)) }
            }
        }
    }

    package func digests(of part: TablePart, buckets: Int) throws -> [Int: RowDigest] {
        try reading(part) { _, _ in try rows.digests(of: part, buckets: buckets) }
    }

    package func list(_ part: TablePart, buckets: Int, chosen: Set<Int>, _ receive: (RowFingerprint) throws -> Void) throws {
        try reading(part) { _, _ in try rows.list(part, buckets: buckets, chosen: chosen, receive) }
    }

    package func columnHashes(of table: CapturedTable, keys: [String]) throws -> [String: [Int64]] {
        try reading(TablePart(table)) { _, _ in try rows.columnHashes(of: table, keys: keys) }
    }

    private func reading<Result>(
        _ part: TablePart, _ body: (RowRelation, PartCondition) throws -> Result
    ) throws -> Result {
        do {
            let relation = try rows.relation(part.table)
            let condition = PartCondition(part, of: relation)
            try condition.bind(in: session)
            return try body(relation, condition)
        } catch let failure as PostgresFailure {
            var reported = failure.reported("rows of the source cannot be read")
            reported.table = part.table.name
            throw reported
        }
    }

    /// Rows as capture would log them, in the columns that `ChangeDecoder` reads; numbered, since a change's place
    /// among the others goes by its id.
    private func query(of part: TablePart, _ relation: RowRelation, _ condition: PartCondition) throws -> String {
        let written = try WrittenRow(of: relation, in: session)
        let (image, key) = (written.image, written.key)
        let capture = part.table.capture
        guard part.keys != nil else {
            let operation = relation.keys.isEmpty ? "I" : "U"
            return """
                select row_number() over (), \(capture)::int, '\(operation)'::"char", r.key, r.image
                from (select (\(key))::text as key, \(image) as image from \(condition.from) offset 0) r
                """
        }
        return """
            select row_number() over (), \(capture)::int, case when r.gone then 'D' else 'U' end::"char", r.key, r.image
            from (select t.ctid is null as gone, case when t.ctid is null then \(written.keyOfList) else \(key) end as key,
                         case when t.ctid is not null then \(image) end as image
                  from \(condition.fromEachKey) offset 0) r
            """
    }

    private func readNative(_ query: String, _ receive: (RowPage) throws -> Void) throws {
        var page = NativeRows()
        page.bytes.reserveCapacity(Self.nativeBytesMax + 4096)
        try session.copyOut(query, as: .text) { buffer in
            page.bytes.append(contentsOf: buffer)
            page.count += 1
            if page.bytes.count >= Self.nativeBytesMax {
                try receive(.native(page))
                page = NativeRows()
                page.bytes.reserveCapacity(Self.nativeBytesMax + 4096)
            }
        }
        if page.count > 0 { try receive(.native(page)) }
    }
}
