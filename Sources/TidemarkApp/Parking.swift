package struct Parking: Sendable {
    package init(_ definition: PipelineDefinition) {}
    package func list() throws -> [ParkedTransaction] { [] }
    package func changes(of id: Int64, after changeID: Int64 = 0, limit: Int) throws -> [ParkedChange] { [] }
    package func audit(limit: Int) throws -> [ParkedAudit] { [] }
    package func retry(_ id: Int64, by who: String) throws -> ParkedAudit { fatalError() }
    package func skip(_ id: Int64, by who: String) throws -> ParkedAudit { fatalError() }
}
