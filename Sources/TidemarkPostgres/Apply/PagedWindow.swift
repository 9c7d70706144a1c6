import TidemarkCore

/// Applies pages as they come: deletes, then upserts, coalesced to the last change of each row.
struct PagedWindow: WindowWork {
    private let tables: TargetTables
    private var stage = WindowStage()
    private var parts: PageParts
    private var used: [Int32: TableStatements] = [:]
    /// What the server may still work on.
    private var unsettled: PagedTable?
    private var truncation: Truncation { Truncation(session: tables.session, context: tables.context) }

    /// Tables that others write to, too, have their changes settled at the window's end.
    private var conflicts: ConflictStage

    init(_ tables: TargetTables) {
        self.tables = tables
        parts = PageParts(marksOrigins: tables.origins.areWanted)
        conflicts = ConflictStage(tables)
    }

    var tablesUsed: [TargetTable] { used.keys.sorted().compactMap { used[$0]?.target } + conflicts.tablesUsed }

    mutating func apply(_ page: ChangePage) throws {
        // A table that is new to the window is looked up, which is no place for another one's refusal.
        if page.changes.contains(where: { used[$0.capture] == nil }) { try settle() }
        let page = try conflicts.take(try tables.readable(page))
        for part in parts.split(page, tables: tables.captured) {
            switch part {
            case .changes(let changes): try applyPart(changes)
            case .renewal: break  // What came before is applied.
            case .origin(let origin): try mark(origin)
            case .leaf(let leaf):
                try settleWholeRows(of: leaf.capture, final: false)
                let target = try tables.statements(leaf.capture).target
                try refusable(target.captured) { try truncation.empty(leaf, of: target) }
            }
        }
    }

    mutating func finish() throws {
        try settle()
        let waiting = stage.captures.sorted().compactMap { used[$0]?.target }
        for table in ForeignKey.parentsFirst(waiting).reversed() {
            try settleWholeRows(of: table.captured.capture, final: true)
        }
        try conflicts.finish()
        guard !tables.context.holdsTriggersStill else { return }
        try refusable(nil) { try tables.session.run("set constraints all immediate") }
    }

    /// Whole rows that wait are deleted under the origin that their deletion has, as far as they are there by now.
    private mutating func mark(_ origin: String?) throws {
        try settle()
        for capture in stage.captures.sorted() { try settleWholeRows(of: capture, final: false) }
        try tables.origins.mark(origin: origin)
    }

    private mutating func applyPart(_ page: ChangePage) throws {
        let plan: PagePlan
        do {
            plan = try PagePlan(coalescing: page, keysCompareByText: tables.keysCompareByText)
        } catch {
            throw tables.refusal(of: page.changes[error.index], in: page)
        }
        try settle()
        var pieces: [Int32: PagedTable] = [:]
        for table in plan.tables {
            let statements = try tables.statements(table.capture)
            used[table.capture] = statements
            try refusable(statements.captured) {
                pieces[table.capture] = try PagedTable(table, statements, page, tables)
            }
        }
        try truncate(plan, page)
        let order = ForeignKey.parentsFirst(plan.tables.compactMap { used[$0.capture]?.target })
            .compactMap { pieces[$0.captured.capture] }
        for table in order.reversed() { try refusable(table.statements.captured) { try table.deleteUnreferenced() } }
        for table in order {
            try settle()
            unsettled = table
            try refusable(table.statements.captured) { try table.upsert() }
        }
        if order.contains(where: \.deletesAgain) { try settle() }
        for table in order.reversed() { try refusable(table.statements.captured) { try table.deleteRest() } }
        let gone = plan.tables.flatMap(\.wholeRowDeletions).sorted()
        guard !gone.isEmpty else { return }
        try settle()
        try stage.add(gone, of: page, in: tables.session)
    }

