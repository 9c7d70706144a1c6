import TidemarkCore

/// The window's changes of tables that have a rule for conflicts, put aside in a temporary table of the target until the window's
/// end. There they are settled run by run: changes that follow each other and were first made in one database.
struct ConflictStage {
    static let table = "pg_temp.tidemark_shared"

    private let tables: TargetTables
    private var session: PostgresSession { tables.session }
    /// The captures whose changes are put aside; nil until the first page.
    private var shared: Set<Int32>?
    private var used: [Int32: SharedTable] = [:]
    /// The generation that a table's last change had: another one begins a run.
    private var generations: [TableName: Int32] = [:]
    /// Where each run was first made; nil for the source itself.
    private var origins: [String?] = []

    init(_ tables: TargetTables) { self.tables = tables }

    var tablesUsed: [TargetTable] { used.keys.sorted().compactMap { used[$0]?.target } }

    /// Puts aside what belongs here.
    /// - Returns: the page without that.
    mutating func take(_ page: ChangePage) throws -> ChangePage {
        let shared = self.shared ?? Set(tables.captured.values.filter { $0.conflicts != nil }.map(\.capture))
        self.shared = shared
        guard !shared.isEmpty, page.changes.contains(where: { shared.contains($0.capture) }) else { return page }
        var rest = ChangePage()
        var records: [UInt8] = [UInt8(ascii: "[")]
        for index in page.changes.indices {
            guard shared.contains(page.changes[index].capture) else {
                rest.take(index, from: page)
                continue
            }
            try append(index, of: page, to: &records)
        }
        records.append(UInt8(ascii: "]"))
        try ConflictTables(session).make()
        try session.query(
            """
            insert into \(Self.table) select x.n, x.i, x.c, coalesce(x.x, x.i::text), x.o, x.k, x.r, x.b
            from json_to_recordset($1) as x(n int, i bigint, c int, x text, o "char", k json, r json, b json)
            """, [.json(records)])
        return rest
    }

    private mutating func append(_ index: Int, of page: ChangePage, to records: inout [UInt8]) throws {
        let change = page.changes[index]
        let table = try tables.shared(change.capture)
        guard change.operation != .truncate else { throw table.truncated(change.id) }
        let before = page.before(index)
        guard change.operation.carriesRow || change.operation == .before, change.key != nil, before?.isEmpty != true else {
            throw tables.refusal(of: change, in: page)
        }
        let isRenewed = generations.updateValue(change.capture, forKey: table.captured.atTarget).map { $0 != change.capture } ?? false
        let origin = page.origin(index)
        if origins.isEmpty || isRenewed || origins[origins.count - 1] != origin { origins.append(origin) }
        used[change.capture] = table
        if records.count > 1 { records.append(UInt8(ascii: ",")) }
        records.append(contentsOf: "{\"n\":\(origins.count - 1),\"i\":\(change.id),\"c\":\(change.capture),\"o\":\"".utf8)
        records.append(change.operation.rawValue)
        records.append(UInt8(ascii: "\""))
        if !page.transactions.isEmpty { records.append(contentsOf: ",\"x\":\"\(page.transactions[index])\"".utf8) }
        for (label, range) in [(UInt8(ascii: "k"), change.key), (UInt8(ascii: "r"), change.image), (UInt8(ascii: "b"), before)] {
            guard let range else { continue }
            records.append(contentsOf: [0x2c, 0x22, label, 0x22, 0x3a])
            records.append(contentsOf: page.bytes[range])
        }
        records.append(UInt8(ascii: "}"))
    }

    /// Settles what was put aside.
    mutating func finish() throws {
        guard !used.isEmpty else { return }
        for capture in used.keys.sorted() { if let table = used[capture] { try ConflictFold(table).run() } }
        try session.run("analyze \(ConflictFold.steps)")
        let rounds = try session.query(
            "select run, capture, max(round) from \(ConflictFold.steps) group by run, capture order by run, min(change_id)")
        let identity = origins.contains { $0 != nil } ? try tables.origins.ownIdentity() : nil
        var begun = -1
        for row in 0..<rounds.count {
            let run = rounds[row, 0].flatMap { Int($0) } ?? 0
            // Made here first: it only says what later changes were made from.
            if let origin = origins[run], origin == identity { continue }
            if run != begun { try tables.origins.mark(origin: origins[run]) }
            begun = run
            guard let table = used[rounds[row, 1].flatMap { Int32($0) } ?? 0] else { continue }
            for round in 1...(rounds[row, 2].flatMap { Int($0) } ?? 1) {
                do {
                    try ConflictStep(table: table, run: run, round: round, origin: origins[run]).settle(marking: tables.origins)
                } catch let conflict as StoppedConflict {
                    tables.stoppedAt = conflict
                    throw table.stopped(at: conflict)
                }
            }
        }
    }
}

/// The temporary tables of a session, which are empty at the beginning of each transaction.
struct ConflictTables {
    private let session: PostgresSession

    init(_ session: PostgresSession) { self.session = session }

    func make() throws(PostgresFailure) {
        do {
            try session.run(
                """
                create temporary table if not exists tidemark_shared
                (run int, id bigint, capture int, xid text, operation "char", key json, image json, before json) on commit delete rows;
                create temporary table if not exists tidemark_step
                (capture int, run int, round int, key text, change_id bigint, before text, image text, gone boolean) on commit delete rows;
                create temporary table if not exists tidemark_outcome
                (key text, change_id bigint, kind text, before text, source text, target text, outcome text, gone boolean, home oid, place tid,
                 result text, buried text, clash text, stood boolean) on commit delete rows
                """)
        } catch {
            // So that the remedy speaks of temporary tables, and not of the one that is replicated.
            var named = error
            named.table = WindowStage.table
            throw named
        }
    }
}
