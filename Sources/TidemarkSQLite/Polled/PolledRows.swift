import TidemarkCore

/// Brings rows that were read into one table with a key: what is there in this form already is not written.
final class PolledRows {
    private(set) var written = Int64(0)
    private(set) var deleted = Int64(0)

    private let database: SQLiteDatabase
    private let pipeline: String
    private let target: TargetTable
    private let compared: ComparedRows
    private let staging: WindowStaging
    private let application: WindowApplication
    private let tables: TargetTables
    private let way: Way
    private let scratch = ScratchBytes()

    private enum Way {
        /// As the pages come.
        case paged
        /// Rows may exchange unique values: all that change are removed first, and put in anew.
        case staged
        /// They may here, too, but what only the target holds of a row would go with it: they are written last.
        case deferred
    }

    init(_ database: SQLiteDatabase, pipeline: String, _ rows: TableRows, tables: TargetTables, staging: WindowStaging) throws {
        self.database = database
        self.pipeline = pipeline
        self.staging = staging
        self.tables = tables
        try tables.begin([rows.captured.capture: rows.captured])
        target = try tables.table(rows.captured.capture)
        compared = try ComparedRows(database, rows, pipeline: pipeline)
        way = !target.hasFurtherUniqueValues ? .paged : target.ownColumns.isEmpty ? .staged : .deferred
        application = try WindowApplication(database, pipeline: pipeline, order: .paged, tables: tables, staging: staging)
    }

    func take(_ page: ChangePage) throws {
        // Of a row that comes twice, the last one counts, also where it is what stands here.
        guard let plan = try? PagePlan(coalescing: page, keysCompareByText: { _ in true }) else {
            preconditionFailure("rows that are read come as upserts and deletes")
        }
        var differing = ChangePage()
        try page.bytes.withUnsafeBufferPointer { bytes in
            let applied = AppliedPage(page: page, bytes: bytes)
            for index in plan.tables.flatMap(\.keyedChanges) {
                guard let kind = try compared.kind(applied, index) else {
                    if way != .paged { try staging.withdraw(applied, index, target) }
                    continue
                }
                if kind == .extra { deleted += 1 } else { written += 1 }
                if way == .paged {
                    differing.take(index, from: page)
                } else {
                    try staging.put(applied, index, target)
                }
            }
        }
        if !differing.changes.isEmpty { try saying { try application.take(differing) } }
    }

    func finish() throws {
        guard staging.isUsed else { return }
        try saying {
            switch way {
            case .paged: break
            case .staged:
                try StagedReplay(database, staging: staging, tables: tables, scratch: scratch, pipeline: pipeline).run()
            case .deferred: try writeDeferred()
            }
        }
    }

    private func writeDeferred() throws {
        // The deletes first: a unique value that a row gives up is free then for the row that takes it.
        for operation in ["=", "<>"] {
            let rows = try database.prepare(
                "SELECT key, image, operation FROM temp.tidemark_staged WHERE operation \(operation) \(Operation.delete.rawValue) ORDER BY rowid")
            defer { rows.reset() }
            while try rows.step() {
                let isDelete = operation == "="
                let statement = try target.statement(isDelete ? .delete : .upsert)
                do {
                    let bytes = rows.bytes(isDelete ? 0 : 1)?.bindMemory(to: UInt8.self) ?? UnsafeBufferPointer(start: nil, count: 0)
                    try (isDelete ? target.key : target.image).bind(bytes, to: statement, scratch)
                    try statement.run()
                } catch {
                    let key = rows.bytes(0).map { String(decoding: $0, as: UTF8.self) }
                    throw ApplyFault(pipeline: pipeline, table: target.captured.name, key: key).error(for: error, order: .paged)
                }
            }
        }
    }

    /// Rows that are no part of a log have no change's number, and nobody gives them a second time in another order.
    private func saying(_ body: () throws -> Void) throws {
        do {
            try body()
        } catch {
            throw PolledFault.error(for: error)
        }
    }
}

/// What to say where a row that was read could not be written.
enum PolledFault {
    static func error(for cause: any Error) -> any Error {
        guard var said = cause as? TidemarkError else { return cause }
        said.changeID = nil
        if said.retry == .staged {
            said.retry = .never
            said.isAboutData = true
        }
        // The stream goes on at a change, and these rows are read again.
        if said.why.hasPrefix("UNIQUE constraint") {
            said.remedy = "The row that holds it changed too, or is gone, and is not among the rows that are written together: raise batch:"
                + " of the table, or have deleted rows looked for more often with deletes:; mode: full writes the whole table at once."
                + " If the source lets both rows have the value, drop the unique index on the target."
        }
        return said
    }
}
