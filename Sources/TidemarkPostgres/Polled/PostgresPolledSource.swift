package import TidemarkCore

/// Reads tables of a database in which nothing of tidemark's is, as a role that may only read: of a hot standby as well. Confined to one
/// thread.
package final class PostgresPolledSource: PolledSource {
    private let session: PostgresSession
    private let rows: HeldRows
    private let limits: ReadLimits
    private var rules = TableRules()
    private var relations: [TableName: PolledRelation] = [:]
    private var isHeld = false

    package init(_ url: String) throws {
        session = try reporting("the source cannot be reached") {
            let session = try PostgresSession(url)
            try session.run("set session default_transaction_read_only = on")
            return session
        }
        rows = HeldRows(session: session)
        limits = ReadLimits()
    }

    package func identity() throws -> String {
        try reporting("the source cannot be identified") {
            let database = "(select oid from pg_database where datname = current_database())"
            // Some hosts let nobody see the first.
            let may = try session.query("select has_function_privilege('pg_control_system()', 'execute')")[0, 0] == "t"
            let system = may ? "(select system_identifier::text from pg_control_system())" : "'?'"
            return try session.query("select \(system) || '/' || \(database) || '/polled'")[0, 0] ?? ""
        }
    }

    package func tables(_ selection: TableSelection, _ rules: TableRules) throws -> [CapturedTable] {
        try reporting("the source's tables cannot be read") {
            relations = [:]
            self.rules = rules
            return try UserTables.all(in: session).filter { selection.takes($0.name) }.map { found in
                let relation = try self.relation(found)
                relations[found.name] = relation
                return relation.table
            }
        }
    }

    private func relation(_ found: SourceTable) throws -> PolledRelation {
        try naming(found.name) { try PolledRelation(found, by: rules, in: session) }
    }

    package func hold(_ tables: [TableName]) throws {
        try reporting("the source cannot be held still") {
            release()
            try rows.begin("read only", locking: tables)
            isHeld = true
            do {
                // What LOCK TABLE waited for is seen: this takes the snapshot.
                for found in try UserTables.all(in: session) where tables.contains(found.name) {
                    guard try relation(found).table == relations[found.name]?.table else { throw altered(found.name) }
                }
            } catch {
                release()
                throw error
            }
        }
    }

    private func altered(_ table: TableName) -> TidemarkError {
        TidemarkError(
            "a table of the source was altered", table: table, why: "it is no longer as it was when the tables were listed",
            remedy: "Nothing to do: they are listed again.", retry: .later)
    }

    package func release() {
        isHeld = false
        rows.release()
    }

    package func size(of table: CapturedTable) throws -> TableSize {
        try reading(table) { try RelationSize.read(of: $0.oid, in: session) }
    }

    package func keyOrder(of table: CapturedTable) throws -> [String] {
        try reading(table) { relation in
            // By the names here: the terms do not hold names.
            let own = relation.keys.compactMap { relation.columns[relation.sourceName(of: $0.name)] }
            return try KeyOrdering(session: session, relation: relation.oid).terms(of: own)
        }
    }

    package func key(in part: TablePart, afterRows count: Int) throws -> String? {
        try reading(part) { relation, range in
            guard !relation.keys.isEmpty else { return nil }
            return try range.key(afterRows: count, of: relation.rows, in: session)
        }
    }

    package func read(_ part: TablePart, _ receive: (ChangePage) throws -> Void) throws {
        try reading(part) { relation, range in
            try session.copyOutChanges(relation.query(of: range), limits, receive)
        }
    }

    package func keys(of part: TablePart, _ receive: (ChangePage) throws -> Void) throws {
        try reading(part) { relation, range in
            try session.copyOutChanges(relation.keyQuery(of: range), limits) { page in
                var keys = ChangePage()
                page.bytes.withUnsafeBytes { bytes in
                    for change in page.changes {
                        keys.append(
                            id: change.id, capture: change.capture, operation: .update,
                            key: change.key.map { UnsafeRawBufferPointer(rebasing: bytes[$0]) }, image: nil)
                    }
                }
                try receive(keys)
            }
        }
    }

    package func reach(of table: CapturedTable, by incremental: IncrementalReading) throws -> IncrementalReach {
        // Rows that are read in the same snapshot may lack those of a transaction that ended before the look at what is open.
        let mayCountAtOnce = !isHeld
        let mark = try reading(table) { relation -> ChangeMark? in
            let marks = try ChangeMarks(incremental, of: relation, in: session)
            try SequenceBlocks.refuse(relation, incremental, in: session)
            if let highest = try session.query(marks.highest(of: relation))[0, 0] { return ChangeMark(json: highest) }
            guard let any = marks.anyUnvalued(of: relation), try session.query(any)[0, 0] == "t" else { return nil }
            return ChangeMark(json: "{}")
        }
        // In a transaction of its own where nothing is held, after that of the mark.
        let open = try reading(table) { _ in try OpenTransactions(in: session) }
        return IncrementalReach(mark: mark, horizon: open.areNone && mayCountAtOnce ? nil : open.horizon)
    }

    package func isPast(_ horizon: String) throws -> Bool {
        let open = try OpenTransactions(horizon: horizon)
        return try reporting("the source's open transactions cannot be read") { try open.haveEnded(in: session) }
    }

    package func read(
        _ table: CapturedTable, by incremental: IncrementalReading, after mark: ChangeMark?, through end: ChangeMark,
        _ receive: (ChangePage) throws -> Void
    ) throws {
        try reading(table) { relation in
            let marks = try ChangeMarks(incremental, of: relation, in: session)
            let start = try mark.flatMap { try marks.isOf($0, in: session) ? $0 : nil }
            let hasEnd = try marks.isOf(end, in: session)
            try marks.bind(after: start, through: hasEnd ? end : nil, in: session)
            let condition = marks.condition(hasStart: start != nil, hasEnd: hasEnd)
            // The first time the whole table would have to be sorted, and nothing is gained.
            try session.copyOutChanges(relation.query(where: condition, order: start == nil ? nil : marks.order), limits, receive)
        }
    }

    // MARK: Reading

    private func reading<Result>(_ part: TablePart, _ body: (PolledRelation, KeyRange) throws -> Result) throws -> Result {
        try reading(part.table) { relation in
            let range = KeyRange(of: part, keys: relation.keys)
            try range.bind(in: session)
            return try body(relation, range)
        }
    }

    /// At the moment that is held, or at one of its own.
    private func reading<Result>(_ table: CapturedTable, _ body: (PolledRelation) throws -> Result) throws -> Result {
        guard let relation = relations[table.name] else {
            throw TidemarkError(
                "a table is not there", table: table.name, why: "it was dropped, or renamed",
                remedy: "If that is meant, take it out of the pipeline's tables; otherwise type the command again.")
        }
        guard relation.table == table else { throw altered(table.name) }
        do {
            return try naming(table.name) {
                if isHeld { return try body(relation) }
                try session.run("begin isolation level repeatable read read only; set local lock_timeout = '\(TableLocks.timeoutMs)ms'")
                let result = try body(relation)
                try session.run("commit")
                return result
            }
        } catch {
            // Also what the caller threw: a COPY that was given up has ended the transaction.
            release()
            throw error
        }
    }

    private func naming<Result>(_ table: TableName, _ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let failure as PostgresFailure {
            var reported = failure.reported("rows of the source cannot be read")
            reported.table = table
            if failure.sqlState == "42501" {
                let role = (try? session.query("select quote_ident(current_user)")[0, 0]) ?? "<role>"
                reported.remedy = "Type on the source: grant select on \(PostgresIdentifier.quoted(table)) to \(role); and grant usage on its schema."
                    + " Where row-level security would hide rows: alter role \(role) bypassrls; Or leave the table out of the pipeline's."
            }
            throw reported
        }
    }
}
