import TidemarkCore

/// Of which types the expressions of a table are.
struct ExpressionTypes {
    private let session: PostgresSession
    private let table: CapturedTable

    init(of table: CapturedTable, in session: PostgresSession) { (self.table, self.session) = (table, session) }

    /// Those that are computed, by the target's name.
    func computed(_ columns: [ShapedColumn]) throws -> [String: ShapedTable.Computed] {
        let expressions = columns.compactMap { column in column.sql.map { (column, $0) } }
        guard !expressions.isEmpty else { return [:] }
        var found: [String: ShapedTable.Computed] = [:]
        for (column, sql) in expressions {
            let rows: PostgresRows
            do {
                // By a way of asking that takes one statement only, and without parentheses of ours that it could close.
                rows = try session.query("select \(sql)\n from \(emptyRow) limit 0")
            } catch {
                // 08P01: a parameter that nobody gives.
                guard !error.isConnectionLost || error.sqlState == "08P01" else { throw error }
                throw Self.unreadable(column, error, table.name)
            }
            guard rows.columnTypes.count == 1, let type = rows.columnTypes.first else {
                throw TidemarkError(
                    "a table cannot be shaped", table: table.name, why: "set: \(column.source ?? column.name) is \(rows.columnTypes.count) expressions",
                    remedy: "Give each column one expression; parentheses may be missing.")
            }
            let known = try session.query(
                """
                select format_type(t.oid, $2::int), t.oid in ('json'::regtype, 'jsonb'::regtype),
                       t.oid < 16384 and t.typtype = 'b' and t.typcategory <> 'A' and t.typname not in ('json', 'jsonb')
                from pg_type t where t.oid = $1::oid
                """, [.text(String(type.oid)), .text(String(type.modifier))])
            found[column.name] = ShapedTable.Computed(
                sql: sql, type: known[0, 0] ?? "text", oid: String(type.oid), isJSON: known[0, 1] == "t", isPlain: known[0, 2] == "t")
        }
        return found
    }

    /// What FROM takes: no row, with the columns' names and types.
    var emptyRow: String {
        "(select \(table.columns.map { "null::\($0.type.isEmpty ? "text" : $0.type) as \(PostgresIdentifier.quoted($0.name))" }.joined(separator: ", "))) t"
    }

    static func unreadable(_ column: ShapedColumn, _ failure: PostgresFailure, _ table: TableName) -> TidemarkError {
        TidemarkError(
            "a table cannot be shaped", table: table, why: "the expression of \(column.source ?? column.name) cannot be read: the source says: \(failure.message)",
            remedy: "set: takes what may stand in the list of SELECT over the table's columns, such as: md5(email). Functions of yours are named with their schema.")
    }
}
