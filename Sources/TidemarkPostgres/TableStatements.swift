import TidemarkCore

/// The statements that apply one table's changes: set-based, `$1` = a JSON array of images or keys,
/// so that the worker never looks into a row.
struct TableStatements {
    let table: CapturedTable
    let quotedName: String
    /// Whether two keys are equal exactly if their text is; otherwise changes go one by one.
    let keysCompareByText: Bool
    private let insertion: String
    private let upsert: String
    private let deletion: String
    private let wholeRowDeletion: String

    init(_ table: CapturedTable, in session: PostgresSession, pipeline: String) throws {
        self.table = table
        quotedName = PostgresIdentifier.quoted(table.name)
        let columns = try TargetColumn.all(of: table, in: session, pipeline: pipeline)
        let keys = columns.filter { table.keyColumns.contains($0.name) }
        keysCompareByText = !keys.isEmpty && keys.allSatisfy(\.comparesByText)
        let written = columns.filter { !$0.isGenerated }
        let names = written.map(\.quoted).joined(separator: ", ")
        insertion = """
            insert into \(quotedName) (\(names)) overriding system value
            select \(written.map { "x." + $0.fromRecord }.joined(separator: ", "))
            from json_to_recordset($1) as x(\(written.map(\.recordDefinition).joined(separator: ", ")))
            """
        let settable = written.filter { !$0.isIdentityAlways }
        let target = keys.map(\.quoted).joined(separator: ", ")
        let assignments = settable.map { "\($0.quoted) = excluded.\($0.quoted)" }.joined(separator: ", ")
        upsert = insertion + "\non conflict (\(target)) do " + (assignments.isEmpty ? "nothing" : "update set \(assignments)")
        deletion = """
            delete from \(quotedName) as t
            using json_to_recordset($1) as x(\(keys.map(\.recordDefinition).joined(separator: ", ")))
            where \(keys.map { "t.\($0.quoted) operator(\($0.equality)) x.\($0.fromRecord)" }.joined(separator: " and "))
            """
        wholeRowDeletion = """
            with gone as (
                select image::json as image, count(*) as times from pg_temp.tidemark_gone
                where capture = \(table.capture) group by tidemark_gone.image
            ), standing as (
                select t.tableoid, t.ctid, gone.times,
                       row_number() over (partition by gone.image::text) as nth
                from gone, json_to_record(gone.image) as x(\(columns.map(\.recordDefinition).joined(separator: ", "))), \(quotedName) as t
                where row(\(columns.map { "t." + $0.quoted }.joined(separator: ", ")))::record
                   *= row(\(columns.map { "x." + $0.fromRecord }.joined(separator: ", ")))::record
            )
            delete from \(quotedName) as t using standing s
            where t.tableoid = s.tableoid and t.ctid = s.ctid and s.nth <= s.times
            """
    }

    /// Applies a page's plan for the table. Truncation is the caller's, whole-row deletions are
    /// put aside for the end of the window.
    func apply(
        _ plan: TablePlan, of page: ChangePage, in session: PostgresSession,
        staging staged: inout WholeRowDeletions
    ) throws {
        try run(insertion, plan.wholeRowInsertions, of: page, in: session)
        if !plan.wholeRowDeletions.isEmpty {
            try staged.add(Self.array(plan.wholeRowDeletions, of: page), of: plan.capture, in: session)
        }
        let changes = plan.keyedChanges
        if plan.coalesced {
            try run(deletion, changes.filter { page.changes[$0].operation == .delete }, of: page, in: session)
            try run(upsert, changes.filter { page.changes[$0].operation != .delete }, of: page, in: session)
        } else {
            for index in changes {
                try run(page.changes[index].operation == .delete ? deletion : upsert, [index], of: page, in: session)
            }
        }
    }

    func deleteWholeRows(in session: PostgresSession) throws {
        let staged = try session.query(
            "select count(*) from pg_temp.tidemark_gone where capture = \(table.capture)")
        let expected = Int(staged[0, 0] ?? "") ?? 0
        let removed = try session.query(wholeRowDeletion).affected
        guard removed == expected else {
            throw TidemarkError(
                "a row that the source deleted is not on the target", table: table.name,
                why: "the table has no key, and only \(removed) of \(expected) whole rows were found",
                remedy: "The target was changed by someone else: load the table anew, or give it a key on both sides.")
        }
    }

    private func run(_ sql: String, _ indices: [Int], of page: ChangePage, in session: PostgresSession) throws {
        guard !indices.isEmpty else { return }
        try session.query(sql, [.json(Self.array(indices, of: page))])
    }

    /// A JSON array of the changes' images, or, where a change has none, of its key.
    private static func array(_ indices: [Int], of page: ChangePage) -> [UInt8] {
        var bytes: [UInt8] = [UInt8(ascii: "[")]
        for index in indices {
            let change = page.changes[index]
            guard let text = change.image ?? change.key else { continue }
            if bytes.count > 1 { bytes.append(UInt8(ascii: ",")) }
            bytes.append(contentsOf: page.bytes[text])
        }
        bytes.append(UInt8(ascii: "]"))
        return bytes
    }
}
