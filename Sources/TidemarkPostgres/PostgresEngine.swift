package import TidemarkCore

/// PostgreSQL, spoken to through libpq.
package struct PostgresEngine: Engine {
    package init() {}

    package let name = "PostgreSQL"
    package let addressForms = ["postgresql://[user@]host[:port]/database", "service=NAME", "host=… dbname=…"]

    package func accepts(_ address: String) -> Bool {
        address.hasPrefix("postgresql://") || address.hasPrefix("postgres://") || ConnectionText.isKeyValue(address)
    }

    package func shown(_ address: String) -> String { ConnectionText.withoutSecrets(address) }

    package func source(_ address: String) throws -> any ChangeSource { try PostgresSource(address) }

    package func target(_ address: String, pipeline: String) throws -> any ChangeTarget {
        try PostgresTarget(address, pipeline: pipeline)
    }

    package func rowSource(_ address: String) throws -> any RowSource { try PostgresRowSource(address) }

    package func rowTarget(_ address: String, pipeline: String) throws -> any RowTarget {
        try PostgresTarget(address, pipeline: pipeline)
    }

    package func targetReader(_ address: String, pipeline: String) throws -> any TargetReader {
        try PostgresTargetReader(address, pipeline: pipeline)
    }

    package func polledSource(_ address: String) throws -> any PolledSource { try PostgresPolledSource(address) }

    package func polledTarget(_ address: String, pipeline: String) throws -> any PolledTarget {
        try PostgresPolledTarget(address, pipeline: pipeline)
    }

    package func history(_ address: String) throws -> any SourceHistory { try PostgresHistory(address) }

    package func sourceAdministration(_ address: String) throws -> any SourceAdministration {
        try PostgresSourceAdministration(address)
    }

    package func targetAdministration(_ address: String) throws -> any TargetAdministration {
        try PostgresTargetAdministration(address)
    }

    package func replayTarget(_ address: String, pipeline: String) throws -> any ReplayTarget {
        try PostgresReplayTarget(address, pipeline: pipeline)
    }

    package func roleAdministration(_ address: String, side: String) throws -> any RoleAdministration {
        try PostgresRoleAdministration(address, side: side)
    }

    package func leaseAdministration(_ address: String) throws -> any LeaseAdministration {
        try PostgresLeaseAdministration(address)
    }
}
