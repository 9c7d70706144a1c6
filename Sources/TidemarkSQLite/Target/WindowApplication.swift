import TidemarkCore

/// Brings one window's changes into the tables, inside the target's transaction.
final class WindowApplication {
    private let database: SQLiteDatabase
    private let pipeline: String
    private let order: ApplyOrder
    private let tables: TargetTables
    private let staging: WindowStaging
    private let scratch = ScratchBytes()

    init(
        _ database: SQLiteDatabase, pipeline: String, order: ApplyOrder, tables: TargetTables, staging: WindowStaging
    ) throws(SQLiteFailure) {
        self.database = database
        self.pipeline = pipeline
        self.order = order
        self.tables = tables
        self.staging = staging
        try staging.begin()
    }

    /// Takes the next page of the window.
    func take(_ page: ChangePage) throws {
        for change in page.changes where change.operation == .truncate {
            try checkTruncation(change, in: page)
        }
        let plan: PagePlan
        do {
            // Texts of keys are equal exactly if the keys are, also where the target's index takes two keys for one:
            // deletes find a key by its storage class and bytes, and upserts take the row over.
            plan = try PagePlan(coalescing: page, keysCompareByText: { _ in true })
        } catch {
            throw refusal(of: page.changes[error.index], in: page)
        }
        try page.bytes.withUnsafeBufferPointer { bytes in
            for part in plan.tables {
                let table = try tables.table(part.capture)
                if part.truncates { try clear(table) }
                let page = AppliedPage(page: page, bytes: bytes)
                try applyWholeRows(part, of: page, to: table)
                try applyKeyed(part, of: page, to: table)
            }
        }
    }

    /// After the last page: what had to wait for the whole window.
    func finish() throws {
        guard staging.isUsed else { return }
        let replay = StagedReplay(
            database, staging: staging, tables: tables, scratch: scratch, pipeline: pipeline)
        try replay.run()
    }

    private func clear(_ table: TargetTable) throws {
        try table.statement(.clear).run()
        try staging.forget(table.slot)
    }

    private func applyWholeRows(_ part: TablePlan, of page: AppliedPage, to table: TargetTable) throws {
        if table.netsWholeRows || order == .staged {
            for index in part.wholeRowInsertions { try staging.count(page, index, table, times: 1) }
        } else {
            try write(part.wholeRowInsertions, by: .insert, several: .insertSeveral, table, page)
        }
        for index in part.wholeRowDeletions { try staging.count(page, index, table, times: -1) }
    }

    private func applyKeyed(_ part: TablePlan, of page: AppliedPage, to table: TargetTable) throws {
        let indices = part.keyedChanges
        guard !indices.isEmpty else { return }
        if order == .staged {
            try checkOwnColumns(table, page.page.changes[indices[0]])
            for index in indices { try staging.put(page, index, table) }
            return
        }
        // The deletes first: a unique value that a row gives up is free then for the row that takes it.
        let delete = try table.statement(.delete)
        var standing: [Int] = []
        standing.reserveCapacity(indices.count)
        for index in indices {
            guard page.page.changes[index].operation == .delete else {
                standing.append(index)
                continue
            }
            try run(delete, page.key(index), table.key, table, page, index)
        }
        try write(standing, by: .upsert, several: .upsertSeveral, table, page)
    }

    /// Writes rows as their images say: several by one run of a statement, and what is left one by one.
    private func write(
        _ indices: [Int], by single: TargetTable.Statement, several: TargetTable.Statement, _ table: TargetTable,
        _ page: AppliedPage
    ) throws {
        var left = indices[...]
        if table.together > 1 {
            while left.count >= table.together {
                try writeTogether(left.prefix(table.together), by: single, several: several, table, page)
                left = left.dropFirst(table.together)
            }
        }
        guard !left.isEmpty else { return }
        let statement = try table.statement(single)
        for index in left { try run(statement, page.image(index), table.image, table, page, index) }
    }

    private func writeTogether(
        _ indices: ArraySlice<Int>, by single: TargetTable.Statement, several: TargetTable.Statement,
        _ table: TargetTable, _ page: AppliedPage
    ) throws {
        let statement = try table.statement(several)
        scratch.begin(atLeast: ImageBinder.scratchBytes(indices.reduce(0) { $0 + page.image($1).count }))
        var taken = Int32(0)
        for index in indices {
            do {
                try table.image.bind(page.image(index), to: statement, behind: taken, scratch)
            } catch {
                throw fault(error, table, page, index)
            }
            taken += table.image.valueCount
        }
        do {
            try statement.run()
        } catch {
            // A full disk and the like have rolled back already, and further rows would go in for good.
            guard database.isInTransaction else { throw error }
            // One by one the rows show which it was; what went in before it is rolled back with the window.
            let statement = try table.statement(single)
            for index in indices { try run(statement, page.image(index), table.image, table, page, index) }
        }
    }

