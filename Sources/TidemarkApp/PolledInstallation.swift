import TidemarkCore

/// What setup, check and teardown do about tables that are read. Nothing of it touches the source.
struct PolledInstallation {
    let definition: PipelineDefinition

    typealias Planned = (side: String, statement: PlannedStatement)

    private var name: String { definition.name }

    // MARK: A pipeline that reads all of its tables

    func setUp(creating: Bool) throws {
        let (source, target) = (try definition.openPolledSource(), try definition.openTargetAdministration())
        let tables = try tables(source)
        try definition.refuse(definition.unknownTables(definition.openSourceAdministration()))
        let creations = creating ? try creations(of: tables, target) : []
        let identity = try source.identity()
        try target.install()
        if let stored = try target.cursor(of: name) { try refuseOther(stored.cursor, identity) }
        try target.place(.polled(identity), of: name)
        for creation in creations { try target.create(creation) }
        try note(tables, target)
    }

    func isSetUp() throws -> Bool {
        guard let stored = try definition.openTargetAdministration().cursor(of: name) else { return false }
        try refuseOther(stored.cursor, nil)
        return true
    }

    func planSetUp(creating: Bool) throws -> [Planned] {
        let target = try definition.openTargetAdministration()
        let creations = creating ? try creations(of: tables(definition.openPolledSource()), target) : []
        return (try target.planInstall() + creations.flatMap(\.statementsBefore)).map { ("target", $0) }
    }

    /// Only the target has something of it. Nothing of a pipeline that captured tables under this name.
    /// - Returns: false for such a one, which has a log at the source.
    func isOnlyAtTarget() throws -> Bool {
        guard !definition.isArchive else { return false }
        return try definition.openTargetAdministration().cursor(of: name)?.cursor.isPolled ?? definition.isPolledOnly
    }

    private func tables(_ source: any PolledSource) throws -> [(table: CapturedTable, reading: PolledReading)] {
        let tables = definition.rules.polled(try source.tables(definition.wholeSelection, definition.rules))
        guard !tables.isEmpty else {
            let patterns = definition.wholeSelection.include.map(\.text).joined(separator: ", ")
            throw TidemarkError(
                "no table is selected", why: patterns.isEmpty ? "the source has no user table that is not excluded" : "no user table of the source matches \(patterns)",
                remedy: "Patterns are schema.table, in SQLite just table, with *; nothing was changed.")
        }
        return tables
    }

    private func refuseOther(_ cursor: Cursor, _ identity: String?) throws {
        guard cursor.isPolled else {
            throw TidemarkError(
                "the pipeline captures tables at its source so far", why: "all of its tables are to be read now, and what is installed there would stay",
                remedy: "Type tidemark teardown --pipeline \(name) …, then tidemark setup …; the rows stay where they are.")
        }
        guard let identity, cursor.source != identity else { return }
        throw TidemarkError(
            "the target has a pipeline of this name from another source", why: "its tables are read from \(cursor.source), this source is \(identity)",
            remedy: "Give this one another name with --pipeline, or point --source at the database that the target's rows are from.")
    }

    // MARK: Tables that are read beside others

    /// For `status`: which tables there are, before the first pass.
    func noteTables() throws {
        let target = try definition.openTargetAdministration()
        try note(definition.polledTables(), target)
    }

    private func note(_ tables: [(table: CapturedTable, reading: PolledReading)], _ target: any TargetAdministration) throws {
        guard let epoch = try target.cursor(of: name)?.cursor.epoch else { return }
        let polled = try definition.openPolledTarget()
        let known = Set(try polled.units().map(\.table))
        for (table, reading) in tables where !known.contains(table.name) { try polled.save(SyncUnit(table.name, reading.mode), epoch: epoch) }
    }

