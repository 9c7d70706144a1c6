package import TidemarkCore

/// What is set aside of a window, in the window's transaction.
struct WindowParking {
    private let records: ParkedRecords
    private let ids: [Int64]
    private let tables: [Int32: CapturedTable]
    private let worker: String
    private var known: Set<Int32> = []

    init(_ records: ParkedRecords, _ faults: [ParkedFault], tables: [Int32: CapturedTable], by worker: String?) throws(PostgresFailure) {
        (self.records, self.tables, self.worker) = (records, tables, worker ?? "tidemark")
        ids = faults.isEmpty ? [] : try records.add(faults)
    }

    mutating func keep(_ part: SplitPage) throws(PostgresFailure) { try records.add(part, ids: ids, tables: tables, known: &known) }

    /// After the last page.
    func finish() throws(PostgresFailure) { try records.noteParked(ids, by: worker) }
}

extension PostgresTarget {
    package func comparesKeysByText(_ table: CapturedTable) -> Bool {
        tables.captured[table.capture] = table
        return (try? tables.statements(table.capture).keysCompareByText) ?? false
    }

    package func parkedScope() throws -> ParkedScope? {
        do {
            return try parked.exist() ? try parked.scope() : nil
        } catch {
            throw TargetFault(error, context: context).error("what is parked cannot be read")
        }
    }

    /// Page by page first, as a window; where a page does not fit by itself, as a whole.
    package func settle(_ settlement: ParkedSettlement) throws -> [SettledTransaction] {
        do {
            guard try parked.exist() else { throw ParkedSettlement.isUnknown(settlement.ids.first) }
            do {
                return try settle(settlement, PagedWindow(tables))
            } catch is PageRefusal {
                session.rollback()
                return try settle(settlement, StagedWindow(tables))
            }
        } catch {
            session.rollback()
            tables.forget()
            guard let failure = error as? PostgresFailure else { throw error }
            throw TargetFault(failure, context: context).error("parked changes cannot be settled")
        }
    }

    /// The cursor is locked first: a worker waits, and then finds it raised.
    private func settle(_ settlement: ParkedSettlement, _ start: some WindowWork) throws -> [SettledTransaction] {
        try session.run(context.begin)
        try session.query("select from tidemark.cursor where pipeline = $1 for update", [.text(context.pipeline)])
        guard let stored = try cursorRow.stored() else { throw ParkedSettlement.isUnknown(settlement.ids.first) }
        if let refusal = stored.refusal(of: nil, pipeline: context.pipeline) { throw refusal }
        let ids = try parked.settledWith(settlement.ids)
        guard let missing = settlement.ids.first(where: { !ids.contains($0) }) else {
            tables.origins.begin(source: stored.cursor.source)
            if settlement.action == .retried { try replay(ids, start) }
            let settled = try parked.remove(ids, noting: settlement.action.rawValue, by: settlement.by)
            try session.query("update tidemark.cursor set revision = revision + 1 where pipeline = $1", [.text(context.pipeline)])
            try session.run("commit")
            return settled
        }
        throw ParkedSettlement.isUnknown(missing)
    }

    private static let changesPerPage = 2_000

    private func replay(_ ids: [Int64], _ start: some WindowWork) throws {
        tables.captured = try parked.tables()
        var (work, last) = (start, Int64.min)
        while let page = try parked.page(of: ids, after: last, limit: Self.changesPerPage) {
            try work.apply(page)
            try work.settle()
            last = page.changes.last?.id ?? .max
        }
        try work.finish()
        try session.settle()
        let shapes = Dictionary(work.tablesUsed.map { ($0.oid, $0.shape) }, uniquingKeysWith: { shape, _ in shape })
        let rows = try session.query(
            "select \(TableShape.expressions(of: "$1::oid[]"))", [.text("{\(shapes.keys.joined(separator: ","))}")])
        guard (rows[0, 0] ?? "", rows[0, 1] ?? "") == TableShape.joined(Array(shapes.values)) else {
            throw TidemarkError(
                "a table of the target was altered while parked changes were applied", pipeline: context.pipeline,
                why: "its columns are no longer those that were found", remedy: "Nothing was changed. Type the command again.", retry: .later)
        }
    }
}
