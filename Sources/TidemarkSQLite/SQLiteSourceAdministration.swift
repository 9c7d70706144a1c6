import SQLiteSQL
package import TidemarkCore

/// What setup, check, status and teardown do to a SQLite source.
package final class SQLiteSourceAdministration: SourceAdministration {
    let database: SQLiteDatabase
    let path: String
    let log: ChangeLog

    package init(path: String) throws {
        self.path = path
        database = try SQLiteFile(path, role: "source").open()
        log = ChangeLog(database: database)
    }

    package func tables(_ selection: TableSelection) throws -> [SourceTable] {
        try saying("the tables cannot be read", path: path) { try selected(selection).map(Self.sourceTable) }
    }

    package func planInstall(_ request: CaptureRequest) throws -> [PlannedStatement] {
        try saying("the installation cannot be planned", pipeline: request.pipeline, path: path) {
            let isInstalled = try log.isInstalled()
            let plan = try capturePlan(request, isInstalled: isInstalled)
            let install = isInstalled ? try LogUpgrade(database: database).statements() : SQLScript.statements(SQLiteSQL.install)
            let kept = PipelineRegistry(database: database).retentionStatements(request, after: isInstalled ? try recorded(request.pipeline) : nil)
                + (try LogLimitRecord(database: database).statements(for: request.logLimit))
            return (install + kept + plan.steps.flatMap(\.statements)).map { PlannedStatement($0, lock: WriteLock.inWords) }
        }
    }

    package func installLog() throws {
        try saying("the change log cannot be made", path: path) {
            guard try !log.isInstalled() else {
                let upgrade = try LogUpgrade(database: database).statements()
                guard !upgrade.isEmpty else { return }
                return try WriteLock(database: database).hold { for statement in upgrade { try database.execute(statement) } }
            }
            let own = SQLiteCatalog.ownTables.filter { !SQLiteCatalog.targetTables.contains($0) && $0 != SQLiteCatalog.roleTable }.map(SQLiteIdentifier.literal)
            let foreign = try database.rows(
                "SELECT name FROM main.sqlite_schema WHERE type IN ('table', 'view') AND lower(name) IN (\(own.joined(separator: ", ")))")
            if let name = foreign.first?.first?.string {
                throw TidemarkError(
                    "the change log cannot be made", why: "\(path) has a table \(name) that is not tidemark's",
                    remedy: "Rename it, or finish an interrupted teardown by running sql/sqlite/uninstall.sql, and type the command again.")
            }
            try WriteLock(database: database).hold { try database.execute(SQLiteSQL.install) }
        }
    }

    package func identity() throws -> String? {
        try saying("the source cannot be identified", path: path) { try log.installID() }
    }

    package func startCursor(of pipeline: String) throws -> Cursor {
        try saying("the place to start from cannot be taken", path: path) {
            guard let installID = try log.installID() else { throw notSetUp() }
            return try WriteLock(database: database).hold {
                let last = try log.last()
                // What it was given up with counts no more.
                _ = try database.rows("UPDATE main.tidemark_pipeline SET lost_at = NULL, lost_why = NULL WHERE name = ?", [.string(pipeline)])
                // Until the pipeline is recorded, this keeps the row that its cursor names.
                if database.changes == 0 { try database.execute("INSERT INTO main.tidemark_pipeline (confirmed_id) VALUES (0)") }
                return Cursor(
                    source: installID, snapshot: .change(last?.id ?? 0), witness: last?.token ?? installID,
                    lastID: last?.id ?? 0, epoch: 0)
            }
        }
    }

    package func install(_ request: CaptureRequest) throws -> [SourceTable] {
        try installLog()
        return try saying("capture cannot be installed", pipeline: request.pipeline, path: path) {
            let wanted = try selected(request.selection)
            try check(wanted, request)
            // Recorded first: the tables that other pipelines select are kept, and those that this one gave up go.
            var wish = request
            wish.logLimit = LogLimitRequest()
            if try recorded(request.pipeline) != wish || hasUnfinishedSetup() {
                try WriteLock(database: database).hold { try PipelineRegistry(database: database).record(request) }
            }
            let capping = try LogLimitRecord(database: database).statements(for: request.logLimit)
            if !capping.isEmpty { try WriteLock(database: database).hold { for sql in capping { try database.execute(sql) } } }
            try refuseAtLimit()
            for step in try capturePlan(request, isInstalled: true).steps {
                try saying("capture cannot be attached", table: TableName(schema: nil, name: step.tableName), path: path) {
                    try WriteLock(database: database).hold { try step.perform(in: database) }
                }
            }
            return wanted.map(Self.sourceTable)
        }
    }

    package func recordedRequest(of pipeline: String) throws -> CaptureRequest? {
        try saying("the registry cannot be read", pipeline: pipeline, path: path) {
            try log.isInstalled() ? try recorded(pipeline) : nil
        }
    }

    package func loss(of pipeline: String) throws -> PipelineLoss? {
        try saying("the registry cannot be read", pipeline: pipeline, path: path) {
            let record = LogLimitRecord(database: database)
            return try record.isInstalled() ? try record.loss(of: pipeline) : nil
        }
    }

    package func makeRoom(behind cursor: Cursor, of pipeline: String) throws {
        try saying("the log was not pruned", pipeline: pipeline, path: path) {
            guard let installID = try log.installID(),
                try log.obstacle(to: cursor, lastID: try log.last()?.id ?? 0, installID: installID) == nil
            else { return }
            var confirmation = Confirmation(database, limits: SQLiteSourceLimits())
            // An application that writes all the while leaves some for the worker.
            for _ in 0..<Self.pruningRounds where try !confirmation.confirm(cursor, of: pipeline) { continue }
        }
    }

    private static let pruningRounds = 20

    /// Capture that was stopped would only stop again.
    private func refuseAtLimit() throws {
        let record = LogLimitRecord(database: database)
        guard try record.stop() != nil, let limit = try record.read(), limit.policy != .warn, let size = try LogSize(database),
            size.bytes >= limit.maxBytes
        else { return }
        throw TidemarkError(
            "capture cannot begin again",
            why: "it was stopped, and the change log still holds \(ByteCount.text(size.bytes)), where max-log-size is \(ByteCount.text(limit.maxBytes))",
            remedy: "Raise it: tidemark setup --max-log-size SIZE …; or make room: let tidemark run … apply what was logged before.")
    }

    package func check(_ request: CaptureRequest) throws -> [Finding] {
        try saying("the source cannot be checked", pipeline: request.pipeline, path: path) {
            try SourceChecks(database, request: request, tables: try selected(request.selection)).findings()
        }
    }

    package func sequences(_ selection: TableSelection) throws -> [SequenceState] {
        try saying("the numbers of rows cannot be read", path: path) {
            try database.transaction("BEGIN") { try RowNumberReading(database).states(taking: selection) }
        }
    }

    package func status(
        of pipeline: String, at cursor: Cursor?, settledThrough: [TableName: Int32]
    ) throws -> SourceStatus {
        try saying("the log's state cannot be read", pipeline: pipeline, path: path) {
            try LogStatus(database: database, log: log).status(of: pipeline, at: cursor, settledThrough: settledThrough)
        }
    }

    package func planRemoval(of pipeline: String) throws -> [PlannedStatement] {
        try saying("the removal cannot be planned", pipeline: pipeline, path: path) {
            try SourceRemoval(database: database, log: log).plan(pipeline).map { PlannedStatement($0, lock: WriteLock.inWords) }
        }
    }

    package func remove(_ pipeline: String) throws {
        try saying("capture was not removed", pipeline: pipeline, path: path) {
            try SourceRemoval(database: database, log: log).remove(pipeline)
        }
    }

    private func recorded(_ pipeline: String) throws(SQLiteFailure) -> CaptureRequest? {
        try PipelineRegistry(database: database).request(of: pipeline)
    }

    private func hasUnfinishedSetup() throws(SQLiteFailure) -> Bool {
        try !database.rows("SELECT 1 FROM main.tidemark_pipeline WHERE name IS NULL").isEmpty
    }

    private func selected(_ selection: TableSelection) throws(SQLiteFailure) -> [SQLiteTable] {
        try SQLiteCatalog(database).tables().filter { selection.takes(TableName(schema: nil, name: $0.name)) }
    }

    /// The tables that this request or another pipeline's takes.
    private func capturePlan(_ request: CaptureRequest, isInstalled: Bool) throws -> CapturePlan {
        var selections = [(request.selection, request.images)]
        if isInstalled {
            let registry = PipelineRegistry(database: database)
            for name in try registry.names() where name != request.pipeline {
                // A pipeline that is known by its confirmations only may want any table.
                let known = try registry.request(of: name)
                selections.append((known?.selection ?? TableSelection(), known?.images ?? .new))
            }
        }
        let wanted = try SQLiteCatalog(database).tables().compactMap { table -> (table: SQLiteTable, images: CapturedImages)? in
            let taking = selections.filter { $0.0.takes(TableName(schema: nil, name: table.name)) }
            return taking.isEmpty ? nil : (table, taking.contains { $0.1 == .both } ? .both : .new)
        }
        return try CapturePlan(database, capturing: wanted, isInstalled: isInstalled)
    }

    private func check(_ wanted: [SQLiteTable], _ request: CaptureRequest) throws {
        guard !wanted.isEmpty else {
            throw TidemarkError(
                "no table is selected", pipeline: request.pipeline,
                why: "no user table of the source matches \(request.selection.include.map(\.text).joined(separator: ", "))",
                remedy: "Patterns are table names with *; sqlite3's .tables lists the tables.")
        }
        if request.kind == .statement {
            throw TidemarkError(
                "statement capture is not to be had", pipeline: request.pipeline, why: "SQLite has row triggers only",
                remedy: "Leave the kind of capture out, or ask for row.")
        }
        if request.requiresKey, let table = wanted.first(where: { $0.key == nil }) {
            throw TidemarkError(
                "a table has no key", pipeline: request.pipeline, table: TableName(schema: nil, name: table.name),
                why: "it was asked to refuse such tables",
                remedy: "Declare a PRIMARY KEY with NOT NULL columns, leave the table out with --exclude, or leave --require-key out.")
        }
    }

    private func notSetUp() -> TidemarkError {
        TidemarkError(
            "the source is not set up", why: "\(path) has no tidemark_installation",
            remedy: "Type: tidemark setup --source sqlite:\(path) --target …")
    }

    static func sourceTable(_ table: SQLiteTable) -> SourceTable {
        SourceTable(
            name: TableName(schema: nil, name: table.name),
            columns: table.columns.map { CapturedColumn(name: $0.name, type: $0.declaredType, isGenerated: $0.isGenerated) },
            keyColumns: table.key?.columns ?? [], encoding: .storageClasses)
    }
}
