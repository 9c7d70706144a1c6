import TidemarkCore

/// Why rows cannot be taken back to a place.
struct HistoryObstacles {
    let session: PostgresSession
    let place: HistoryPlace
    let end: TransactionSnapshot
    let above: Int64

    private static let remedy = "Name a later place, or leave the target as it is and mend the source."

    func refuse(_ tables: [CapturedTable]) throws {
        let names = Set(tables.map(\.name))
        if let unseen = try UnseenChanges(session: session).all().first(where: { names.contains($0.table) && $0.capture == .max }) {
            throw TidemarkError(
                "rows of a table may have changed without a trace in the log", table: unseen.table, why: unseen.why,
                remedy: UnseenChanges.remedy)
        }
        for table in tables { try refuse(table) }
    }

    /// The generations of capture since the place have to follow one another, and to hold the same columns.
    private func refuse(_ table: CapturedTable) throws {
        let rows = try session.query(
            """
            with own as (
                select c.*, row_number() over (order by c.id desc) as n, lead(c.installed_at) over (order by c.id) as next_at
                from tidemark.capture c where c.schema_name = $1 and c.table_name = $2),
            since as (select o.* from own o where o.id >= (select max(f.id) from own f where f.installed_at <= $3::timestamptz))
            select (select count(*) from since),
                   (select bool_or(s.gap is not null and s.installed_at > $3::timestamptz) from since s),
                   (select bool_or((s.columns, s.column_types, s.generated, s.key_columns) is distinct from (o.columns, o.column_types, o.generated, o.key_columns))
                    from since s join own o on o.n = 1),
                   (select bool_or(s.retired_at is not null and (s.next_at is null or s.retired_at < s.next_at - interval '10 s')) from since s),
                   (select to_char(min(s.installed_at) at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') from since s where s.images = 'both'),
                   (select to_char(min(o.installed_at) at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') from own o)
            """, [.optional(table.name.schema), .text(table.name.name), .text(place.time)])
        func refusal(_ why: String) -> TidemarkError {
            TidemarkError("a table cannot be taken back", table: table.name, why: why, remedy: Self.remedy)
        }
        guard rows[0, 0] != "0" else { throw refusal("it is captured since \(rows[0, 5] ?? "?") only") }
        if rows[0, 1] == "t" { throw refusal("rows of it may have changed since without a trace in the log") }
        if rows[0, 2] == "t" { throw refusal("its columns or its key were altered since") }
        if rows[0, 3] == "t" { throw refusal("it was not captured all the time since") }
        try refuseRows(of: table, oldImagesSince: rows[0, 4], refusal)
    }

    private func refuseRows(of table: CapturedTable, oldImagesSince since: String?, _ refusal: (String) -> TidemarkError) throws {
        let rows = try session.query(
            """
            select d.id, d.operation, d.key, c.images from tidemark.data_changes d join tidemark.capture c on c.id = d.capture
            where c.schema_name = $1 and c.table_name = $2 and \(LoggedPast.isBetween(place, and: end, above: above))
              and (d.operation = 'X' or d.operation = 'T' and d.before is null or d.before = ''
                   or d.key is null and d.operation in ('I', 'D') and d.image is null or d.key is not null and c.images <> 'both')
            order by d.id limit 1
            """, [.optional(table.name.schema), .text(table.name.name)])
        guard rows.count == 1 else { return }
        var error = switch rows[0, 1] {
        case "X": refusal("it was altered while it was written to, and what was written is not in the log")
        case "T": refusal("it was truncated, and the rows that it had are not in the log")
        default:
            rows[0, 3] == "both" || table.keyColumns.isEmpty
                ? refusal("a row was too large to be logged")
                : refusal("the log holds its rows as they were before \(since.map { "since \($0) only" } ?? "not at all (setup --image both)")")
        }
        (error.changeID, error.key) = (rows[0, 0].flatMap { Int64($0) }, rows[0, 2])
        throw error
    }
}
