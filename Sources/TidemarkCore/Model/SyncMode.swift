/// How a table is kept in step with its source.
package enum SyncMode: String, Hashable, Sendable, CaseIterable {
    /// By triggers that log every change.
    case realtime
    /// By reading the whole table, each time.
    case full
    /// By reading the whole table once; one that is done is not done again.
    case skipCompleted = "skip-completed"
    /// By reading the rows that a column says have changed.
    case incremental

    /// Is the table read, instead of its log?
    package var isPolled: Bool { self != .realtime }
}

/// What says which rows of a table have changed since it was read last.
package struct IncrementalReading: Hashable, Sendable {
    package enum Strategy: String, Hashable, Sendable, CaseIterable {
        /// The time of a row's last change. Late and equal ones are read again, as far as the overlap goes.
        case timestamp
        /// A number that grows with each inserted row; changes of older rows are not seen.
        case autoIncrement = "auto-increment"
        /// A number that grows with each change of any row.
        case version
    }

    /// The columns, compared together in this order; never empty.
    package var columns: [String]
    /// Nil: by the first column's type.
    package var strategy: Strategy?
    /// The value behind which reading begins, of the first column, as the source writes it; nil for all rows.
    package var start: String?
    /// How far behind the last value rows are read again, in seconds; timestamps only.
    package var overlapSeconds: Int64
    /// A condition in the source's SQL that rows have to meet to be looked at.
    package var condition: String?
    /// How often keys are compared to find rows that were deleted, in seconds; nil for never.
    package var deletesEverySeconds: Int64?

    package static let overlapSeconds = Int64(60)

    package init(columns: [String]) { (self.columns, overlapSeconds) = (columns, Self.overlapSeconds) }
}

/// When a table that is read is read again.
package enum SyncSchedule: Hashable, Sendable {
    /// Only when somebody asks for it.
    case onDemand
    /// So many seconds after it was begun last.
    case every(seconds: Int64)
    /// As cron writes it: minute, hour, day of the month, month, day of the week; in UTC.
    case cron(String)
}

/// What becomes of a table that cannot be read or written.
package enum SyncErrorStrategy: String, Hashable, Sendable, CaseIterable {
    /// The pipeline stops.
    case stop
    /// The table is left out until its next time; the others go on.
    case skip
    /// It is tried again, ever more rarely.
    case retry
}

/// How one table is read.
package struct PolledReading: Hashable, Sendable {
    package var mode: SyncMode
    /// For `incremental` only, and there always.
    package var incremental: IncrementalReading?
    package var schedule: SyncSchedule
    /// Rows that are read, and applied, at a time.
    package var batchRows: Int
    package var onError: SyncErrorStrategy

    package static let batchRows = 10_000

    package init(_ mode: SyncMode) {
        self.mode = mode
        (schedule, batchRows, onError) = (.onDemand, Self.batchRows, .stop)
    }
}

/// What a pipeline is told of the tables that a pattern names.
package struct TableRule: Hashable, Sendable {
    package var pattern: TablePattern
    package var shaping: TableShaping
    /// Nil for `realtime`.
    package var polled: PolledReading?
    /// Nil where nobody but the pipeline writes the target's rows.
    package var conflicts: ConflictRule?

    package init(_ pattern: TablePattern, shaping: TableShaping = TableShaping(), polled: PolledReading? = nil, conflicts: ConflictRule? = nil) {
        (self.pattern, self.shaping, self.polled, self.conflicts) = (pattern, shaping, polled, conflicts)
    }
}

/// What a pipeline is told of its tables, one by one: of the rules whose pattern names a table, the first counts.
package struct TableRules: Hashable, Sendable {
    package var rules: [TableRule]
    /// What schemas are called at the target, by their name at the source.
    package var schemas: [String: String]
    /// Whose rows are taken, of tables that say whose a row is.
    package var tenant: Tenant?

    package init(_ rules: [TableRule] = [], schemas: [String: String] = [:], tenant: Tenant? = nil) {
        (self.rules, self.schemas, self.tenant) = (rules, schemas, tenant)
    }

    package subscript(table: TableName) -> TableRule? { rules.first { $0.pattern.matches(table) } }

    /// - Parameter columns: those that the table has.
    package func shaping(of table: TableName, having columns: [String]) -> TableShaping {
        var shaping = self[table]?.shaping ?? TableShaping()
        if let tenant, columns.contains(tenant.column) {
            shaping.filter = ([tenant.filter] + [shaping.filter].compactMap { $0.map { "(\($0)\n)" } }).joined(separator: " and ")
        }
        return shaping
    }

    /// What an item says of the table, by itself.
    package func named(_ table: TableName) -> TableShaping { self[table]?.shaping ?? TableShaping() }
    package func polled(_ table: TableName) -> PolledReading? { self[table]?.polled }
    package func conflicts(_ table: TableName) -> ConflictRule? { self[table]?.conflicts }

    /// As the target calls a table.
    package func target(of table: TableName) -> TableName {
        let schema = table.schema.map { schemas[$0] ?? $0 }
        guard let text = self[table]?.shaping.target else { return TableName(schema: schema, name: table.name) }
        guard let dot = text.firstIndex(of: ".") else { return TableName(schema: schema, name: text) }
        return TableName(schema: String(text[..<dot]), name: String(text[text.index(after: dot)...]))
    }

    package var isShaping: Bool { tenant != nil || !schemas.isEmpty || rules.contains { !$0.shaping.isNone } }
    /// Does the target lack something of the source, so that nobody can fail over to it?
    package var isPartial: Bool { tenant != nil || rules.contains { $0.shaping.isPartial } }
    package var isPolling: Bool { rules.contains { $0.polled != nil } }
    /// Do others write the target's rows, too?
    package var isShared: Bool { rules.contains { $0.conflicts != nil } }
}

/// One of those who share a database: a column of its tables says whose a row is.
package struct Tenant: Hashable, Sendable {
    package var column: String
    package var value: String

    package init(column: String, value: String) { (self.column, self.value) = (column, value) }

    /// A literal without a type: the source takes it for one of the column's.
    var filter: String { "\(Self.quoted(column, by: "\"")) = \(Self.quoted(value, by: "'"))" }

    private static func quoted(_ text: String, by mark: Character) -> String {
        String(mark) + text.flatMap { $0 == mark ? [mark, mark] : [$0] } + String(mark)
    }
}
