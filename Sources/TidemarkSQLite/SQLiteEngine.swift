package import TidemarkCore

/// SQLite: one file, one writer at a time.
package struct SQLiteEngine: Engine {
    package let name = "SQLite"
    package let addressForms = ["sqlite:PATH"]

    package init() {}

    package func accepts(_ address: String) -> Bool { address.hasPrefix(Self.scheme) }

    /// A path holds no secret.
    package func shown(_ address: String) -> String { address }

    package func source(_ address: String) throws -> any ChangeSource {
        try SQLiteSource(path: Self.path(address))
    }

    package func target(_ address: String, pipeline: String) throws -> any ChangeTarget {
        try SQLiteTarget(path: Self.path(address), pipeline: pipeline)
    }

    package func rowSource(_ address: String) throws -> any RowSource {
        try SQLiteRowSource(path: Self.path(address))
    }

    package func rowTarget(_ address: String, pipeline: String) throws -> any RowTarget {
        try SQLiteRowTarget(path: Self.path(address), pipeline: pipeline)
    }

    package func targetReader(_ address: String, pipeline: String) throws -> any TargetReader {
        try SQLiteTargetReader(path: Self.path(address), pipeline: pipeline)
    }

    package func polledSource(_ address: String) throws -> any PolledSource { try SQLitePolledSource(path: Self.path(address)) }

    package func polledTarget(_ address: String, pipeline: String) throws -> any PolledTarget {
        try SQLitePolledTarget(path: Self.path(address), pipeline: pipeline)
    }

    package func history(_ address: String) throws -> any SourceHistory { try SQLiteHistory(path: Self.path(address)) }

    package func sourceAdministration(_ address: String) throws -> any SourceAdministration {
        try SQLiteSourceAdministration(path: Self.path(address))
    }

    package func targetAdministration(_ address: String) throws -> any TargetAdministration {
        try SQLiteTargetAdministration(path: Self.path(address))
    }

    package func replayTarget(_ address: String, pipeline: String) throws -> any ReplayTarget {
        try SQLiteReplayTarget(path: Self.path(address), pipeline: pipeline)
    }

    package func roleAdministration(_ address: String, side: String) throws -> any RoleAdministration {
        try SQLiteRoleAdministration(path: Self.path(address), side: side)
    }

    package func leaseAdministration(_ address: String) throws -> any LeaseAdministration {
        try SQLiteLeaseAdministration(path: Self.path(address))
    }

    private static let scheme = "sqlite:"

    private static func path(_ address: String) -> String {
        address.hasPrefix(scheme) ? String(address.dropFirst(scheme.count)) : address
    }
}
