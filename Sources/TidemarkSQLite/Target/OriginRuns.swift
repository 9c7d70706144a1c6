import TidemarkCore

/// Brings a window into the tables run by run, each of changes that were first made in one database: where the target passes on
/// what it is given, the run is marked with it. Elsewhere the window is one run.
///
/// Between two runs the source was a whole: each was one of its transactions, or several.
final class OriginRuns {
    private let target: SQLiteTarget
    private let order: ApplyOrder
    private let source: String
    private let shared: Set<Int32>
    private let conflicts: ConflictTables
    private var application: WindowApplication?
    private var origin: String?
    private var start = Int64(0)

    /// - Parameter source: where changes without an origin were made.
    init(_ target: SQLiteTarget, _ captured: [Int32: CapturedTable], order: ApplyOrder, source: String, conflicts: ConflictTables) throws {
        (self.target, self.order, self.source, self.conflicts) = (target, order, source, conflicts)
        shared = Set(captured.values.filter { $0.conflicts != nil }.map(\.capture))
        try conflicts.begin(captured)
        try open(nil)
    }

    func take(_ page: ChangePage) throws {
        guard !shared.isEmpty || target.marks.isMarking else { return try apply(page) }
        var run = ChangePage()
        for (index, change) in page.changes.enumerated() {
            if shared.contains(change.capture) {
                try conflicts.take(index, of: page)
                continue
            }
            if target.marks.isMarking, page.origin(index) != origin {
                try apply(run)
                run = ChangePage()
                try close()
                try open(page.origin(index))
            }
            run.take(index, from: page)
        }
        try apply(run)
    }

    /// What others have changed, too, is decided upon once all of the window is there.
    func finish() throws {
        try close()
        try conflicts.settle(marks: target.marks, source: source)
    }

    private func apply(_ page: ChangePage) throws {
        if !page.changes.isEmpty { try application?.take(page) }
    }

    private func open(_ origin: String?) throws {
        self.origin = origin
        if target.marks.isMarking { start = try target.marks.place() }
        application = try WindowApplication(
            target.database, pipeline: target.pipeline, order: order, tables: target.tables, staging: target.staging)
    }

    private func close() throws {
        try application?.finish()
        if target.marks.isMarking { try target.marks.mark(AppliedOrigin.text(origin, from: source), since: start) }
    }
}
