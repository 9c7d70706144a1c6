package import TidemarkCore

/// Brings the rows of polled tables into one PostgreSQL database. Confined to one thread.
package final class PostgresPolledTarget: PolledTarget {
    private let session: PostgresSession
    private let tables: TargetTables
    /// What made the temporary table that the session has.
    private var standing: String?
    private var context: ApplyContext { tables.context }
    private var records: SyncUnitRecords { SyncUnitRecords(session: session, pipeline: context.pipeline) }
    private var cursorRow: CursorRow { CursorRow(session: session, pipeline: context.pipeline) }

    package init(_ url: String, pipeline: String) throws {
        do {
            session = try PostgresSession(url)
            tables = TargetTables(session: session, context: try PostgresTarget.prepare(session, pipeline: pipeline))
        } catch let failure as PostgresFailure {
            throw TargetFault(failure, pipeline: pipeline).error("the target cannot be used")
        }
    }

    package func units() throws -> [SyncUnit] {
        try reporting(nil) {
            try records.require()
            return try records.all()
        }
    }

    package func save(_ unit: SyncUnit, epoch: Int64) throws {
        try inTransaction(of: unit.table, epoch: epoch) { _ = try records.save(unit) }
    }

    package func forget(_ tables: [TableName], epoch: Int64) throws {
        try inTransaction(of: nil, epoch: epoch) { try records.forget(tables) }
    }

    package func keyOrder(of table: CapturedTable) throws -> [String] {
        try reporting(table) {
            let target = try target(of: table)
            return try KeyOrdering(session: session, relation: target.oid).terms(of: target.keysInOrder)
        }
    }

    package func key(in part: TablePart, afterRows count: Int) throws -> String? {
        try reporting(part.table) {
            let target = try target(of: part.table)
            guard !target.keys.isEmpty else { return nil }
            try session.run("begin read only")
            let range = KeyRange(of: part, keys: target.keysInOrder)
            try range.bind(in: session)
            let key = try range.key(afterRows: count, of: target.onlyName, in: session)
            try session.run("commit")
            return key
        }
    }

    package func apply(_ unit: SyncUnit, of table: CapturedTable, epoch: Int64, nextPage: () throws -> ChangePage?) throws -> SyncUnit {
        guard !table.keyColumns.isEmpty else {
            throw TidemarkError(
                "rows of a table without a key cannot be told apart", pipeline: context.pipeline, table: table.name,
                why: "mode: \(unit.mode.rawValue) replaces rows by their key",
                remedy: "Give the table a primary key on both sides, or write mode: full, which compares whole rows.")
        }
        return try write(unit, table, epoch) { target, unit in
            var rows = try staged(target)
            while let page = try nextPage() {
                unit.rowsDone += Int64(page.changes.count)
                let page = try readable(page)
                unit.rowsDeleted += try delete(page, from: target)
                try rows.add(page.changes.indices.filter { page.changes[$0].operation != .delete }, of: page)
            }
            unit.rowsWritten += try rows.write()
        }
    }

    package func replace(_ unit: SyncUnit, of table: CapturedTable, epoch: Int64, nextPage: () throws -> ChangePage?) throws -> SyncUnit {
        try write(unit, table, epoch) { target, unit in
            var rows = try staged(target)
            while let page = try nextPage() {
                unit.rowsDone += Int64(page.changes.count)
                let page = try readable(page)
                try rows.add(page.changes.indices.filter { page.changes[$0].operation != .delete }, of: page)
            }
            unit.rowsDeleted += try rows.removeOthers()
            unit.rowsWritten += try rows.write()
        }
    }

    package func deleteOthers(
        _ unit: SyncUnit, in part: TablePart, epoch: Int64, keys nextPage: () throws -> ChangePage?
    ) throws -> SyncUnit {
        try write(unit, part.table, epoch) { target, unit in
            var keys = try staged(target, keysOnly: true)
            while let page = try nextPage() {
                let page = try readable(page)
                try keys.add(Array(page.changes.indices), of: page)
            }
            let range = KeyRange(of: part, keys: target.keysInOrder)
            try range.bind(in: session)
            unit.rowsDeleted += try keys.removeOthers(in: range)
            if part.through == nil { unit.deletesAt = try session.query("select clock_timestamp()")[0, 0] }
        }
    }

    // MARK: Parts of a transaction

    private func target(of table: CapturedTable) throws -> TargetTable {
        tables.captured[table.capture] = table
        return try tables.statements(table.capture).target
    }

    private func staged(_ target: TargetTable, keysOnly: Bool = false) throws -> StagedRows {
        let rows = try StagedRows(target, in: session, context, keysOnly: keysOnly, standing: standing)
        standing = rows.creation
        return rows
    }

    private func readable(_ page: ChangePage) throws -> ChangePage {
        for change in page.changes where !change.operation.carriesRow {
            let key = change.key.map { String(decoding: page.bytes[$0], as: UTF8.self) }
            throw TidemarkError(
                "a row is too large to travel", pipeline: context.pipeline, table: tables.captured[change.capture]?.name, key: key,
                why: "its image does not fit into one value", remedy: "Make the row smaller, or leave its large columns out with omit:.", isAboutData: true)
        }
        return try tables.readable(page)
    }

    private func delete(_ page: ChangePage, from target: TargetTable) throws -> Int64 {
        let gone = page.changes.indices.filter { page.changes[$0].operation == .delete }
        guard !gone.isEmpty else { return 0 }
        let sql = try tables.statements(target.captured.capture).paged.deletion
        return Int64(try session.query(sql, [.json(PageArray.keys(gone, of: page))]).affected)
    }

    private func write(
        _ unit: SyncUnit, _ table: CapturedTable, _ epoch: Int64, _ body: (TargetTable, inout SyncUnit) throws -> Void
    ) throws -> SyncUnit {
        var unit = unit
        try inTransaction(of: table.name, epoch: epoch) {
            let target = try target(of: table)
            if context.marksOrigins {
                tables.origins.begin(source: try cursorRow.read().source)
                try tables.origins.mark(origin: nil)
            }
            try body(target, &unit)
            if !context.holdsTriggersStill { try session.run("set constraints all immediate") }
            try target.requireUnaltered(in: session, context)
            unit = try records.save(unit)
        }
        return unit
    }

    /// The stream of the same pipeline moves the cursor meanwhile; that the pipeline is still this worker's counts at the end.
    private func inTransaction(of table: TableName?, epoch: Int64, _ body: () throws -> Void) throws {
        do {
            try session.run(context.begin)
            try cursorRow.require(epoch: epoch)
            try records.require()
            try body()
            try cursorRow.require(epoch: epoch, lock: "for share")
            try session.run("commit")
        } catch {
            session.rollback()
            // What was found may be why it failed: look again.
            tables.forget()
            standing = nil
            guard let failure = error as? PostgresFailure else { throw error }
            throw TargetFault(failure, context: context).error("rows cannot be brought into the target", table: table)
        }
    }

    private func reporting<Result>(_ table: CapturedTable?, _ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch {
            session.rollback()
            tables.forget()
            guard let failure = error as? PostgresFailure else { throw error }
            throw TargetFault(failure, context: context).error("rows of the target cannot be read", table: table?.atTarget)
        }
    }
}

extension TargetTable {
    /// In the order of the key, which `keys` is not.
    var keysInOrder: [TargetColumn] { captured.keyColumns.compactMap { name in columns.first { $0.name == name } } }
}
