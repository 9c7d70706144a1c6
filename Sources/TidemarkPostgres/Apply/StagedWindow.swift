import TidemarkCore

/// Puts the whole window aside at the target, then applies its net effect: what one page could not do
/// by itself, such as two rows that swap a unique value, fits at the window's end (BREAKS F1).
struct StagedWindow: WindowWork {
    private let tables: TargetTables
    private var stage = WindowStage()
    private var parts: PageParts
    private var used: [Int32: TableStatements] = [:]
    private var truncated: Set<Int32> = []

    /// Tables that others write to, too, have their changes settled at the window's end.
    private var conflicts: ConflictStage

    init(_ tables: TargetTables) {
        self.tables = tables
        parts = PageParts(marksOrigins: tables.origins.areWanted)
        conflicts = ConflictStage(tables)
    }

    var tablesUsed: [TargetTable] { used.keys.sorted().compactMap { used[$0]?.target } + conflicts.tablesUsed }
    private var session: PostgresSession { tables.session }
    private var truncation: Truncation { Truncation(session: session, context: tables.context) }

    mutating func apply(_ page: ChangePage) throws {
        let page = try conflicts.take(try tables.readable(page))
        for part in parts.split(page, tables: tables.captured) {
            switch part {
            case .changes(let changes): try add(changes)
            case .renewal: try flush(final: false)
            case .origin(let origin):
                try flush(final: false)
                try tables.origins.mark(origin: origin)
            case .leaf(let leaf):
                try flush(final: false)
                let table = try tables.statements(leaf.capture)
                used[leaf.capture] = table
                try truncation.empty(leaf, of: table.target)
            }
        }
    }

    /// Each statement was waited for.
    mutating func settle() {}

    mutating func finish() throws {
        try flush(final: true)
        try conflicts.finish()
        for capture in stage.captures.sorted() {
            let left = try stage.wholeRowsLeft(capture, in: session)
            guard left.count > 0, let table = used[capture] else { continue }
            throw WholeRowsMissing(left.count, first: left.firstID, of: table.captured).error(tables.context)
        }
    }

    private mutating func add(_ page: ChangePage) throws {
        var rows: [Int] = []
        rows.reserveCapacity(page.changes.count)
        for (index, change) in page.changes.enumerated() {
            if used[change.capture] == nil { used[change.capture] = try tables.statements(change.capture) }
            if change.operation == .truncate {
                truncated.insert(change.capture)
                stage.void(change.capture, through: change.id)
            } else if change.operation.carriesRow {
                rows.append(index)
            } else {
                throw tables.refusal(of: change, in: page)
            }
        }
        try stage.add(rows, of: page, in: session)
    }

    /// Brings what was put aside into the tables. Only the window's end has to satisfy what was deferred.
    private mutating func flush(final: Bool) throws {
        guard !stage.isEmpty || !truncated.isEmpty else { return }
        let touched = stage.captures.union(truncated).sorted().compactMap { used[$0] }
        let order = ForeignKey.parentsFirst(touched.map(\.target)).compactMap { used[$0.captured.capture] }
        // Without figures the planner takes every table for a few rows.
        if !stage.isEmpty { try session.run("analyze pg_temp.\(WindowStage.table)") }
        let steps = StagedStep.all(order)
        let search = StagedFault(tables: tables, stage: stage, steps: steps, truncated: truncated.sorted().compactMap { used[$0]?.target })
        try search.begin()
        for (place, step) in steps.enumerated() {
            do {
                try step.run(through: .max, stage, session)
            } catch {
                throw try search.error(error, at: place)
            }
        }
        if final, !tables.context.holdsTriggersStill { try search.checkDeferred(order) }
        try stage.clear(in: session)
        truncated = []
    }
}

/// One statement of a staged window.
struct StagedStep {
    let table: TableStatements
    let sql: String

    /// Deletions, children first; then what stands, parents first; then whole rows and what was still
    /// referred to, children first again.
    static func all(_ order: [TableStatements]) -> [StagedStep] {
        let keyed = order.filter { !$0.captured.keyColumns.isEmpty }
        let whole = order.filter { $0.captured.keyColumns.isEmpty }
        return keyed.reversed().map { StagedStep(table: $0, sql: $0.staged.removal) }
            + order.map { StagedStep(table: $0, sql: $0.captured.keyColumns.isEmpty ? $0.staged.wholeRowInsertion : $0.staged.insertion) }
            + whole.reversed().map { StagedStep(table: $0, sql: $0.wholeRowDeletion) }
            + keyed.reversed().compactMap { table in table.staged.lateRemoval.map { StagedStep(table: table, sql: $0) } }
    }

    /// - Parameter through: changes with higher ids do not take part.
    func run(through id: Int64, _ stage: WindowStage, _ session: PostgresSession) throws(PostgresFailure) {
        let void = stage.voidThrough[table.captured.capture] ?? 0
        try session.query(sql, [.text(String(void)), .text(String(id))])
    }
}
