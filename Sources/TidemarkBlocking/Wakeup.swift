import Synchronization

/// One task waits for a time, or until it is woken, whichever is first. A call to wake that comes while nobody waits ends the
/// next wait at once.
package final class Wakeup: Sendable {
    private enum State {
        case quiet
        case raised
        case awaited(CheckedContinuation<Void, Never>)
    }

    private let state = Mutex(State.quiet)

    package init() {}

    package func raise() {
        let waiting: CheckedContinuation<Void, Never>? = state.withLock { state in
            guard case .awaited(let continuation) = state else {
                state = .raised
                return nil
            }
            state = .quiet
            return continuation
        }
        waiting?.resume()
    }

    /// Returns early where the task is cancelled, too.
    package func wait(ms: Int) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { try? await Task.sleep(for: .milliseconds(ms)) }
            group.addTask { await self.raised() }
            await group.next()
            group.cancelAll()
        }
    }

    private func raised() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    if case .raised = state {
                        state = .quiet
                        return true
                    }
                    // Cancelled before it began to wait: nobody would ever wake it.
                    guard !Task.isCancelled else { return true }
                    state = .awaited(continuation)
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            let waiting: CheckedContinuation<Void, Never>? = state.withLock { state in
                guard case .awaited(let continuation) = state else { return nil }
                state = .quiet
                return continuation
            }
            waiting?.resume()
        }
    }
}
