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
        guard let target, target.role == .primary, target.isAhead(of: source) else {
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
    package func oriented() -> PipelineDefinition {
        // One without a log has no other direction, and perhaps no right to look for one.
        !isPolledOnly && orientation().direction == .reversed ? reversed : self
    }
}

extension Standing {
    /// Of two primaries the one with the higher epoch counts, and one that a failover made before one that it left behind.
    func isAhead(of other: Standing?) -> Bool {
        guard let other, other.role == .primary else { return true }
        return epoch > other.epoch || epoch == other.epoch && cause == .failover && other.cause != .failover
    }
}

extension Orientation {
    /// Why nothing flows, with what to type; nil where something can.
    var obstacle: String? {
        switch direction {
        case .reversed: return nil
        case .sourceLeftBehind: return "The target was promoted, and the source does not follow it. Type: tidemark failback …"
        case .asGiven:
            if target?.role == .primary, source?.role == .primary {
                return "Both databases are primaries, and applications may write to either. Fence the wrong one, then type: tidemark failback …"
            }
            guard let source, source.role != .primary else { return nil }
            // A replica of a pipeline of the same name that comes from elsewhere is a source like any other.
            guard source.role == .fenced else { return target == nil ? nil : "Neither database is a primary. Type: tidemark failback …" }
            return source.cause == .switchover
                ? "A switchover was interrupted, and no database takes writes. Type tidemark switchover … again, or take it back with --undo."
                : "The source is fenced by a \(source.cause.rawValue). Type: tidemark \(source.cause.rawValue) …"
        }
    }
}
