extension Cursor {
    private static let polledWitness = "none: the tables are read"

    /// Of a pipeline that reads all of its tables: it names the source, and holds the epoch.
    package static func polled(_ source: String) -> Cursor {
        Cursor(source: source, snapshot: .change(0), witness: polledWitness, lastID: 0, epoch: 0)
    }

    /// Is there no log that it is a place of?
    package var isPolled: Bool { witness == Self.polledWitness }
}
