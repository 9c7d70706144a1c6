/// What two changes of one row did that knew nothing of each other.
package enum ConflictKind: String, Hashable, Sendable, CaseIterable {
    case insertInsert = "insert-insert"
    case updateUpdate = "update-update"
    /// The source changed a row that the target had deleted, or never had.
    case updateDelete = "update-delete"
    /// The source deleted a row that the target had changed.
    case deleteUpdate = "delete-update"
    /// Rows with different keys have the same value where it has to be unique.
    case unique
}

/// Which of the two images stands at the target now.
package enum ConflictResult: String, Hashable, Sendable, CaseIterable {
    case source, target, merged
    /// The rule leaves it to a person: the pipeline stopped there, and the target's image stood.
    case stopped
}

/// One conflict, as the target keeps it. Images are JSON, as the target writes its rows; nil where there was no row.
package struct Conflict: Hashable, Sendable {
    package var id: Int64
    package var pipeline: String
    /// UTC.
    package var at: String
    /// As the target calls it.
    package var table: TableName
    package var key: String
    package var kind: ConflictKind
    /// Where the source's change was made first, if not in the source itself.
    package var origin: String?
    package var changeID: Int64
    /// What the source's change was made from, and what it made of it; nil for a delete.
    package var before: String?
    package var source: String?
    /// What stood at the target.
    package var target: String?
    package var strategy: String
    package var result: ConflictResult
    /// What stands there now; nil where that is no row.
    package var outcome: String?
    /// When one of the images was put back, and by whom.
    package var restoredAt: String?
    package var restoredBy: String?

    package init(
        id: Int64, pipeline: String, at: String, table: TableName, key: String, kind: ConflictKind, origin: String?, changeID: Int64, before: String?,
        source: String?, target: String?, strategy: String, result: ConflictResult, outcome: String?, restoredAt: String?, restoredBy: String?
    ) {
        (self.id, self.pipeline, self.at, self.table, self.key, self.kind) = (id, pipeline, at, table, key, kind)
        (self.origin, self.changeID, self.before, self.source, self.target) = (origin, changeID, before, source, target)
        (self.strategy, self.result, self.outcome) = (strategy, result, outcome)
        (self.restoredAt, self.restoredBy) = (restoredAt, restoredBy)
    }
}

/// How many conflicts a table had, and when the last one was.
package struct ConflictCount: Hashable, Sendable {
    package var table: TableName
    package var conflicts: Int64
    package var lastAt: String

    package init(table: TableName, conflicts: Int64, lastAt: String) { (self.table, self.conflicts, self.lastAt) = (table, conflicts, lastAt) }
}

/// Which image of a conflict is put back.
package enum ConflictImage: String, Hashable, Sendable, CaseIterable {
    case before, source, target
}
