import TidemarkCore

/// What a pipeline was set up with, as `tidemark.pipeline` keeps it.
struct RecordedRequest {
    let request: CaptureRequest

    init(_ request: CaptureRequest) { self.request = request }

    /// Also of an older version's log, which setup reads before it renews it: that has no columns for retention.
    init?(of pipeline: String, in session: PostgresSession) throws {
        let rows = try session.query(
            """
            select to_json(include), to_json(exclude), kind, requires_key, captures_replica_role,
                   to_jsonb(p) ->> 'retain_seconds', to_jsonb(p) ->> 'retain_bytes', to_jsonb(p) ->> 'image', to_jsonb(p) ->> 'captures_applied'
            from tidemark.pipeline p where name = $1
            """, [.text(pipeline)])
        guard rows.count == 1 else { return nil }
        var request = CaptureRequest(
            pipeline: pipeline,
            selection: TableSelection(
                include: try JSONText.strings(rows[0, 0] ?? "[]").map { TablePattern($0) },
                exclude: try JSONText.strings(rows[0, 1] ?? "[]").map { TablePattern($0) }),
            kind: rows[0, 2].flatMap { CaptureKind(rawValue: $0) } ?? .auto,
            requiresKey: rows[0, 3] == "t", capturesReplicaRole: rows[0, 4] == "t",
            retention: Retention(
                seconds: rows[0, 5].flatMap { Int64($0) }, bytes: rows[0, 6].flatMap { Int64($0) }))
        request.images = rows[0, 7].flatMap { CapturedImages(rawValue: $0) } ?? .new
        request.capturesApplied = rows[0, 8] == "true"
        self.request = request
    }

    func write(in session: PostgresSession) throws {
        try session.query(
            """
            insert into tidemark.pipeline (name, include, exclude, kind, requires_key, captures_replica_role, retain_seconds, retain_bytes, image,
                captures_applied)
            values ($1, array(select json_array_elements_text($2)), array(select json_array_elements_text($3)), $4, $5, $6, $7, $8, $9, $10)
            on conflict (name) do update set include = excluded.include, exclude = excluded.exclude,
                kind = excluded.kind, requires_key = excluded.requires_key,
                captures_replica_role = excluded.captures_replica_role,
                retain_seconds = excluded.retain_seconds, retain_bytes = excluded.retain_bytes, image = excluded.image,
                captures_applied = excluded.captures_applied
            """,
            [
                .text(request.pipeline), .json(JSONText.array(request.selection.include.map(\.text))),
                .json(JSONText.array(request.selection.exclude.map(\.text))), .text(request.kind.rawValue),
                .text(request.requiresKey ? "t" : "f"), .text(request.capturesReplicaRole ? "t" : "f"),
                .optional(request.retention.seconds.map(String.init)), .optional(request.retention.bytes.map(String.init)),
                .text(request.images.rawValue), .text(request.capturesApplied ? "t" : "f"),
            ])
    }

    /// What a table is to be logged with: `both` where one of the pipelines that take it wants that.
    static func images(of table: TableName, for request: CaptureRequest, in session: PostgresSession) throws -> CapturedImages {
        try isWanted(of: table, for: request, in: session) { $0.images == .both } ? .both : .new
    }

    /// Is what tidemark applies to a table to be logged: does one of the pipelines that take it pass that on?
    static func capturesApplied(_ table: TableName, for request: CaptureRequest, in session: PostgresSession) throws -> Bool {
        try isWanted(of: table, for: request, in: session, \.capturesApplied)
    }

    private static func isWanted(
        of table: TableName, for request: CaptureRequest, in session: PostgresSession, _ wants: (CaptureRequest) -> Bool
    ) throws -> Bool {
        if wants(request), request.selection.takes(table) { return true }
        let others = try session.query(
            """
            select name from tidemark.pipeline p
            where name <> $1 and (to_jsonb(p) ->> 'image' = 'both' or to_jsonb(p) ->> 'captures_applied' = 'true')
            """, [.text(request.pipeline)])
        return try (0..<others.count).contains { row in
            guard let other = try RecordedRequest(of: others[row, 0] ?? "", in: session)?.request else { return false }
            return wants(other) && other.selection.takes(table)
        }
    }

    /// What `write` does about retention, as `--plan` shows it; none where it stays as it is.
    func retentionStatements(after known: CaptureRequest?) -> [String] {
        guard request.retention != known?.retention ?? .none else { return [] }
        func literal(_ number: Int64?) -> String { number.map(String.init) ?? "null" }
        return [
            """
            update tidemark.pipeline set retain_seconds = \(literal(request.retention.seconds)), retain_bytes = \(literal(request.retention.bytes))
            where name = \(PostgresIdentifier.literal(request.pipeline))
            """
        ]
    }
}
