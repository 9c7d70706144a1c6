package import TidemarkCore

/// In which direction a pipeline flows now: its databases know, whatever the configuration says.
package struct Orientation: Sendable {
    package enum Direction: Sendable, Hashable {
        /// From the source as given to the target as given.
        case asGiven
        /// The other way round, since the roles were changed.
        case reversed
        /// The target was promoted, and the source does not follow it yet.
        case sourceLeftBehind
    }

    package let direction: Direction
    package let source: Standing?
    package let target: Standing?

    init(source: Standing?, target: Standing?) {
        (self.source, self.target) = (source, target)
        guard let target, target.role == .primary, target.epoch > source?.epoch ?? 0 || source?.role != .primary else {
            direction = .asGiven
            return
        }
        let follows = source?.role == .replica || source?.role == .fenced && source?.epoch == target.epoch && target.cause == .switchover
        direction = follows && source?.epoch == target.epoch ? .reversed : .sourceLeftBehind
    }
}

extension PipelineDefinition {
    /// What the two databases are to the pipeline. A side that does not answer has told nothing.
    package func orientation() -> Orientation { Orientation(source: standing(source, "source"), target: standing(target, "target")) }

    private func standing(_ address: String, _ side: String) -> Standing? {
        try? Engines.accepting(address, of: side).roleAdministration(address, side: side).standing(of: name)
    }

    /// The pipeline as it flows now.
    package func oriented() -> PipelineDefinition { orientation().direction == .reversed ? reversed : self }
}