    @inline(__always)
    private func run(
        _ statement: SQLiteStatement, _ json: UnsafeBufferPointer<UInt8>, _ binder: ImageBinder,
        _ table: TargetTable, _ page: AppliedPage, _ index: Int
    ) throws {
        do {
            try binder.bind(json, to: statement, scratch)
            try statement.run()
        } catch {
            throw fault(error, table, page, index)
        }
    }

    private func fault(_ cause: any Error, _ table: TargetTable, _ page: AppliedPage, _ index: Int) -> TidemarkError {
        ApplyFault(
            pipeline: pipeline, table: table.captured.name, key: page.keyText(index),
            changeID: page.page.changes[index].id
        ).error(for: cause, order: table.netsWholeRows ? .staged : order)
    }

    /// Deleting and inserting a row, as the staged order does, would lose what only the target holds of it.
    private func checkOwnColumns(_ table: TargetTable, _ change: Change) throws {
        guard let own = table.ownColumns.first else { return }
        throw TidemarkError(
            "rows exchange unique values on a table with columns of its own", pipeline: pipeline,
            table: table.captured.name, changeID: change.id,
            why: "such rows are deleted and inserted anew, and the target's column \(SQLiteIdentifier.quoted(own)), which"
                + " the source has not, would lose its values",
            remedy: "Move the target's own columns to a table beside it, or drop the unique index there; then type: tidemark run …",
            isAboutData: true)
    }

    /// A truncation of one partition names it. Here the partitions are one table, which must not be emptied for it.
    private func checkTruncation(_ change: Change, in page: ChangePage) throws {
        guard let image = change.image else { return }
        let table = try tables.table(change.capture).captured.name
        let text = String(decoding: page.bytes[image], as: UTF8.self).filter { $0 != " " }
        let own = "\"table\":\(SQLiteEncoding.jsonString(table.name))"
        let schema = "\"schema\":\(SQLiteEncoding.jsonString(table.schema ?? ""))"
        if text.contains(own), text.contains(schema) { return }
        throw TidemarkError(
            "one partition was truncated", pipeline: pipeline, table: table, changeID: change.id,
            why: "on this target the partitions are one table, and which of its rows are gone is not in the log",
            remedy: "Type: tidemark copy --table … --existing empty …; from now on, DELETE from a partition instead of TRUNCATE.",
            isAboutData: true)
    }

    private func refusal(of change: Change, in page: ChangePage) -> TidemarkError {
        let table = try? tables.table(change.capture).captured.name
        let key = change.key.map { String(decoding: page.bytes[$0], as: UTF8.self) }
        if change.operation == .imageTooLarge {
            return TidemarkError(
                "a row is not in the change log", pipeline: pipeline, table: table, key: key, changeID: change.id,
                why: "its image was too large for JSON when it was captured",
                remedy: "Make the row smaller, or leave the table out with --exclude and type: tidemark setup …", isAboutData: true)
        }
        return TidemarkError(
            "a table was altered", pipeline: pipeline, table: table, changeID: change.id,
            why: "its columns are no longer those that its capture was made for, so rows written since are not in the log",
            remedy: "Type: tidemark setup …, then tidemark copy --table … --existing empty …")
    }
}

/// A page whose bytes hold still.
struct AppliedPage {
    let page: ChangePage
    let bytes: UnsafeBufferPointer<UInt8>

    @inline(__always)
    func image(_ index: Int) -> UnsafeBufferPointer<UInt8> { part(page.changes[index].image) }
    @inline(__always)
    func key(_ index: Int) -> UnsafeBufferPointer<UInt8> { part(page.changes[index].key) }

    func keyText(_ index: Int) -> String? {
        page.changes[index].key.map { String(decoding: page.bytes[$0], as: UTF8.self) }
    }

    private func part(_ range: Range<Int>?) -> UnsafeBufferPointer<UInt8> {
        guard let range else { return UnsafeBufferPointer(start: nil, count: 0) }
        return UnsafeBufferPointer(rebasing: bytes[range])
    }
}
