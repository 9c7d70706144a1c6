import TidemarkCore

/// What setup, check and teardown do about conflicts, and about the numbers that each end gives by itself.
struct SharedInstallation {
    let definition: PipelineDefinition

    typealias Planned = (side: String, statement: PlannedStatement)
    typealias Found = (side: String, finding: Finding)

    /// Before the first trigger of capture: what is deleted at the target from now on is remembered.
    func prepare(_ tables: [SourceTable], _ target: any TargetAdministration) throws {
        try refuseUndecidable(tables, target)
        try target.prepareConflicts(in: definition.sharedTables(tables), of: definition.name)
    }

    func refuseUndecidable(_ tables: [SourceTable], _ target: any TargetAdministration) throws {
        let shared = definition.sharedTables(tables)
        if let first = try target.checkConflicts(in: shared).first(where: { $0.severity == .problem }) {
            throw TidemarkError("conflicts of a table cannot be decided", table: first.table, why: first.what, remedy: first.remedy)
        }
    }

    /// Once the log is installed, which notes how the sequences were.
    func share(_ source: any SourceAdministration, _ selection: TableSelection) throws {
        guard let sites = definition.sites else { return }
        try source.share(sites, of: selection, above: floors(source.tables(selection)), for: definition.name)
    }

    /// What the target's own sequences give next: rows with numbers below may come from there.
    private func floors(_ tables: [SourceTable]) throws -> SequenceFloors {
        guard !definition.isArchive else { return [:] }
        let standing = try Engines.accepting(definition.target, of: "source").sourceAdministration(definition.target).sequences(TableSelection())
        var floors = SequenceFloors()
        for table in tables {
            let name = definition.rules.target(of: table.name)
            for state in standing {
                for column in state.identity.columns where column.table.isSame(as: name) {
                    let own = SequenceState.Column(table.name, column.column)
                    floors[own] = max(floors[own] ?? .min, state.nextValue)
                }
            }
        }
        return floors
    }

    func plan(_ tables: [SourceTable], _ source: any SourceAdministration, _ selection: TableSelection, _ target: any TargetAdministration) throws -> [Planned] {
        let numbers = try definition.sites.map { try source.planSharing($0, of: selection, above: floors(tables), for: definition.name) } ?? []
        return try numbers.map { ("source", $0) } + target.planConflicts(in: definition.sharedTables(tables), of: definition.name).map { ("target", $0) }
    }

    /// What is asked for, and the last setup did not know.
    func isNeeded(_ recorded: CaptureRequest) -> Bool {
        definition.rules.isShared && recorded.images != .both || definition.passesOn.map { $0 != recorded.capturesApplied } ?? false
    }

    func findings(
        _ tables: [SourceTable], _ source: any SourceAdministration, _ selection: TableSelection, _ target: any TargetAdministration
    ) throws -> [Found] {
        var found: [Found] = []
        let shared = definition.sharedTables(tables)
        if !shared.isEmpty {
            found += try target.checkConflicts(in: shared).map { ("target", $0) }
            if let recorded = try source.recordedRequest(of: definition.name), recorded.images != .both {
                found.append(
                    ("source", Finding(
                        .problem, "rows are logged without what they were before, by which conflicts are found",
                        remedy: "Type: tidemark setup --pipeline \(definition.name) …, which logs both images from then on.")))
            }
            found += shared.filter { $0.conflicts?.converges == true }.compactMap(orderFinding).map { ("source", $0) }
        }
        if let sites = definition.sites { found += try source.checkSharing(sites, of: selection).map { ("source", $0) } }
        if let finding = try counterpartFinding() { found.append(("target", finding)) }
        return found
    }

    /// A time without a part of a second is the same for many writes.
    private func orderFinding(_ table: CapturedTable) -> Finding? {
        guard let column = table.conflicts?.orderColumn, let type = table.columns.first(where: { $0.name == column })?.type else { return nil }
        guard ["date", "timestamp(0) with", "timestamp(0) without"].contains(where: { type.hasPrefix($0) }), table.conflicts?.site == nil else { return nil }
        return Finding(
            .warning, table: table.name, "column \(column), by which rows are compared, is \(type): two writes within it are the same, and the greater image counts",
            remedy: "Make it timestamptz or a number that grows with each write, or name a column that says where a row was written: site: COLUMN.")
    }

    /// Both directions, or what is changed at the target stays there.
    private func counterpartFinding() throws -> Finding? {
        guard let counterpart = definition.counterpart else { return nil }
        let other = try Engines.accepting(definition.target, of: "source").sourceAdministration(definition.target)
        guard try other.recordedRequest(of: counterpart) == nil else { return nil }
        return Finding(
            .problem, "two-way: true, and the way back, pipeline \(counterpart), is not set up: what is written here stays here",
            remedy: "Type: tidemark setup --config FILE --pipeline \(counterpart)")
    }
}

extension TableName {
    /// Where one of two engines has no schemas, the name alone says which table it is.
    fileprivate func isSame(as other: TableName) -> Bool {
        schema == nil || other.schema == nil ? name.lowercased() == other.name.lowercased() : self == other
    }
}