    /// Tables that were read until now, and are captured from now on. Between the last pass and the first change that is logged, rows may
    /// have changed: however they came to the target once, they are to be copied.
    func handBack(_ tables: [TableName], _ target: any TargetAdministration) throws {
        guard !definition.isArchive, let epoch = try target.cursor(of: name)?.cursor.epoch else { return }
        let polled = try definition.openPolledTarget()
        let back = try polled.units().map(\.table).filter(tables.contains)
        guard !back.isEmpty else { return }
        try target.expect(back.map { definition.rules.shaped(TableCopy($0, .refuse)) }, of: name)
        try polled.forget(back, epoch: epoch)
    }

    /// What makes the tables that the target lacks. They are empty, so that their indexes need not wait for rows; without foreign keys,
    /// since each table is as old as its own last pass.
    func creations(of tables: [(table: CapturedTable, reading: PolledReading)], _ target: any TargetAdministration) throws -> [TableCreation] {
        let plain = tables.map(\.table).filter { table in
            definition.rules.shaping(of: table.name, having: table.columns.map(\.name)).isNone && definition.rules.target(of: table.name) == table.name
        }
        let found = try target.creations(of: definition.openSourceAdministration().definitions(of: plain.map(\.asSource)))
        return found.map { creation in
            var whole = creation
            whole.statementsBefore += creation.statementsAfter.map { PlannedStatement($0, lock: "the new table") }
            (whole.statementsAfter, whole.statementsLast) = ([], [])
            return whole
        }
    }

    // MARK: Check

    func findings() throws -> [(side: String, finding: Finding)] {
        let (source, target) = (try definition.openPolledSource(), try definition.openTargetAdministration())
        let tables = definition.rules.polled(try source.tables(definition.wholeSelection, definition.rules))
        var found: [(String, Finding)] = []
        if tables.isEmpty {
            found.append(("source", Finding(.problem, "no table is selected", remedy: "Patterns are schema.table, in SQLite just table, with *.")))
        }
        if definition.isPolledOnly {
            found += try definition.unknownTables(definition.openSourceAdministration()).map { ("source", $0) }
        }
        for (table, reading) in tables {
            if let finding = keyFinding(table, reading) { found.append(("source", finding)) }
            do {
                try source.hold([table.name])
                defer { source.release() }
                _ = try source.key(in: TablePart(table), afterRows: 1)
            } catch let failure as TidemarkError {
                found.append(("source", Finding(.problem, table: table.name, "the table cannot be read: \(failure.why)", remedy: failure.remedy)))
                continue
            }
            guard reading.mode == .incremental else { continue }
            guard let incremental = reading.incremental else {
                found.append(("source", Finding(.problem, table: table.name, "mode: incremental does not say by which column", remedy: "Give the table by: and a column.")))
                continue
            }
            do {
                _ = try source.reach(of: table, by: incremental)
            } catch let failure as TidemarkError {
                found.append(("source", Finding(.problem, table: table.name, "\(failure.what): \(failure.why)", remedy: failure.remedy)))
            }
            if incremental.deletesEverySeconds == nil {
                found.append(
                    ("source", Finding(.note, table: table.name, "rows that are deleted at the source stay at the target", remedy: "deletes: 1h compares keys that often.")))
            }
        }
        found += try target.check(tables.map(\.table.asSource)).map { ("target", $0) }
        return found
    }

    private func keyFinding(_ table: CapturedTable, _ reading: PolledReading) -> Finding? {
        guard table.keyColumns.isEmpty else { return nil }
        switch reading.mode {
        case .incremental:
            return Finding(
                .problem, table: table.name, "a table without a key cannot be read incrementally", remedy: "Give it a key on both sides, or mode: full.")
        case .skipCompleted:
            return Finding(.warning, table: table.name, "without a key the table is read at once, and begins anew where it is interrupted", remedy: "Give it a key.")
        case .full, .realtime: return nil
        }
    }
}

extension CapturedTable {
    /// As the target is asked for it.
    var asSource: SourceTable {
        SourceTable(name: targetName ?? name, columns: columns, keyColumns: keyColumns, encoding: encoding)
    }
}
