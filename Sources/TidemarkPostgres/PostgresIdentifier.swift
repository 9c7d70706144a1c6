import TidemarkCore

/// The one place where a name becomes SQL. Values are parameters; only what `--plan` prints for a
/// person to run needs one as a literal.
enum PostgresIdentifier {
    static func quoted(_ name: String) -> String {
        "\"" + name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
    }

    static func quoted(_ table: TableName) -> String {
        quoted(table.schema ?? "public") + "." + quoted(table.name)
    }

    static func literal(_ text: String) -> String {
        "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''") + "'"
    }
}
