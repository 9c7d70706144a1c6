import Synchronization
import TidemarkCore
import TidemarkPipeline

/// A person's wish to end a change of roles before its time.
final class Interruption: Sendable {
    private struct State {
        var isRaised = false
        var pipeline: Pipeline?
    }

    private let state = Mutex(State())

    func raise() {
        let pipeline = state.withLock { state in
            state.isRaised = true
            return state.pipeline
        }
        pipeline?.stop()
    }

    /// What works at the moment has to stop as well.
    func reaches(_ pipeline: Pipeline) {
        let isRaised = state.withLock { state in
            state.pipeline = pipeline
            return state.isRaised
        }
        if isRaised { pipeline.stop() }
    }

    func check() throws {
        guard state.withLock({ $0.isRaised }) else { return }
        throw TidemarkError("the change of roles was stopped", why: "a signal came", remedy: "Type the command again when it is time.")
    }
}
