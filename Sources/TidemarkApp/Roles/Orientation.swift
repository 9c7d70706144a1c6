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

    /// - Parameters:
    ///   - sourceAnswers: is a standing that is nil one that nobody has noted, or is it only not known?
    init(source: Standing?, target: Standing?, sourceAnswers: Bool = true, targetAnswers: Bool = true) {
        (self.source, self.target) = (source, target)
        guard targetAnswers else {
            // What is a replica is nobody's source.
            direction = source?.role == .replica ? .reversed : .asGiven
            return
        }
        guard sourceAnswers else {
            direction = target?.role != .primary ? .asGiven : target?.cause == .failover ? .sourceLeftBehind : .reversed
            return
        }
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
    package func orientation() -> Orientation {
        let (source, target) = (standing(source, "source"), standing(target, "target"))
        return Orientation(
            source: source.standing, target: target.standing, sourceAnswers: source.answers, targetAnswers: target.answers)
    }

    private func standing(_ address: String, _ side: String) -> (standing: Standing?, answers: Bool) {
        do {
            return (try Engines.accepting(address, of: side).roleAdministration(address, side: side).standing(of: name), true)
        } catch {
            return (nil, false)
        }
    }

    /// The pipeline as it flows now.
    package func oriented() -> PipelineDefinition { orientation().direction == .reversed ? reversed : self }
}
