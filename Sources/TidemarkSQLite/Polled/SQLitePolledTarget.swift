package import TidemarkCore

/// Takes the rows of polled tables: of one pipeline, in one SQLite database. Confined to one thread.
///
/// As on the stream's connection, triggers and foreign keys hold still on this one. Every transaction begins with the write
/// lock and with a look at the cursor's epoch; only rows that differ from what stands here are written in it.
package final class SQLitePolledTarget: PolledTarget {
    private let database: SQLiteDatabase
    private let path: String
    private let place: FilePlace?
    private let pipeline: String
    private let cursors: CursorTable
    private let kept: SyncUnitTable
    private let tables: TargetTables
    private let staging: WindowStaging
    private let marks: AppliedMarks

    package init(path: String, pipeline: String) throws {
        self.path = path
        self.pipeline = pipeline
        place = FilePlace(path)
        (database, staging) = try TargetConnection.open(path, pipeline: pipeline)
        cursors = CursorTable(database)
        kept = SyncUnitTable(database)
        tables = TargetTables(database, pipeline: pipeline)
        marks = AppliedMarks(database)
        let installation = TargetInstallation(database)
        let (isSetUp, hasUnits) = try saying("the target cannot be read", pipeline: pipeline, path: path) {
            (try installation.hasCopies(), try installation.hasUnits())
        }
        guard isSetUp else { throw TargetConnection.notSetUp(path, pipeline: pipeline) }
        guard hasUnits else { throw OlderTarget.error(pipeline) }
    }

    package func units() throws -> [SyncUnit] {
        try saying("how far tables are cannot be read", pipeline: pipeline, path: path) { try kept.units(of: pipeline) }
    }

    package func save(_ unit: SyncUnit, epoch: Int64) throws {
        try writing("how far a table is was not saved", unit.table, epoch) { try kept.save(unit, of: pipeline) }
    }

    package func forget(_ tables: [TableName], epoch: Int64) throws {
        try writing("tables were not forgotten", nil, epoch) {
            for table in tables { try kept.forget(table, of: pipeline) }
        }
    }

    package func apply(_ unit: SyncUnit, of table: CapturedTable, epoch: Int64, nextPage: () throws -> ChangePage?) throws -> SyncUnit {
        try writing("rows were not written", table.name, epoch) {
            let rows = try rows(of: table)
            guard rows.isKeyed else { throw keyless(table.name) }
            let writer = try PolledRows(database, pipeline: pipeline, rows, tables: tables, staging: staging)
            var unit = unit
            while let page = try nextPage() {
                unit.rowsDone += Int64(page.changes.count)
                try writer.take(page)
            }
            try writer.finish()
            unit.rowsWritten += writer.written
            unit.rowsDeleted += writer.deleted
            try kept.save(unit, of: pipeline)
            return unit
        }
    }

    package func replace(_ unit: SyncUnit, of table: CapturedTable, epoch: Int64, nextPage: () throws -> ChangePage?) throws -> SyncUnit {
        try writing("a table was not replaced", table.name, epoch) {
            let rows = try rows(of: table)
            var unit = unit
            let nextCounted = {
                let page = try nextPage()
                unit.rowsDone += Int64(page?.changes.count ?? 0)
                return page
            }
            let (written, deleted) = try rows.isKeyed ? replaceKeyed(rows, nextCounted) : replaceWholeRows(rows, nextCounted)
            unit.rowsWritten += written
            unit.rowsDeleted += deleted
            try kept.save(unit, of: pipeline)
            return unit
        }
    }

    package func deleteOthers(_ unit: SyncUnit, in part: TablePart, epoch: Int64, keys nextPage: () throws -> ChangePage?) throws -> SyncUnit {
        try writing("deleted rows were not removed", part.table.name, epoch) {
            let rows = try rows(of: part.table)
            guard rows.isKeyed else { throw keyless(part.table.name) }
            let seen = try SeenKeys(database, rows, pipeline: pipeline)
            while let page = try nextPage() { try seen.take(page) }
            var unit = unit
            unit.rowsDeleted += try deleteOthers(than: seen, in: part, rows)
            try kept.save(unit, of: pipeline)
            return unit
        }
    }

    package func key(in part: TablePart, afterRows count: Int) throws -> String? {
        try saying("the rows of a table cannot be read", pipeline: pipeline, table: part.table.name, path: path) {
            try PartKeys(database, try rows(of: part.table)).key(in: part, afterRows: count)
        }
    }

    // MARK: Parts

    private func replaceKeyed(_ rows: TableRows, _ nextPage: () throws -> ChangePage?) throws -> (written: Int64, deleted: Int64) {
        let writer = try PolledRows(database, pipeline: pipeline, rows, tables: tables, staging: staging)
        let seen = try SeenKeys(database, rows, pipeline: pipeline)
        while let page = try nextPage() {
            try seen.take(page)
            try writer.take(page)
        }
        // Before rows that take over a unique value of one that is gone.
        let gone = try deleteOthers(than: seen, in: TablePart(rows.captured), rows)
        try writer.finish()
        return (writer.written, writer.deleted + gone)
    }

    private func replaceWholeRows(_ rows: TableRows, _ nextPage: () throws -> ChangePage?) throws -> (written: Int64, deleted: Int64) {
        let writer = try WholeRowReplacement(database, pipeline: pipeline, rows, tables: tables, staging: staging)
        while let page = try nextPage() { try writer.take(page) }
        try writer.finish()
        return (writer.written, writer.deleted)
    }

    private func deleteOthers(than seen: SeenKeys, in part: TablePart, _ rows: TableRows) throws -> Int64 {
        let others = try seen.others(in: part)
        _ = try database.rows("DELETE FROM \(rows.quotedName) WHERE \(others.sql)", others.values)
        let deleted = database.changes
        try seen.drop()
        return deleted
    }

    private func rows(of table: CapturedTable) throws -> TableRows {
        try TableRows(table, in: database, role: .target, pipeline: pipeline)
    }

    private func keyless(_ table: TableName) -> TidemarkError {
        TidemarkError(
            "a table without a key cannot be read in parts", pipeline: pipeline, table: table,
            why: "which row of the target is which of the source's, only a key says",
            remedy: "Give it a key on the source: CREATE UNIQUE INDEX … on columns that are NOT NULL; or say mode: full for it, which compares"
                + " whole rows.",
            isAboutData: true)
    }

    /// In a transaction in which the worker of that epoch holds the pipeline.
    private func writing<Result>(_ what: String, _ table: TableName?, _ epoch: Int64, _ body: () throws -> Result) throws -> Result {
        try place?.check(path, role: "target")
        return try saying(what, pipeline: pipeline, table: table, path: path) {
            try database.transaction("BEGIN IMMEDIATE") {
                try cursors.requireEpoch(epoch, of: pipeline)
                try marks.begin()
                guard marks.isMarking, let source = try cursors.stored(pipeline)?.cursor.source else { return try body() }
                return try marks.marking(source, body)
            }
        }
    }
}
