import TidemarkCore

/// One of a pipeline's two databases, with what can be done to it in either role. Each of the three has a connection.
struct PipelineSide {
    let address: String
    /// The address as it may be shown.
    let shown: String
    let roles: any RoleAdministration
    let asSource: any SourceAdministration
    let asTarget: any TargetAdministration

    /// - Parameter role: what the address was given as, for errors.
    init(_ address: String, givenAs role: String) throws {
        let engine = try Engines.accepting(address, of: role)
        self.address = address
        shown = engine.shown(address)
        roles = try engine.roleAdministration(address, side: role)
        asSource = try engine.sourceAdministration(address)
        asTarget = try engine.targetAdministration(address)
        openSource = { try engine.source(address) }
    }

    private let openSource: () throws -> any ChangeSource

    /// The tables with the generation of capture that each has here.
    func captured(_ tables: [TableName]) throws -> [TableName: Int32] {
        let wanted = Set(tables)
        let current = try openSource().capturedTables().filter { !$0.isRetired && wanted.contains($0.name) }
        return Dictionary(current.map { ($0.name, $0.capture) }, uniquingKeysWith: max)
    }
}

extension PipelineDefinition {
    func openSourceSide() throws -> PipelineSide { try naming { try PipelineSide(source, givenAs: "source") } }
    func openTargetSide() throws -> PipelineSide { try naming { try PipelineSide(target, givenAs: "target") } }

    /// The same pipeline in the other direction.
    package var reversed: PipelineDefinition {
        var reversed = self
        (reversed.source, reversed.target) = (target, source)
        return reversed
    }
}

/// The tables of a pipeline as each of its databases calls them.
struct PairedTables {
    var onPrimary: [TableName] = []
    var onReplica: [TableName] = []
    /// Tables of the primary that the replica does not have.
    var missing: [TableName] = []

    /// - Parameters:
    ///   - tables: the pipeline's, as the primary calls them.
    ///   - others: all of the replica's.
    init(_ tables: [SourceTable], with others: [SourceTable]) {
        let known = Dictionary(others.map { ($0.name, $0.name) }, uniquingKeysWith: { first, _ in first })
        for table in tables.map(\.name) {
            // An engine without schemas has one name for what another has in its usual schema.
            let alike = known[table] ?? others.map(\.name).first { $0.name == table.name && ($0.schema == nil || table.schema == nil) }
            guard let alike else {
                missing.append(table)
                continue
            }
            onPrimary.append(table)
            onReplica.append(alike)
        }
    }
}