    private mutating func truncate(_ plan: PagePlan, _ page: ChangePage) throws {
        let truncated = plan.tables.filter(\.truncates).compactMap { used[$0.capture]?.target }
        guard !truncated.isEmpty else { return }
        for change in page.changes where change.operation == .truncate { stage.void(change.capture, through: change.id) }
        try refusable(truncated.first?.captured) { try truncation.empty(truncated) }
    }

    /// Deletes the whole rows that have waited. Before the end some may not be there yet: a nested
    /// statement's deletion is logged before its insertion.
    private func settleWholeRows(of capture: Int32, final: Bool) throws {
        guard stage.captures.contains(capture) else { return }
        let statements = try tables.statements(capture)
        try refusable(statements.captured) {
            try tables.session.query(
                statements.wholeRowDeletion, [.text(String(stage.voidThrough[capture] ?? 0)), .text(String(Int64.max))])
        }
        guard final else { return }
        let left = try stage.wholeRowsLeft(capture, in: tables.session)
        guard left.count == 0 else {
            // A cascade of the target may have taken the row while its parent's page was applied.
            guard tables.context.holdsTriggersStill else { throw PageRefusal(failure: nil, table: statements.captured) }
            throw WholeRowsMissing(left.count, first: left.firstID, of: statements.captured).error(tables.context)
        }
    }

    /// Waits for the last page's upsert, on which the server worked while this page was planned.
    mutating func settle() throws {
        guard let table = unsettled else { return try refusable(nil) { try tables.session.settle() } }
        unsettled = nil
        try refusable(table.statements.captured) { try table.completeUpsert() }
    }

    /// Turns the server's refusal of a row into one that staging may answer.
    private func refusable(_ table: CapturedTable?, _ body: () throws -> Void) throws {
        do {
            try body()
        } catch let failure as PostgresFailure {
            if failure.sqlState == PageRefusal.uniqueViolation, let table { tables.expectRows(in: table) }
            if PageRefusal.isAboutRows(failure) { throw PageRefusal(failure: failure, table: table) }
            throw TargetFault(failure, context: tables.context).error("the target refused a change", table: table?.name)
        } catch is Truncation.WouldCascade {
            throw PageRefusal(failure: nil, table: table)
        }
    }
}

/// What one page does to one table.
private struct PagedTable {
    let statements: TableStatements
    private let page: ChangePage
    private let tables: TargetTables
    private let insertions: [Int]
    private let deletes: [Int]
    /// Rows that are new, rows that stand, and rows that may do either.
    private let (fresh, standing, upserts): ([Int], [Int], [Int])
    /// Below that many, COPY costs more than it saves: it is parsed each time, and waited for.
    private static let copiedMin = 32
    /// Below that many, planning an UPDATE costs more than it saves.
    private static let standingMin = 32

    init(_ plan: TablePlan, _ statements: TableStatements, _ page: ChangePage, _ tables: TargetTables) throws {
        (self.statements, self.page, self.tables) = (statements, page, tables)
        insertions = plan.wholeRowInsertions
        var changes = plan.keyedChanges
        if !plan.coalesced, changes.count > 1 {
            let rows = try tables.session.query(statements.paged.latest, [.json(PageArray.keys(changes, of: page))])
            changes = (0..<rows.count).compactMap { rows[$0, 0].flatMap { Int($0) }.map { changes[$0 - 1] } }.sorted()
        }
        if plan.coalesced { changes = page.inKeyOrder(changes) }
        deletes = changes.filter { page.changes[$0].operation == .delete }
        let rows = changes.filter { page.changes[$0].operation != .delete }
        guard plan.coalesced, !tables.preloaded.contains(plan.capture), !statements.target.hasIdentityBesideKey else {
            (fresh, standing, upserts) = ([], [], rows)
            return
        }
        fresh = rows.filter(plan.fresh.contains)
        let others = fresh.isEmpty ? rows : rows.filter { !plan.fresh.contains($0) }
        let updates = statements.paged.update != nil && others.count >= Self.standingMin
        (standing, upserts) = updates ? (others, []) : ([], others)
    }

