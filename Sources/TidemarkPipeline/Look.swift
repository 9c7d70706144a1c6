import TidemarkBlocking
import TidemarkCore

/// A look at the source for the windows after a place, which may begin before the target is there.
struct Look {
    typealias Found = (windows: [Window], tables: [CapturedTable], selection: TableSelection)

    private let start: Cursor
    private let taken: TakenTables
    private let end: Snapshot?
    private let abandoned = StopFlag()
    private let search = Promise<Found>()

    /// - Parameters:
    ///   - idle: how long it waits for the first window.
    init(at pipeline: isolated Pipeline, after start: Cursor, taking taken: TakenTables, upTo end: Snapshot?, idle: Backoff) {
        (self.start, self.taken, self.end) = (start, taken, end)
        let (thread, name, known) = (pipeline.sourceThread, pipeline.settings.name, pipeline.selection)
        let (stopFlag, abandoned) = (pipeline.stopFlag, abandoned)
        let search = search
        thread.submit { source in
            search.keep(Result {
                guard let source, !abandoned.isRaised else { throw CancellationError() }
                var windows = try source.windows(after: start, taking: taken, upTo: end)
                var wait = idle
                while windows.isEmpty, !stopFlag.isRaised, !abandoned.isRaised, wait.wait() {
                    windows = try source.windows(after: start, taking: taken, upTo: end)
                }
                guard !windows.isEmpty else { return (windows, [], known) }
                // After the windows' end: setup may have widened the pipeline meanwhile.
                return (windows, try source.capturedTables(), try source.selection(of: name))
            })
        }
    }

    func found() async throws -> Found { try await search.value() }

    /// Is it one for the windows from this place to that end? Its own start did not know yet what the window before held.
    func isFor(_ cursor: Cursor, taking taken: TakenTables, upTo end: Snapshot?) -> Bool {
        start.snapshot == cursor.snapshot && start.witness == cursor.witness && self.taken == taken && self.end == end
    }

    /// Lets the source's thread go on to other things.
    func abandon() { abandoned.raise() }
}
