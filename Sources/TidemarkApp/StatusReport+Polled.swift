import TidemarkCore

extension StatusReport {
    /// A table that is read instead of its log.
    package struct PolledTable: Codable, Sendable {
        package var table: String
        /// full, skip-completed or incremental
        package var mode: String
        /// waiting, running, done or failed
        package var state: String
        /// “every 1 h”, “cron 0 3 * * *”, “on demand”; “not said here” where the report was not told how the tables are read.
        package var schedule: String
        /// Of the pass that is under way, or the last one: rows read, of about so many, and what was changed at the target.
        package var rowsDone: Int64
        package var rowsTotal: Int64
        package var rowsWritten: Int64
        package var rowsDeleted: Int64
        /// incremental: rows up to here need not be read again, as JSON.
        package var mark: String?
        package var startedAt: String?
        /// When the table was last read to its end.
        package var finishedAt: String?
        /// Nil where nothing but a person begins it.
        package var nextAt: String?
        package var error: String?
        /// How often in a row it has failed.
        package var failures: Int
    }

    /// Where the tables that are read stand, as the target says.
    /// - Parameter isWhole: are all tables read? Then also those of whose reading nothing is said here, as where `--mode` was for `run` only.
    /// - Returns: is the pipeline stopped by one that failed?
    mutating func addPolled(_ definition: PipelineDefinition, _ units: [SyncUnit], isWhole: Bool, now: SourceTime) -> Bool {
        let read = units.compactMap { unit in
            let said = definition.rules.polled(unit.table)
            return (said ?? (isWhole ? PolledReading(unit.mode) : nil)).map { (unit: unit, reading: $0, isSaid: said != nil) }
        }
        polledTables = read.map { PolledTable($0.unit, $0.reading, isSaid: $0.isSaid, now: now) }
        return read.contains { $0.unit.state == .failed && $0.unit.mode == $0.reading.mode && $0.reading.onError == .stop }
    }

    /// Why the polled tables are not well, with what to type; nil where they are.
    var polledProblem: String? {
        let failed = (polledTables ?? []).filter { $0.state == SyncUnit.State.failed.rawValue }
        guard let first = failed.first, let error = first.error else { return nil }
        let others = failed.count == 1 ? "" : "\n  And \(failed.dropFirst().map(\.table).joined(separator: ", "))."
        return error + others + "\n  Once it is mended, type: tidemark sync --table \(first.table) …"
    }

    /// Has some table never been read to its end?
    var isPollingFirst: Bool { polledTables?.contains { $0.finishedAt == nil } ?? false }
}

extension StatusReport.PolledTable {
    init(_ unit: SyncUnit, _ reading: PolledReading, isSaid: Bool, now: SourceTime) {
        // One that was read in another way begins anew.
        let unit = unit.mode == reading.mode ? unit : SyncUnit(unit.table, reading.mode)
        (table, mode, state) = (unit.table.description, unit.mode.rawValue, unit.state.rawValue)
        schedule = unit.mode == .skipCompleted ? "once" : isSaid ? reading.schedule.text : "not said here"
        (rowsDone, rowsTotal, rowsWritten, rowsDeleted) = (unit.rowsDone, unit.rowsTotal, unit.rowsWritten, unit.rowsDeleted)
        (mark, startedAt, finishedAt) = (unit.mark?.json, unit.startedAt, unit.finishedAt)
        nextAt = unit.state == .running ? nil : unit.due(reading, now: now)?.description
        (error, failures) = (unit.failure, unit.failures)
    }
}
