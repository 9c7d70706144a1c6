import Synchronization
import TidemarkCore

/// How often a source was asked for its heartbeat.
final class SightCount: Sendable {
    private let count = Mutex(0)
    var sights: Int { count.withLock { $0 } }
    func add() { count.withLock { $0 += 1 } }
}

/// A source that counts its heartbeats.
final class CountedSource: ChangeSource {
    private let source: any ChangeSource
    private let counted: SightCount

    init(_ source: any ChangeSource, _ counted: SightCount) { (self.source, self.counted) = (source, counted) }

    func heartbeat() throws -> SourceHeartbeat {
        counted.add()
        return try source.heartbeat()
    }

    func identity() throws -> String { try source.identity() }
    func capturedTables() throws -> [CapturedTable] { try source.capturedTables() }
    func selection(of pipeline: String) throws -> TableSelection { try source.selection(of: pipeline) }
    func windows(after cursor: Cursor, taking taken: TakenTables, upTo end: Snapshot?) throws -> [Window] {
        try source.windows(after: cursor, taking: taken, upTo: end)
    }
    func sequences(_ selection: TableSelection) throws -> [SequenceState] { try source.sequences(selection) }
    func now() throws -> SourceTime { try source.now() }
    func mark() throws { try source.mark() }
    func reach(after cursor: Cursor, within limit: StreamLimit) throws -> StreamReach { try source.reach(after: cursor, within: limit) }
    func read(_ window: Window, captures: [Int32], _ receive: (ChangePage) throws -> Void) throws {
        try source.read(window, captures: captures, receive)
    }
    func confirm(_ cursor: Cursor, of pipeline: String) throws -> LogStanding { try source.confirm(cursor, of: pipeline) }
}
