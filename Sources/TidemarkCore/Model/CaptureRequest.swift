/// Which tables a pipeline takes. Without `include`, every user table; else those of which the first pattern that names them
/// is not one that leaves out.
package struct TableSelection: Hashable, Sendable {
    package var include: [TablePattern]
    package var exclude: [TablePattern]

    package init(include: [TablePattern] = [], exclude: [TablePattern] = []) {
        self.include = include
        self.exclude = exclude
    }

    package func takes(_ table: TableName) -> Bool {
        let isIncluded = include.isEmpty || include.first { $0.matches(table) }.map { !$0.isNegated } ?? false
        return isIncluded && !exclude.contains { $0.matches(table) }
    }

    /// The same without what leaves tables out of it.
    package var named: TableSelection { TableSelection(include: include.filter { !$0.isNegated }, exclude: exclude) }
}

/// How a pipeline wants its tables captured.
package struct CaptureRequest: Hashable, Sendable {
    package var pipeline: String
    package var selection: TableSelection
    package var kind: CaptureKind
    package var images = CapturedImages.new
    /// Refuse tables without a key instead of identifying their rows as a whole.
    package var requiresKey: Bool
    /// Capture also what is written under `session_replication_role = replica`.
    package var capturesReplicaRole: Bool
    /// Capture also what tidemark itself applies to the source, so that it is passed on.
    package var capturesApplied = false
    /// Do others write to the target, which sends its own changes back? Asked for, and not recorded.
    package var isShared = false
    /// What is kept of the log for this pipeline after it has applied it.
    package var retention: Retention
    /// What becomes of the cap of the source's log; it is no pipeline's, and not recorded with this one.
    package var logLimit = LogLimitRequest()

    package init(
        pipeline: String, selection: TableSelection = TableSelection(), kind: CaptureKind = .auto,
        requiresKey: Bool = false, capturesReplicaRole: Bool = false, retention: Retention = .none
    ) {
        self.pipeline = pipeline
        self.selection = selection
        self.kind = kind
        self.requiresKey = requiresKey
        self.capturesReplicaRole = capturesReplicaRole
        self.retention = retention
    }
}

extension CaptureRequest {
    /// How a table is to be captured that is logged with these images, perhaps for another pipeline's sake: only row capture
    /// sees a row as it was before.
    package func kind(with images: CapturedImages) -> CaptureKind { images == .both && kind == .statement ? .row : kind }

    /// - Throws: where the kind of capture cannot see the images that are wanted.
    package func refuseContradiction() throws {
        guard kind == .statement, images == .both else { return }
        throw TidemarkError(
            "statement capture cannot log rows as they were before", pipeline: pipeline, why: "only row capture sees each row before and after",
            remedy: "Use --capture auto or row with --image both.")
    }
}

/// How the triggers of a table see its changes.
package enum CaptureKind: String, Hashable, Sendable, CaseIterable {
    /// By what the table sees, as far as that is known: row capture at first, statement capture for large statements.
    case auto
    /// Once per statement: cheapest for statements that change many rows.
    case statement
    /// Once per row: cheapest for statements that change a few, and the only form that sees changes which come
    /// through a parent table.
    case row
}

/// Which images of a row the log holds.
package enum CapturedImages: String, Hashable, Sendable, CaseIterable {
    /// The row as a change leaves it.
    case new
    /// And as it was before its transaction: what takes a target back, and shows what was overwritten.
    case both
}

/// A table of the source, as capture would take it.
package struct SourceTable: Hashable, Sendable {
    package var name: TableName
    package var columns: [CapturedColumn]
    /// Empty where rows are identified as a whole.
    package var keyColumns: [String]
    package var encoding: ImageEncoding
    /// What the target calls it; nil for the same.
    package var targetName: TableName?

    package init(name: TableName, columns: [CapturedColumn], keyColumns: [String], encoding: ImageEncoding) {
        self.name = name
        self.columns = columns
        self.keyColumns = keyColumns
        self.encoding = encoding
    }
}

/// A statement that tidemark would run, with the lock that it takes.
package struct PlannedStatement: Hashable, Sendable {
    package var sql: String
    /// For people: which lock on which table, or that there is none.
    package var lock: String

    package init(_ sql: String, lock: String) {
        self.sql = sql
        self.lock = lock
    }
}

/// Something that `check` found, with what to do about it.
package struct Finding: Hashable, Sendable {
    package enum Severity: String, Sendable {
        /// The pipeline does not work, or would lose something.
        case problem
        /// It works, with a limit that a person should have accepted.
        case warning
        /// Worth knowing; nothing to do.
        case note
    }

    package var severity: Severity
    package var table: TableName?
    package var what: String
    package var remedy: String

    package init(_ severity: Severity, table: TableName? = nil, _ what: String, remedy: String) {
        self.severity = severity
        self.table = table
        self.what = what
        self.remedy = remedy
    }
}

/// How the change log stands for one pipeline.
package struct SourceStatus: Hashable, Sendable {
    /// The highest change id drawn so far.
    package var lastID = Int64(0)
    /// Changes in the log that the target does not have, and how old the oldest is.
    /// From some 100,000 on, how many there are is an estimate by their ids.
    package var pendingChanges = Int64(0)
    package var pendingSeconds: Double?
    /// Their share of the log, and of how many transactions they are; estimates, nil where nothing tells.
    package var pendingBytes: Int64?
    package var pendingTransactions: Int64?
    /// What the log occupies, in bytes and rows (an estimate where counting would cost).
    package var logBytes = Int64(0)
    package var logRows = Int64(0)
    /// What keeps rows of the log from being removed, in words: a pipeline that is behind, or an open transaction.
    package var holdsBackPruning: String?
    /// Why the pipeline cannot go on from its cursor, with the way out; nil where it can.
    package var obstacle: String?
    /// The log's cap, and when the log will have reached it as it grows now; nil where it does not grow.
    package var limit: LogLimit?
    package var fullInSeconds: Double?
    /// What this pipeline wants kept.
    package var retention = Retention.none
    package var loss: PipelineLoss?
    package var captureStop: CaptureStop?
    /// What those who wait here go by, as a worker said last; nil where nobody can.
    package var waiting: Waiting?

    package init() {}
}

/// Another pipeline of the same source that has not made the youngest changes durable: the log is kept for it.
package struct PipelineBehind: Hashable, Sendable {
    package let name: String
    package let confirmedID: Int64
    /// When it last confirmed, as the source writes times, and how long ago that is; nil if it never has.
    package let confirmedAt: String?
    package let confirmedSecondsAgo: Double?
    /// A pipeline that is silent for so long may be dead.
    private static let silentAfterSeconds = 3600.0

    package init(name: String, confirmedID: Int64, confirmedAt: String?, confirmedSecondsAgo: Double?) {
        (self.name, self.confirmedID, self.confirmedAt, self.confirmedSecondsAgo) = (name, confirmedID, confirmedAt, confirmedSecondsAgo)
    }

    package var words: String {
        "pipeline \(name), which confirmed change \(confirmedID)\(confirmedAt.map { " at \($0)" } ?? "");"
            + " if its target is gone for good, type: tidemark teardown --source-only --pipeline \(name) …"
    }

    package var finding: Finding? {
        guard let confirmedSecondsAgo, confirmedSecondsAgo > Self.silentAfterSeconds else { return nil }
        return Finding(.warning, "the change log grows for a pipeline that is silent", remedy: "It is \(words)")
    }
}
