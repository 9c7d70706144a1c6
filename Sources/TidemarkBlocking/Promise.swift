import Synchronization

/// What a thread will have found. Awaited once; the work goes on without a task of its own, which would wait for a thread
/// of the shared pool.
package final class Promise<Value: Sendable>: Sendable {
    private enum State {
        case open
        case awaited(CheckedContinuation<Value, any Error>)
        case kept(Result<Value, any Error>)
    }

    private let state = Mutex(State.open)

    package init() {}

    /// Hands over what was found.
    package func keep(_ result: Result<Value, any Error>) {
        let waiting: CheckedContinuation<Value, any Error>? = state.withLock { state in
            guard case .awaited(let continuation) = state else {
                state = .kept(result)
                return nil
            }
            return continuation
        }
        waiting?.resume(with: result)
    }

    /// Is it there already, so that nobody waits for it?
    package var isKept: Bool {
        state.withLock { state in
            if case .kept = state { true } else { false }
        }
    }

    package func value() async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            let found: Result<Value, any Error>? = state.withLock { state in
                guard case .kept(let result) = state else {
                    state = .awaited(continuation)
                    return nil
                }
                return result
            }
            if let found { continuation.resume(with: found) }
        }
    }
}
