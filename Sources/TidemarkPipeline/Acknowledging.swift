import Logging
import Synchronization
import TidemarkBlocking
import TidemarkCore

/// Tells the source how far the target is, beside the stream. The youngest place counts: what was overtaken while an
/// earlier one was being told is left out.
final class Acknowledging: Sendable {
    private struct State {
        var next: (place: Acknowledgement, since: ContinuousClock.Instant)?
        var told: Acknowledgement?
        var isAtWork = false
    }

    private let state = Mutex(State())
    private let thread: DedicatedThread<(any ChangeSource)?>
    private let ownsThread: Bool
    private let open: Connections.Opening<any ChangeSource>
    private let pipeline: String
    private let figures: PipelineMeter
    private let log: Logger

    /// - Parameter shared: for a pipeline that has time: what is told waits there for the pruning, which has a connection already.
    init(
        _ settings: Pipeline.Settings, opening open: @escaping Connections.Opening<any ChangeSource>,
        sharing shared: DedicatedThread<(any ChangeSource)?>, figures: PipelineMeter, log: Logger
    ) {
        ownsThread = settings.waiting.mode != .asynchronous
        thread = ownsThread ? DedicatedThread { nil } : shared
        (self.open, pipeline, self.figures, self.log) = (open, settings.name, figures, log)
    }

    deinit {
        if ownsThread { thread.stop() }
    }

    /// - Returns: at once. What fails is told with the next call.
    func tell(_ place: Acknowledgement) {
        let begins = state.withLock { state in
            guard state.next.map(\.place) ?? state.told != place else { return false }
            state.next = (place, state.next?.since ?? .now)
            defer { state.isAtWork = true }
            return !state.isAtWork
        }
        if begins { thread.submit { source in self.work(&source) } }
    }

    /// The connection may have been lost with what was told: a server that crashed has forgotten the last of it.
    func forget() { state.withLock { $0.told = nil } }

    /// Returns once what was to be told is told, or has failed.
    func settle() async { try? await thread.run { _ in } }

    private func work(_ source: inout (any ChangeSource)?) {
        while let (place, since) = take() {
            do {
                let opened = try source ?? open()
                source = opened
                try opened.acknowledge(place, of: pipeline)
                figures.acknowledge(seconds: since.duration(to: .now).inSeconds)
            } catch {
                source = nil
                log.debug("who waits was not told of the target, and will be later: \(error)")
                state.withLock { $0 = State() }
                return
            }
        }
    }

    private func take() -> (Acknowledgement, ContinuousClock.Instant)? {
        state.withLock { state in
            guard let next = state.next else {
                state.isAtWork = false
                return nil
            }
            (state.told, state.next) = (next.place, nil)
            return next
        }
    }
}

extension Pipeline {
    /// Tells the source what the target has.
    func acknowledge(_ cursor: Cursor) {
        guard settings.confirms, holdsPipeline else { return }
        let incomplete = copies.values.filter { $0.state != .done }.compactMap { generations[$0.table] }.sorted()
        acknowledging.tell(Acknowledgement(cursor, incomplete: incomplete))
        heldAwaited = false
    }

    /// After a window: where somebody may wait for it.
    func acknowledgeIfAwaited(_ cursor: Cursor) {
        switch settings.waiting.mode {
        case .asynchronous: return
        case .synchronous: acknowledge(cursor)
        case .hybrid: if heldAwaited { acknowledge(cursor) }
        }
    }

    /// Of these generations, those of tables that are waited for one by one.
    func awaited(_ tables: [Int32: CapturedTable]) -> Set<Int32> {
        guard settings.waiting.mode == .hybrid else { return [] }
        return Set(tables.values.filter { settings.waiting.awaits($0.name) }.map(\.capture))
    }

    /// For who waits at the target: a cursor does not move while nothing is logged, and what ended meanwhile it does not see.
    func noteQuiet(at cursor: Cursor) async throws {
        guard let moment = try await sourceThread.run({ $0?.quiet(after: cursor) }), moment != quietNoted else { return }
        try await targetThread.run { try $0?.note(quietThrough: moment, after: cursor) }
        quietNoted = moment
    }
}
