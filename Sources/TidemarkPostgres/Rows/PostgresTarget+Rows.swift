package import TidemarkCore

/// Rows that come beside the stream, through the same statements.
extension PostgresTarget: RowTarget {
    package var loadersMax: Int { Int.max }

    package func form(of table: CapturedTable, from engine: String) throws -> RowForm {
        try loading(table.name) {
            guard engine == PostgresEngine().name else { return .changes }
            let target = try statements(of: table).target
            return .native(columns: target.written.map(\.name))
        }
    }

    package func loadingOrder(_ captured: [CapturedTable]) throws -> (groups: [[CapturedTable]], whole: Set<TableName>) {
        try loading(nil) {
            guard !context.holdsTriggersStill else { return ([captured], []) }
            let targets = try captured.map { try statements(of: $0).target }
            let referring = targets.filter { table in
                table.foreignKeys.contains { $0.child == table.oid && $0.parent == table.oid }
            }
            return (ForeignKey.parentsFirst(targets).map { [$0.captured] }, Set(referring.map(\.captured.name)))
        }
    }

    package func hasRows(_ table: CapturedTable) throws -> Bool {
        try loading(table.name) { try hasRows(in: try statements(of: table).target) }
    }

    package func begin(_ copy: TableCopy, of table: CapturedTable, at cursor: Cursor) throws {
        try loading(table.name) {
            try inTransaction(at: cursor) {
                try prepare(try statements(of: table).target, for: copy)
                try records.save(copy)
                try raiseRevision()
            }
        }
    }

    package func load(
        _ table: CapturedTable, as form: RowForm, order: ApplyOrder, at cursor: Cursor, saving copy: TableCopy?,
        nextPage: () throws -> RowPage?
    ) throws -> Int64 {
        try loading(table.name) {
            let target = try statements(of: table).target
            var loaded = RowPageCount()
            try inTransaction(at: cursor) {
                if let copy { try prepare(target, for: copy) }
                let next = {
                    let page = try nextPage()
                    loaded.add(page)
                    return page
                }
                switch form {
                case .native(let columns): try loadNative(columns, into: target, next)
                case .changes: try loadChanges(order, next)
                }
                try target.requireUnaltered(in: session, context)
                if var copy {
                    copy.rows += loaded.rows
                    copy.bytes += loaded.bytes
                    try records.save(copy)
                    try raiseRevision()
                }
            }
            return loaded.rows
        }
    }

    package func repair(
        _ differences: [RowDifference], of table: CapturedTable, with changes: ChangePage, at cursor: Cursor
    ) throws {
        try loading(table.name) {
            _ = try statements(of: table)
            func apply(_ start: some WindowWork) throws {
                try inTransaction(at: cursor) {
                    var work = start
                    try work.apply(changes)
                    try work.finish()
                    try records.log(differences, of: table.name, at: cursor.snapshot)
                }
            }
            do {
                try apply(PagedWindow(tables))
            } catch is PageRefusal {
                session.rollback()
                try apply(StagedWindow(tables))
            }
        }
    }

    package func statements(for changes: ChangePage, of table: CapturedTable) throws -> [String] {
        try loading(table.name) {
            let sql = try statements(of: table)
            let page = try tables.readable(changes)
            return page.changes.indices.map { index in
                let change = page.changes[index]
                func literal(_ range: Range<Int>?) -> String {
                    let json = range.map { String(decoding: page.bytes[$0], as: UTF8.self) } ?? "{}"
                    return PostgresIdentifier.literal("[\(json)]") + "::json"
                }
                let statement = switch (change.operation, change.key) {
                case (.delete, .some): sql.paged.deletion.replacing("$1", with: literal(change.key))
                case (.delete, nil): sql.wholeRowRemoval.replacing("$1", with: literal(change.image))
                case (_, .some): sql.paged.upsert.replacing("$1", with: literal(change.image))
                case (_, nil): sql.paged.insertion.replacing("$1", with: literal(change.image))
                }
                return statement + ";"
            }
        }
    }

    package func finish(_ table: TableName, running statements: [String], at cursor: Cursor) throws {
        try loading(table) {
            for statement in statements {
                // Not locked meanwhile: an index takes its time, and the stream goes on.
                try cursorRow.requireEpoch(of: cursor)
                try runUnlessDone(statement)
            }
        }
    }

    package func copies(expecting missing: [TableCopy]) throws -> [TableCopy] {
        try loading(nil) {
            for copy in missing { try records.save(copy, replacing: false) }
            return try records.copies()
        }
    }

    package func save(_ copy: TableCopy, at cursor: Cursor, changesStream: Bool) throws {
        try loading(copy.table) {
            try inTransaction(at: nil) {
                try cursorRow.requireEpoch(of: cursor, lock: "for update")
                try records.save(copy)
                if changesStream { try raiseRevision() }
            }
        }
    }

