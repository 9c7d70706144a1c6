import TidemarkCore

/// Proves that what a rule says of a table can be worked out of one row alone, at any time, with the same result.
///
/// The server knows: nothing else may stand in an index. So one is made, on a temporary table that is gone afterwards.
struct ShapeProof {
    let session: PostgresSession
    private static let table = "pg_temp.tidemark_shape"

    /// Problems; none for a rule that may be used.
    func findings(_ table: SourceTable, by rules: TableRules) throws -> [Finding] {
        let names = table.columns.map(\.name)
        let shaping = rules.shaping(of: table.name, having: names)
        let faults = shaping.faults(columns: names, key: table.keyColumns)
        guard faults.isEmpty else { return faults.map { Finding(.problem, table: table.name, $0.why, remedy: $0.remedy) } }
        let expressions = shaping.columns(of: names, key: table.keyColumns).compactMap { column in column.sql.map { (column.source ?? column.name, $0) } }
        guard shaping.filter != nil || !expressions.isEmpty else { return [] }
        let captured = CapturedTable(table)
        try session.run("begin")
        defer { session.rollback() }
        let columns = captured.columns.map { "\(PostgresIdentifier.quoted($0.name)) \($0.type)" }.joined(separator: ", ")
        try session.run("create temporary table tidemark_shape (\(columns)) on commit drop")
        let row = ExpressionTypes(of: captured, in: session).emptyRow
        var found: [Finding] = []
        func prove(_ what: String, _ remedy: String, _ statements: [String]) throws {
            guard let failure = try refusal(of: statements) else { return }
            found.append(Self.finding(table.name, what, failure, remedy))
        }
        if let filter = shaping.filter {
            try prove(
                "where:", "where: takes what may stand behind WHERE in a query of the source, such as: region = 'EU' and not deleted",
                // Also without parentheses, so that none of the condition's own can close ours.
                ["select 1 from \(row) where \(filter)\n", "select 1 from \(row) where (\(filter)\n)", "create index on \(Self.table) ((1)) where (\(filter)\n)"])
        }
        for (column, sql) in expressions {
            try prove(
                "set: \(column):", "set: takes what may stand in the list of SELECT over the table's columns, such as: md5(email)",
                // One value each: a union has as many columns on either side.
                ["select \(sql)\n from \(row) union all select null", "select (\(sql)\n) from \(row)", "create index on \(Self.table) ((1)) where (\(sql)\n) is null"])
        }
        return found
    }

    private func refusal(of statements: [String]) throws -> PostgresFailure? {
        for statement in statements {
            try session.run("savepoint tidemark_shape")
            do {
                try session.query(statement)
            } catch {
                // 08P01: a parameter that nobody gives.
                guard !error.isTransient || error.sqlState == "08P01" else { throw error }
                try session.run("rollback to savepoint tidemark_shape")
                return error
            }
            try session.run("rollback to savepoint tidemark_shape")
        }
        return nil
    }

    private static func finding(_ table: TableName, _ what: String, _ failure: PostgresFailure, _ remedy: String) -> Finding {
        switch failure.sqlState {
        case "42P17":
            Finding(
                .problem, table: table, "\(what) its result may be another one at another time",
                remedy: "Use functions only that PostgreSQL calls immutable: || for concat() and format(), at time zone 'UTC' before a cast of"
                    + " timestamp with time zone, no now() and no random().")
        case "0A000", "42803", "42P20":
            Finding(
                .problem, table: table, "\(what) it has to be worked out of one row alone; the source says: \(failure.message)",
                remedy: "Leave subqueries, aggregates and window functions out; a trigger of the application may keep such a value in a column of the table.")
        default:
            Finding(
                .problem, table: table, "\(what) the source says: \(failure.message)",
                remedy: "\(remedy). Functions and types of yours are named with their schema.")
        }
    }
}

extension CapturedTable {
    /// As capture would take it.
    init(_ table: SourceTable) {
        self.init(capture: 0, name: table.name, columns: table.columns, keyColumns: table.keyColumns, encoding: table.encoding)
    }
}
