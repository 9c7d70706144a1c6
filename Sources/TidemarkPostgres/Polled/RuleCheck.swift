import TidemarkCore

/// Makes sure of a table's rule what a reader can: that its names are the table's, and its SQL functions of one row. What may not write
/// cannot have the server prove it by an index.
struct RuleCheck {
    let table: TableName
    /// As FROM takes it.
    let relation: String
    let session: PostgresSession

    func check(_ shaping: TableShaping, columns: [String], key: [String]) throws {
        for fault in shaping.faults(columns: columns, key: key) { throw self.fault(fault.why, fault.remedy) }
        if let filter = shaping.filter { try check(filter, as: "where:", isCondition: true) }
        for expression in shaping.expressions { try check(expression.sql, as: "set: \(expression.column)", isCondition: false) }
    }

    /// A condition that is looked at for each row, as an operator typed it.
    func check(condition: String, as word: String) throws { try check(condition, as: word, isCondition: true) }

    private func check(_ sql: String, as word: String, isCondition: Bool) throws {
        let plan: String
        do {
            // Also without parentheses, so that none of its own can close ours; and by a way of asking that takes one statement only.
            try session.query("explain select 1 from \(relation) as t where \(sql)\n\(isCondition ? "" : " is null")")
            let rows = try session.query("explain (format json) select 1 from \(relation) as t where (\(sql)\n)\(isCondition ? " is true" : " is null")")
            plan = rows[0, 0] ?? ""
        } catch {
            guard !error.isTransient, error.sqlState != "42501" else { throw error }
            throw fault("\(word) cannot be used: the source says: \(error.message)", "It takes SQL over the columns of one row: types and functions that are not built in with their schema.")
        }
        if plan.contains("\"Subplan Name\"") {
            throw fault("\(word) asks other rows", "Whether a row travels, and as what, has to be a function of that row alone: it could change without the row.")
        }
        let unsteady = try unsteady(sql)
        guard unsteady.isEmpty else {
            throw fault(
                "\(word) uses \(unsteady.joined(separator: ", ")), whose value depends on more than its arguments",
                "Whether a row travels, and as what, has to be a function of that row alone: it could change without the row.")
        }
    }

    /// Functions that are not immutable, by their names, and what looks like none and is one.
    private func unsteady(_ sql: String) throws(PostgresFailure) -> [String] {
        let rows = try session.query(
            """
            with word as (
                -- without what stands in quotes
                select lower(m[1]) as name, m[2] <> '' as is_called
                from regexp_matches(regexp_replace(regexp_replace($1, '''[^'']*''', '''''', 'g'), '"[^"]*"', '""', 'g'), '([[:alpha:]_][[:alnum:]_$]*)\\s*(\\(?)', 'g') m
            )
            select distinct w.name from word w
            where w.name in ('current_timestamp', 'current_date', 'current_time', 'localtime', 'localtimestamp', 'current_user', 'session_user', 'user',
                             'current_role', 'current_catalog', 'current_schema')
               or w.is_called and (select bool_and(p.provolatile <> 'i') from pg_proc p where p.proname = w.name)
            order by 1
            """, [.text(sql)])
        return (0..<rows.count).compactMap { rows[$0, 0] }
    }

    private func fault(_ why: String, _ remedy: String) -> TidemarkError {
        TidemarkError("a table's rule cannot be used", table: table, why: why, remedy: remedy)
    }
}
