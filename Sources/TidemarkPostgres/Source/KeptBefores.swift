import TidemarkCore

/// The captures of which a reader wants every change, with what its row was before.
struct KeptBefores {
    private(set) var captures: Set<Int32> = []
    /// Those of them, retired ones, that did not log it: nothing of theirs may be left to be read.
    private var lacking: [Int32: TableName] = [:]

    init() {}

    init(_ captures: Set<Int32>, in session: PostgresSession) throws {
        self.captures = captures
        guard !captures.isEmpty else { return }
        let rows = try session.query(
            """
            select id, schema_name, table_name, retired_at is null from tidemark.capture c
            where id = any ($1::int[]) and to_jsonb(c) ->> 'images' is distinct from 'both'
            """, [.text("{\(captures.sorted().map(String.init).joined(separator: ","))}")])
        for row in 0..<rows.count {
            let table = TableName(schema: rows[row, 1], name: rows[row, 2] ?? "")
            guard rows[row, 3] != "t" else {
                throw TidemarkError(
                    "conflicts of a table cannot be seen", table: table, why: "its rows are logged only as changes leave them, and not as they were before",
                    remedy: "Type: tidemark setup …, which has them logged so.")
            }
            lacking[Int32(rows[row, 0] ?? "") ?? 0] = table
        }
    }

    /// - Throws: where changes are left that do not say it.
    func requireLogged(in page: ChangePage) throws {
        guard !lacking.isEmpty, let change = page.changes.first(where: { lacking[$0.capture] != nil }) else { return }
        throw TidemarkError(
            "conflicts of a table cannot be seen", table: lacking[change.capture], changeID: change.id,
            why: "changes are left that were logged before setup had its rows logged as they were before",
            remedy: "Take conflict: out of the table, type tidemark run --once …, and put it back.")
    }
}