    func deleteUnreferenced() throws {
        try delete(statements.paged.deletionOfUnreferenced, deletes)
        if statements.target.hasIdentityBesideKey { try delete(statements.paged.deletion, upserts) }
    }

    /// An upsert costs half as much again as the INSERT of a row that is not there, or the UPDATE of one that is.
    /// That the log says which it is need not be so: the target's unique index has the last word on the first,
    /// and the number of rows on the second.
    func upsert() throws {
        try insert(insertions + fresh)
        try write(statements.paged.upsert, upserts)
        guard let update = statements.paged.update, !standing.isEmpty else { return }
        try tables.session.send(update, [.json(PageArray.images(standing, of: page))])
    }

    func completeUpsert() throws {
        try tables.session.settle()
        guard !standing.isEmpty, tables.session.affectedByLastSent < standing.count else { return }
        try write(statements.paged.upsert, standing)
        try tables.session.settle()
    }

    /// Rows that others refer to go last.
    var deletesAgain: Bool { statements.target.isReferenced && !deletes.isEmpty }

    func deleteRest() throws {
        if deletesAgain { try delete(statements.paged.deletion, deletes) }
    }

    private func insert(_ rows: [Int]) throws {
        guard rows.count >= Self.copiedMin, let copyLines = statements.copyLines, let lines = copyLines.lines(rows, of: page) else {
            return try write(statements.paged.insertion, rows)
        }
        var waiting: [UInt8]? = lines
        try tables.session.copyIn("\(statements.target.quotedName) (\(statements.target.writtenList))") {
            defer { waiting = nil }
            return waiting
        }
    }

    private func delete(_ sql: String, _ indices: [Int]) throws {
        guard !indices.isEmpty else { return }
        try tables.session.query(sql, [.json(PageArray.keys(indices, of: page))])
    }

    private func write(_ sql: String, _ indices: [Int]) throws {
        guard !indices.isEmpty else { return }
        // Not waited for: the next page is taken and planned while the server works.
        try tables.prepared.send(sql, [.json(PageArray.images(indices, of: page))])
    }
}

/// A page that the target refused for what is in its rows.
struct PageRefusal: Error {
    /// Nil where whole rows were missing.
    let failure: PostgresFailure?
    let table: CapturedTable?

    static let uniqueViolation = "23505"

    /// Refused values, violated constraints, rows too large for an index, and what triggers raise, which
    /// may be anything that the server itself does not say.
    static func isAboutRows(_ failure: PostgresFailure) -> Bool {
        failure.sqlState.hasPrefix("54") || !failure.isTransient && !TargetFault.isAboutServer(failure)
    }

    /// What the pipeline gives the window again for. As a whole it may fit; if not, its row is named then.
    func askingForStaging(_ context: ApplyContext) -> TidemarkError {
        TidemarkError(
            "a page of a window does not fit by itself", pipeline: context.pipeline, table: table?.name,
            why: failure.map { "SQLSTATE \($0.sqlState)" } ?? "whole rows are missing",
            remedy: "Nothing to do: the window is staged at the target and applied as a whole.", retry: .staged)
    }
}

/// Whole rows that the source deleted and the target does not have.
struct WholeRowsMissing {
    private let count: Int
    private let first: Int64?
    private let table: CapturedTable

    init(_ count: Int, first: Int64?, of table: CapturedTable) { (self.count, self.first, self.table) = (count, first, table) }

    func error(_ context: ApplyContext) -> TidemarkError {
        TidemarkError(
            "a row that the source deleted is not on the target", pipeline: context.pipeline, table: table.name, changeID: first,
            why: "the table has no key, and \(count) whole row\(count == 1 ? " was" : "s were") not found",
            remedy: "The target was changed by someone else: type tidemark copy --table … --existing empty …, or give it a key on both sides.", isAboutData: true)
    }
}
