/// Work that somebody wants done once on a pipeline's tables.
package struct SyncTask: Codable, Sendable, Equatable, Identifiable {
    package enum Kind: String, Codable, Sendable, CaseIterable {
        /// Copies whole tables, as `tidemark copy` does.
        case copy
        /// Compares both sides, as `tidemark verify` does.
        case verify
        /// And mends what differs.
        case repair
        /// Reads tables now that are read instead of their log, as `tidemark sync` does.
        case sync
    }

    package enum State: String, Codable, Sendable, CaseIterable { case pending, running, completed, failed, cancelled }

    package var id: String
    package var pipeline: String
    package var kind: Kind
    /// Patterns; empty for all tables of the pipeline.
    package var tables: [String]
    /// What a copy does with rows that are there: empty or merge.
    package var existing: String?
    package var state: State
    /// Of 1; an estimate while it runs.
    package var progress: Double
    package var recordsSynced: Int64
    /// Rows that differed, of a comparison.
    package var differences: Int64?
    package var error: String?
    package var createdAt: String
    package var createdBy: String
    package var startedAt: String?
    package var endedAt: String?
}

/// What a new task is to do.
package struct SyncTaskRequest: Codable, Sendable {
    package var pipeline: String
    package var kind: SyncTask.Kind
    package var tables: [String]?
    package var existing: String?
    /// Begins at once, unless said otherwise; one that does not is executed later.
    package var execute: Bool?

    package init(pipeline: String, kind: SyncTask.Kind, tables: [String]? = nil, existing: String? = nil, execute: Bool? = nil) {
        (self.pipeline, self.kind, self.tables, self.existing, self.execute) = (pipeline, kind, tables, existing, execute)
    }
}
