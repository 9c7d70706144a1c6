import TidemarkCore

/// The one place where a name becomes SQL.
enum PostgresIdentifier {
    static func quoted(_ name: String) -> String {
        "\"" + name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
    }

    static func quoted(_ table: TableName) -> String {
        quoted(table.schema ?? "public") + "." + quoted(table.name)
    }
}
