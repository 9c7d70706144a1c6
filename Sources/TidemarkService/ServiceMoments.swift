import Synchronization

/// Hands each moment to everybody who watches; one that is slow gets the newest.
final class ServiceMoments: Sendable {
    private struct State {
        var watching: [Int: AsyncStream<ServiceMoment>.Continuation] = [:]
        var next = 0
        var isOver = false
    }

    private let state = Mutex(State())

    var isWatched: Bool { state.withLock { !$0.watching.isEmpty } }

    func stream() -> AsyncStream<ServiceMoment> {
        let (stream, continuation) = AsyncStream<ServiceMoment>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let place: Int? = state.withLock { state in
            guard !state.isOver else { return nil }
            state.next += 1
            state.watching[state.next] = continuation
            return state.next
        }
        guard let place else {
            continuation.finish()
            return stream
        }
        continuation.onTermination = { [weak self] _ in self?.state.withLock { _ = $0.watching.removeValue(forKey: place) } }
        return stream
    }

    func publish(_ moment: ServiceMoment) {
        let watching = state.withLock { Array($0.watching.values) }
        watching.forEach { $0.yield(moment) }
    }

    func finish() {
        let watching = state.withLock { state in
            state.isOver = true
            defer { state.watching = [:] }
            return Array(state.watching.values)
        }
        watching.forEach { $0.finish() }
    }
}
