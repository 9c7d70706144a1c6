import TidemarkCore

/// What a pipeline was set up with, as `tidemark.pipeline` keeps it.
struct RecordedRequest {
    let request: CaptureRequest

    init(_ request: CaptureRequest) { self.request = request }

    init?(of pipeline: String, in session: PostgresSession) throws {
        let rows = try session.query(
            """
            select to_json(include), to_json(exclude), kind, requires_key, captures_replica_role
            from tidemark.pipeline where name = $1
            """, [.text(pipeline)])
        guard rows.count == 1 else { return nil }
        request = CaptureRequest(
            pipeline: pipeline,
            selection: TableSelection(
                include: try JSONText.strings(rows[0, 0] ?? "[]").map { TablePattern($0) },
                exclude: try JSONText.strings(rows[0, 1] ?? "[]").map { TablePattern($0) }),
            kind: rows[0, 2].flatMap { CaptureKind(rawValue: $0) } ?? .auto,
            requiresKey: rows[0, 3] == "t", capturesReplicaRole: rows[0, 4] == "t")
    }

    func write(in session: PostgresSession) throws {
        try session.query(
            """
            insert into tidemark.pipeline (name, include, exclude, kind, requires_key, captures_replica_role)
            values ($1, array(select json_array_elements_text($2)), array(select json_array_elements_text($3)), $4, $5, $6)
            on conflict (name) do update set include = excluded.include, exclude = excluded.exclude,
                kind = excluded.kind, requires_key = excluded.requires_key,
                captures_replica_role = excluded.captures_replica_role
            """,
            [
                .text(request.pipeline), .json(JSONText.array(request.selection.include.map(\.text))),
                .json(JSONText.array(request.selection.exclude.map(\.text))), .text(request.kind.rawValue),
                .text(request.requiresKey ? "t" : "f"), .text(request.capturesReplicaRole ? "t" : "f"),
            ])
    }
}
