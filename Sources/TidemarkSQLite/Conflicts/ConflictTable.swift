import TidemarkCore

/// A table that others write, too, as one generation of capture writes it: what comes for it is put aside in a temporary table, and
/// settled there by a fixed number of statements, however many rows there are.
final class ConflictTable {
    private let database: SQLiteDatabase
    private let pipeline: String
    private let target: TargetTable
    private let rule: ConflictRule
    private let sql: ConflictSQL
    private let steps: ConflictSteps
    private let scratch = ScratchBytes()
    private let putting: SQLiteStatement
    private let tombstone: ImageBinder

    var name: String { target.table.name }
    /// As the source calls it.
    var sourceName: TableName { target.captured.name }

    /// Inside a transaction: what is made here goes with one that is rolled back.
    init(_ captured: CapturedTable, in database: SQLiteDatabase, pipeline: String) throws {
        guard let rule = captured.conflicts else { preconditionFailure("a table without a rule has no conflicts") }
        (self.database, self.pipeline, self.rule) = (database, pipeline, rule)
        target = try TargetTable(captured, slot: 0, in: database, pipeline: pipeline)
        if let fault = ConflictFaults(target, rule).all.first {
            throw TidemarkError(fault.what, pipeline: pipeline, table: captured.name, why: fault.why, remedy: fault.remedy)
        }
        sql = ConflictSQL(target, rule, pipeline: pipeline)
        if sql.usesJSON { try database.addMergingFunctions() }
        for statement in sql.creation { try database.execute(statement) }
        do {
            steps = try ConflictSteps(database, sql)
        } catch {
            guard case .custom = rule.strategy else { throw error }
            throw TidemarkError(
                "a rule for conflicts cannot be read", pipeline: pipeline, table: captured.name, why: error.message,
                remedy: "Mend custom: in the pipeline's tables: SQL of SQLite over source.COLUMN, target.COLUMN and before.COLUMN.")
        }
        putting = try database.prepare(sql.putting)
        tombstone = ImageBinder(
            target.written.map { ImageBinder.Column(source: CapturedColumn(name: $0.name, type: $0.declaredType), target: $0, isRowID: false) },
            encoding: .storageClasses)
    }

    func clear() throws(SQLiteFailure) { try database.execute(sql.clearing) }

    // MARK: Putting aside

    func take(_ index: Int, of page: ChangePage, run: Int) throws {
        let change = page.changes[index]
        guard let key = change.key, [.insert, .update, .delete, .before].contains(change.operation) else { throw refusal(of: change) }
        let before = page.before(index)
        if change.operation == .before {
            try put(page, change, key, image: before, .before, run, index)
        } else {
            if let before { try put(page, change, key, image: before, .before, run, index) }
            try put(page, change, key, image: change.operation == .delete ? nil : change.image, change.operation, run, index)
        }
    }

    private func put(
        _ page: ChangePage, _ change: Change, _ key: Range<Int>, image: Range<Int>?, _ operation: Operation, _ run: Int, _ index: Int
    ) throws {
        do {
            try page.bytes.withUnsafeBufferPointer { bytes in
                let keyBytes = UnsafeBufferPointer(rebasing: bytes[key])
                scratch.begin(atLeast: ImageBinder.scratchBytes(key.count + (image?.count ?? 0)))
                try target.key.bind(keyBytes, to: putting, behind: 0, scratch)
                let keys = target.key.valueCount
                if let image {
                    try target.image.bind(UnsafeBufferPointer(rebasing: bytes[image]), to: putting, behind: keys, scratch)
                } else {
                    for place in 0..<target.image.valueCount { putting.bindNull(at: keys + place + 1) }
                }
                let first = keys + target.image.valueCount
                putting.bind(Int64(run), at: first + 1)
                // What the row was stands in front of what became of it.
                putting.bind(change.id * 2 + (operation == .before ? 0 : 1), at: first + 2)
                putting.bind(page.transactions.isEmpty ? change.id : Int64(bitPattern: page.transactions[index]), at: first + 3)
                putting.bind(Int64(operation.rawValue), at: first + 4)
                _ = putting.bindBlob(borrowing: keyBytes, at: first + 5)
                if let image {
                    _ = putting.bindBlob(borrowing: UnsafeBufferPointer(rebasing: bytes[image]), at: first + 6)
                } else {
                    putting.bindNull(at: first + 6)
                }
                try putting.run()
            }
        } catch {
            throw ApplyFault(
                pipeline: pipeline, table: target.captured.name, key: String(decoding: page.bytes[key], as: UTF8.self), changeID: change.id
            ).error(for: error, order: .staged)
        }
    }

