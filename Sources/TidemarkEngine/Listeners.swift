import Synchronization

/// Who reads a replication's events.
final class Listeners: Sendable {
    private struct State {
        var nextID = 0
        var all: [Int: AsyncStream<Replication.Event>.Continuation] = [:]
    }

    private let state = Mutex(State())
    private static let bufferedMax = 1_024

    func stream() -> AsyncStream<Replication.Event> {
        let (stream, continuation) = AsyncStream.makeStream(of: Replication.Event.self, bufferingPolicy: .bufferingNewest(Self.bufferedMax))
        let id = state.withLock { state in
            state.nextID += 1
            state.all[state.nextID] = continuation
            return state.nextID
        }
        continuation.onTermination = { [weak self] _ in _ = self?.state.withLock { $0.all.removeValue(forKey: id) } }
        return stream
    }

    func send(_ event: Replication.Event) {
        for listener in state.withLock({ Array($0.all.values) }) { listener.yield(event) }
    }

    deinit { state.withLock { $0.all.values.forEach { $0.finish() } } }
}

/// What several threads found.
final class Collected<Element: Sendable>: Sendable {
    private let found = Mutex<[Element]>([])
    var all: [Element] { found.withLock { $0 } }
    func add(_ element: Element) { found.withLock { $0.append(element) } }
}
