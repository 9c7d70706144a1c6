import TidemarkCore

/// The deletions of rows without a key, put aside at the target until the end of the window.
///
/// Nested statements log what they removed before what they wrote, so within a window all
/// insertions have to come first (BREAKS B7); the temporary table keeps memory bounded.
struct WholeRowDeletions {
    private(set) var captures: Set<Int32> = []

    mutating func add(_ images: [UInt8], of capture: Int32, in session: PostgresSession) throws {
        if captures.isEmpty {
            try session.run(
                "create temporary table if not exists tidemark_gone (capture int, image text) on commit delete rows")
        }
        captures.insert(capture)
        try session.query(
            "insert into pg_temp.tidemark_gone select \(capture), r::text from json_array_elements($1) r",
            [.json(images)])
    }

    mutating func forget(_ capture: Int32, in session: PostgresSession) throws {
        guard captures.remove(capture) != nil else { return }
        try session.run("delete from pg_temp.tidemark_gone where capture = \(capture)")
    }
}
