package import TidemarkCore

/// What setup, check and teardown do with a pipeline.
package struct Installation {
    private let definition: PipelineDefinition

    package init(_ definition: PipelineDefinition) { self.definition = definition }

    private var roles: RoleSetup { RoleSetup(definition: definition) }
    private var polled: PolledInstallation { PolledInstallation(definition: definition) }
    private var shared: SharedInstallation { SharedInstallation(definition: definition) }

    /// Log and registry, then the cursor, then the triggers: the cursor stands before the first change
    /// that can be logged. Rows that are there already are the worker's to copy.
    /// - Parameter creating: make the tables that the target lacks; their rows are expected to be copied.
    /// - Returns: the tables captured.
    package func setUp(creating: Bool = false) throws -> [SourceTable] {
        if definition.rules.isPolling, definition.role == .replica { try definition.refuseIfPolling("promote") }
        try definition.naming { try definition.refuseUnsharable() }
        guard !definition.isPolledOnly else {
            try definition.naming { try polled.setUp(creating: creating) }
            return []
        }
        return try onBothSides { source, target in
            let request = try definition.request(source)
            guard try target.cursor(of: definition.name)?.cursor.isPolled != true else { throw hasOnlyRead() }
            // Before anything is made: a mistyped pattern should leave nothing behind, nor a table that cannot be made.
            let selected = try source.tables(request.selection)
            guard !selected.isEmpty else { throw nothingSelected(request.selection) }
            try definition.refuse(definition.unknownTables(source) + definition.unknownNames(selected))
            try refuseUnfit(try source.check(definition.rules, on: selected))
            let creations = creating ? try creations(source, target, request) : []
            let read = creating && definition.rules.isPolling ? try polled.creations(of: definition.polledTables(), target) : []
            if creations.isEmpty { try shared.refuseUndecidable(selected, target) }
            let role = try roles.wanted()
            try source.installLog()
            try target.install()
            let identity = try source.identity()
            guard try identity == nil || target.identityAsSource() != identity else { throw sameDatabase() }
            if let stored = try target.cursor(of: definition.name) { try refuseForeign(stored.cursor, identity) }
            let loss = try source.loss(of: definition.name)
            if loss != nil {
                // Its place is in what the log no longer holds, and so are its tables' copies.
                try target.remove(definition.name)
                try target.install()
            }
            if try target.cursor(of: definition.name) == nil {
                try target.place(try source.startCursor(of: definition.name), of: definition.name)
            }
            let isStopped = try source.status(of: definition.name, at: nil, settledThrough: [:]).captureStop != nil
            if loss != nil || isStopped, let stored = try target.cursor(of: definition.name) {
                try source.makeRoom(behind: stored.cursor, of: definition.name)
            }
            // Written down first: a table made and not expected would never get its rows and indexes.
            try target.expect(
                creations.map { creation in
                    definition.rules.shaped(
                        TableCopy(
                            creation.sourceName ?? creation.table, .refuse, statementsAfter: creation.statementsAfter,
                            statementsLast: creation.statementsLast))
                },
                of: definition.name)
            for creation in creations { try target.create(creation) }
            for creation in read { try target.create(creation) }
            try polled.handBack(selected.map(\.name), target)
            try shared.prepare(selected, target)
            try shared.share(source, request.selection)
            let captured = try source.install(request)
            if definition.rules.isPolling { try polled.noteTables() }
            try roles.apply(role, to: captured.map(\.name))
            return captured
        }
    }

    /// Why the pipeline was given up, if it was: `setUp` begins it anew.
    package func loss() throws -> PipelineLoss? {
        definition.isPolledOnly ? nil : try onSource { try $0.loss(of: definition.name) }
    }

    /// Sets up what is not set up yet, for a worker that is started on two databases that know nothing of each other.
    /// - Returns: the tables captured; nil where there was nothing to do.
    package func setUpIfNeeded(creating: Bool) throws -> [SourceTable]? {
        guard !definition.isPolledOnly else {
            return try definition.naming { try polled.isSetUp() } ? nil : setUp(creating: creating)
        }
        let isNeeded = try onBothSides { source, target in
            guard try target.cursor(of: definition.name) != nil, let recorded = try source.recordedRequest(of: definition.name) else {
                return true
            }
            if shared.isNeeded(recorded) { return true }
            if definition.rules.isShared { try shared.prepare(source.tables(recorded.selection), target) }
            return try creating && !creations(source, target, recorded).isEmpty
        }
        return isNeeded ? try setUp(creating: creating) : nil
    }

    /// What `setUp` would run, by side.
    package func planSetUp(creating: Bool = false) throws -> [(side: String, statement: PlannedStatement)] {
        guard !definition.isPolledOnly else { return try definition.naming { try polled.planSetUp(creating: creating) } }
        try definition.naming { try definition.refuseUnsharable() }
        return try onBothSides { source, target in
            let request = try definition.request(source)
            let selected = try source.tables(request.selection)
            // Those that a pipeline before this one is to make are not there yet.
            try definition.refuse((creating ? [] : definition.unknownTables(source)) + definition.unknownNames(selected))
            try refuseUnfit(try source.check(definition.rules, on: selected))
            let shapes = definition.shapeFindings(selected).map { finding in
                ("source", PlannedStatement("-- \(finding.table.map { "\($0): " } ?? "")\(finding.what)", lock: "none: rows are shaped where they are read"))
            }
            let read = creating && definition.rules.isPolling ? try polled.creations(of: definition.polledTables(), target) : []
            let creations = creating ? try creations(source, target, request) : []
            let later = creations.flatMap(\.statementsAfter) + creations.flatMap(\.statementsLast)
            let made = read.flatMap(\.statementsBefore) + creations.flatMap(\.statementsBefore) + later.map { PlannedStatement($0, lock: "after the copy") }
            let sharing = try shared.plan(selected, source, request.selection, target)
            return try shapes + source.planInstall(request).map { ("source", $0) } + target.planInstall().map { ("target", $0) } + sharing
                + (made + (try roles.plan(roles.wanted(), on: source.tables(request.selection).map(\.name), made: creations.map(\.table))))
                .map { ("target", $0) }
        }
    }

    private func creations(
        _ source: any SourceAdministration, _ target: any TargetAdministration, _ request: CaptureRequest
    ) throws -> [TableCreation] {
        let shaped = try source.shaped(try source.tables(request.selection), by: definition.rules)
        return try target.creations(of: source.definitions(of: shaped, as: definition.rules))
    }

    /// - Parameter sourceOnly: leave the target as it is; it may be gone.
    package func tearDown(sourceOnly: Bool = false) throws {
        guard !sourceOnly else { return try definition.isPolledOnly ? () : onSource { try unshareAndRemove($0) } }
        guard try !polled.isOnlyAtTarget() else { return try definition.naming { try definition.openTargetAdministration().remove(definition.name) } }
        try onBothSides { source, target in
            if let stored = try target.cursor(of: definition.name) { try refuseForeign(stored.cursor, try source.identity()) }
            let former = try formerRoles()
            try unshareAndRemove(source)
            try target.remove(definition.name)
            for side in former {
                try side.asSource.remove(definition.name)
                try side.asTarget.remove(definition.name)
            }
        }
    }

    private func unshareAndRemove(_ source: any SourceAdministration) throws {
        try source.unshare(definition.name)
        try source.remove(definition.name)
    }

    /// Where roles were changed, either side also has what it had in its other one.
    private func formerRoles() throws -> [PipelineSide] {
        guard !definition.isArchive else { return [] }
        return try [definition.openSourceSide(), definition.openTargetSide()].filter { side in
            guard let standing = try side.roles.standing(of: definition.name) else { return false }
            return standing.cause != .setup
        }
    }

    package func planTearDown(sourceOnly: Bool = false) throws -> [(side: String, statement: PlannedStatement)] {
        guard !sourceOnly else { return try definition.isPolledOnly ? [] : onSource { try planAtSource($0) } }
        guard try !polled.isOnlyAtTarget() else {
            return try definition.naming { try definition.openTargetAdministration().planRemoval(of: definition.name).map { ("target", $0) } }
        }
        return try onBothSides { source, target in
            let former = try formerRoles().flatMap { side in
                try side.asSource.planRemoval(of: definition.name) + side.asTarget.planRemoval(of: definition.name)
            }
            let now = try planAtSource(source) + target.planRemoval(of: definition.name).map { ("target", $0) }
            let known = Set(now.map(\.1))
            return now + former.filter { !known.contains($0) }.map { ("former role", $0) }
        }
    }

    private func planAtSource(_ source: any SourceAdministration) throws -> [(side: String, statement: PlannedStatement)] {
        try (source.planUnsharing(definition.name) + source.planRemoval(of: definition.name)).map { ("source", $0) }
    }

    /// Every problem of both sides with its remedy, problems first.
    package func check() throws -> [(side: String, finding: Finding)] {
        try definition.naming { try definition.refuseUnsharable() }
        let read = definition.rules.isPolling ? try definition.naming { try polled.findings() } : []
        let captured = definition.isPolledOnly ? [] : try checkCapture()
        let order: [Finding.Severity] = [.problem, .warning, .note]
        return order.flatMap { severity in (captured + read).filter { $0.finding.severity == severity } }
    }

    private func checkCapture() throws -> [(side: String, finding: Finding)] {
        try onBothSides { source, target in
            let request = try definition.request(source)
            let tables = try source.tables(request.selection)
            let unfit = try source.check(definition.rules, on: tables)
            let shaped = unfit.isEmpty ? try source.shaped(tables, by: definition.rules) : []
            var found = try (source.check(request) + unfit + definition.shapeFindings(tables)).map { ("source", $0) }
                + target.check(shaped).map { ("target", $0) }
            // Where the source's own cannot all be read, its findings say so.
            if let sequences = try? source.sequences(request.selection) {
                found += try target.check(definition.rules.shaped(sequences)).map { ("target", $0) }
            }
            found += try (definition.unknownTables(source) + definition.unknownNames(tables)).map { ("source", $0) }
            found += try shared.findings(tables, source, request.selection, target)
            if let finding = try delayFinding(source) { found.append(("source", finding)) }
            found += try roles.findings(on: tables.map(\.name)).map { ("target", $0) }
            if let identity = try source.identity(), try target.identityAsSource() == identity {
                found.append(("target", Finding(.problem, sameDatabase().why, remedy: sameDatabase().remedy)))
            }
            return found
        }
    }

    /// Before anything is made: a rule that does not fit would stop the worker.
    private func refuseUnfit(_ findings: [Finding]) throws {
        guard let first = findings.first(where: { $0.severity == .problem }) else { return }
        throw TidemarkError("a table cannot be shaped", table: first.table, why: first.what, remedy: first.remedy)
    }

    /// The log has to hold all that is younger than the delay.
    private func delayFinding(_ source: any SourceAdministration) throws -> Finding? {
        guard definition.delaySeconds > 0 else { return nil }
        let log = try source.status(of: definition.name, at: nil, settledThrough: [:])
        guard let limit = log.limit, let full = log.fullInSeconds, full < Double(definition.delaySeconds) else { return nil }
        return Finding(
            .warning,
            "the change log reaches max-log-size (\(ByteCount.text(limit.maxBytes))) in \(TimeSpan.estimate(full)) at the current rate,"
                + " before a delay of \(TimeSpan.text(definition.delaySeconds)) is over",
            remedy: "Raise it (tidemark setup --max-log-size SIZE …), or shorten the delay.")
    }

    private func onSource<T>(_ body: (any SourceAdministration) throws -> T) throws -> T {
        try definition.naming { try body(try definition.openSourceAdministration()) }
    }

    private func onBothSides<T>(_ body: (any SourceAdministration, any TargetAdministration) throws -> T) throws -> T {
        try definition.naming {
            try body(try definition.openSourceAdministration(), try definition.openTargetAdministration())
        }
    }

    /// A pipeline's name means one flow: the cursor of another source is not this one's to move or remove.
    private func refuseForeign(_ cursor: Cursor, _ identity: String?) throws {
        guard let identity, cursor.source != identity else { return }
        throw TidemarkError(
            "the target has a pipeline of this name from another source",
            why: "its cursor is for \(cursor.source), this source is \(identity)",
            remedy: "Give this one another name with --pipeline, or point --source at the database that the target follows.")
    }

    private func hasOnlyRead() -> TidemarkError {
        TidemarkError(
            "the pipeline has only read its tables so far", why: "some of them are to be captured now, and its place in the log is none",
            remedy: "Where that is not meant, give its modes again (--config FILE, or --mode). Else type tidemark teardown --pipeline \(definition.name) …,"
                + " then tidemark setup …, and tidemark copy --existing merge …; the rows stay where they are.")
    }

    private func sameDatabase() -> TidemarkError {
        TidemarkError(
            "source and target are the same database", why: "both addresses lead to one database",
            remedy: "Point --target at another database.")
    }

    private func nothingSelected(_ selection: TableSelection) -> TidemarkError {
        let patterns = selection.include.map(\.text).joined(separator: ", ")
        return TidemarkError(
            "no table is selected",
            why: patterns.isEmpty ? "the source has no user table that is not excluded" : "no user table of the source matches \(patterns)",
            remedy: "Patterns are schema.table, in SQLite just table, with *; nothing was changed.")
    }
}