    private func refusal(of change: Change) -> TidemarkError {
        func error(_ what: String, _ why: String, _ remedy: String) -> TidemarkError {
            TidemarkError(what, pipeline: pipeline, table: target.captured.name, changeID: change.id, why: why, remedy: remedy, isAboutData: true)
        }
        switch change.operation {
        case .truncate: return ConflictRule.truncated(target.captured.name, pipeline: pipeline, changeID: change.id)
        case .shapeChanged:
            return error(
                "a table was altered", "its columns are no longer those that its capture was made for, so rows written since are not in the log",
                "Type: tidemark setup …, then tidemark verify --table … --repair")
        case .imageTooLarge:
            return error(
                "a row is not in the change log", "its image was too large for JSON when it was captured",
                "Make the row smaller, or leave the table out with --exclude and type: tidemark setup …")
        case .insert, .update, .delete, .before:
            return error(
                "a change without a key came for a table that both ends write", "which of the target's rows it is about only a key says",
                "Give the table a key on the source and type: tidemark setup …, or take conflict: out of the pipeline's table.")
        }
    }

    // MARK: Settling

    /// - Throws: ``StoppedConflict``, where the rule leaves conflicts to a person and there is one.
    func settle(run: Int, origin: String?, marks: AppliedMarks, source: String) throws {
        do {
            // A key whose chain of changes is broken takes another round for each piece.
            let pieces = try steps.cut(run: run)
            for piece in 0..<pieces {
                try steps.fold(run: run, piece: piece)
                try addTombstones()
                try steps.judge()
                try stopAtFirst(sql.conflicts, origin)
                try steps.resolve()
                try stopAtFirst(sql.losses, origin)
                try steps.record(origin: origin)
                // Logged once, by the announcement: marked with the origin of what they lost to, they would not get back there.
                if marks.isMarking { try marks.unlogged { try steps.removeLosses() } }
                let start = marks.isMarking ? try marks.place() : 0
                if marks.isMarking, sql.isMerge { for what in [.merges, .returns] as [ConflictSteps.Announcement] { try steps.announce(what) } }
                try steps.write()
                if marks.isMarking {
                    try steps.announce(.deletes)
                    try marks.mark(AppliedOrigin.text(origin, from: source), since: start)
                }
                try steps.announce(.losses)
            }
        } catch let conflict as StoppedConflict {
            throw conflict
        } catch {
            throw ApplyFault(pipeline: pipeline, table: target.captured.name).error(for: error, order: .staged)
        }
    }

    /// Deleted rows, of keys that have none now. One that had other columns when it was deleted is none to compare with.
    private func addTombstones() throws {
        let (found, adding) = (steps.tombstones, steps.addingTombstone)
        defer { found.reset() }
        while try found.step() {
            guard let image = found.bytes(1) else { continue }
            scratch.begin(atLeast: ImageBinder.scratchBytes(image.count))
            do {
                try tombstone.bind(image.bindMemory(to: UInt8.self), to: adding, behind: 0, scratch)
            } catch {
                continue
            }
            try adding.bind(found.column(0), at: target.written.count + 1)
            try adding.run()
        }
    }

    private func stopAtFirst(_ conflicts: String, _ origin: String?) throws {
        guard rule.strategy == .stop, let row = try database.rows("\(conflicts) LIMIT 1", [.optional(origin)]).first else { return }
        throw StoppedConflict(row: row)
    }
}