    package func proofs() throws -> [TableProof] { try loading(nil) { try records.proofs() } }

    package func save(_ proof: TableProof, ended: Bool) throws {
        try loading(proof.table) { try records.save(proof, ended: ended) }
    }

    // MARK: Parts of a transaction

    private var records: CopyRecords { CopyRecords(session: session, pipeline: context.pipeline) }

    package func script(of statements: [String], moving cursor: Cursor, to moved: Cursor) throws -> [String] {
        let literal = PostgresIdentifier.literal
        let name = literal(context.pipeline)
        let place = "snapshot = \(literal(cursor.snapshot.description)) and witness = \(literal(cursor.witness)) and epoch = \(cursor.epoch)"
        return ["begin;"] + (context.holdsTriggersStill ? ["set local session_replication_role = replica;", "set local tidemark.applying = '1';"] : [])
            + (context.marksOrigins ? ["select tidemark.mark_applied(\(literal(cursor.source)));"] : [])
            + ["do $$begin if not exists (select from tidemark.cursor where pipeline = \(name) and \(place) for update) then raise 'the cursor has moved: plan again'; end if; end$$;"]
            + statements + [
                """
                update tidemark.cursor set snapshot = \(literal(moved.snapshot.description)), witness = \(literal(moved.witness)), last_id = \(moved.lastID),
                    revision = revision + 1, hold = 'paused', held_by = current_user, held_at = now() where pipeline = \(name);
                """, "commit;",
            ]
    }

    private func statements(of table: CapturedTable) throws -> TableStatements {
        tables.captured[table.capture] = table
        return try tables.statements(table.capture)
    }

    /// The cursor is held first: who would move it waits.
    private func inTransaction(at cursor: Cursor?, _ body: () throws -> Void) throws {
        try session.run(context.begin)
        if let cursor {
            try cursorRow.pin(cursor)
            tables.origins.begin(source: cursor.source)
            try tables.origins.mark(origin: nil)
        }
        try body()
        try session.settle()
        try session.run("commit")
    }

    private func loading<Result>(_ table: TableName?, _ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch {
            session.rollback()
            tables.forget()
            guard let failure = error as? PostgresFailure else { throw error }
            throw TargetFault(failure, context: context).error("rows cannot be brought into the target", table: table)
        }
    }

    /// Removes what the table holds, or refuses to, as the operator has chosen.
    private func prepare(_ target: TargetTable, for copy: TableCopy) throws {
        switch copy.existing {
        case .merge, .keep: return
        case .empty:
            do {
                try Truncation(session: session, context: context).empty([target])
            } catch let cascade as Truncation.WouldCascade {
                throw cascade.error(context)
            }
        case .refuse:
            guard try !hasRows(in: target) else { throw TableCopy.refusal(of: target.captured.name, pipeline: context.pipeline) }
        }
        try parked.discard(target.captured.name, because: "the table was copied anew")
    }

    private func hasRows(in target: TargetTable) throws -> Bool {
        try session.query("select exists (select from \(target.onlyName))")[0, 0] == "t"
    }

    private func runUnlessDone(_ statement: String) throws(PostgresFailure) {
        do {
            try session.run(statement)
        } catch {
            // An earlier run came this far: the index, the constraint or the primary key exists.
            guard ["42P07", "42710", "42P16"].contains(error.sqlState) else { throw error }
        }
    }

    private func raiseRevision() throws {
        try session.query("update tidemark.cursor set revision = revision + 1 where pipeline = $1", [.text(context.pipeline)])
    }

    private func loadNative(_ columns: [String], into target: TargetTable, _ next: () throws -> RowPage?) throws {
        let list = columns.map(PostgresIdentifier.quoted).joined(separator: ", ")
        do {
            try session.copyIn("\(target.quotedName) (\(list))") {
                guard case .native(let rows)? = try next() else { return nil }
                return rows.bytes
            }
        } catch let failure as PostgresFailure {
            guard PageRefusal.isAboutRows(failure) else { throw failure }
            throw RowsExist()
        }
    }

    private func loadChanges(_ order: ApplyOrder, _ next: () throws -> RowPage?) throws {
        func load(_ start: some WindowWork) throws {
            var work = start
            while case .changes(let page)? = try next() { try work.apply(page) }
            try work.finish()
        }
        do {
            switch order {
            case .paged: try load(PagedWindow(tables))
            case .staged: try load(StagedWindow(tables))
            }
        } catch let refusal as PageRefusal {
            throw refusal.askingForStaging(context)
        }
    }
}

/// What has travelled.
private struct RowPageCount {
    var rows = Int64(0)
    var bytes = Int64(0)

    mutating func add(_ page: RowPage?) {
        rows += Int64(page?.rowCount ?? 0)
        bytes += Int64(page?.byteCount ?? 0)
    }
}
