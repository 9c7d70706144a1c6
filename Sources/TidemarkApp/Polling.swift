import Foundation
package import Logging
import TidemarkConfig
package import TidemarkCore
package import TidemarkPipeline

extension PipelineDefinition {
    /// What the pipeline takes, whichever way, as far as it was said.
    var wholeSelection: TableSelection { TableSelection(include: include ?? [], exclude: exclude ?? []).named }

    /// Is every table read, so that there is nothing to capture?
    package var isPolledOnly: Bool { rules.isPolling && rules.captured(of: wholeSelection) == nil }

    func openPolledSource() throws -> any PolledSource {
        try naming { try Engines.accepting(source, of: "source").polledSource(source) }
    }

    func openPolledTarget() throws -> any PolledTarget {
        try naming { try Engines.accepting(target, of: "target").polledTarget(target, pipeline: name) }
    }

    /// The tables that are read, as the source has them now.
    /// - Parameter patterns: those that these name; empty for all.
    /// - Throws: `TidemarkError` for a pattern that names none.
    package func polledTables(_ patterns: [String] = []) throws -> [(table: CapturedTable, reading: PolledReading)] {
        try naming {
            let all = rules.polled(try openPolledSource().tables(wholeSelection, rules))
            for text in patterns where !all.contains(where: { TablePattern(text).matches($0.table.name) }) {
                throw TidemarkError(
                    "no table that is read matches \(text)",
                    why: all.isEmpty ? "the pipeline reads none" : "the pipeline reads \(all.map(\.table.name.description).joined(separator: ", "))",
                    remedy: "Name one of these; * stands for any run of characters. What is captured needs no pass: tidemark run follows it.")
            }
            guard !patterns.isEmpty else { return all }
            return all.filter { found in patterns.contains { TablePattern($0).matches(found.table.name) } }
        }
    }

    /// - Parameter work: what goes by the source's log, such as “copy rows”.
    package func refuseIfPolledOnly(_ work: String) throws {
        guard isPolledOnly else { return }
        throw TidemarkError(
            "the pipeline has no log to \(work) by", pipeline: name, why: "all of its tables are read instead (mode: of its tables)",
            remedy: "Type: tidemark sync --pipeline \(name) …, which reads them now and writes what differs.")
    }

    /// - Throws: where a pipeline has tables that are not exact at any moment, so that nobody can fail over to its target.
    package func refuseIfPolling(_ work: String) throws {
        guard rules.isPolling else { return }
        throw TidemarkError(
            "a pipeline that reads tables has no replica to \(work)", pipeline: name,
            why: "what is read now and then is as old as its last pass",
            remedy: "Take mode: out of its tables, so that all are captured, or let another pipeline read them; then type: tidemark setup …")
    }

    /// A table of the pipeline that is read: what is done at a place of the log cannot be done with it.
    func isRead(_ table: String, _ reading: PolledReading) -> TidemarkError {
        TidemarkError(
            "the table is read, not captured", pipeline: name, why: "\(table) has mode: \(reading.mode.rawValue), so there is no place of a log to do it at",
            remedy: "Type: tidemark sync --table \(table) …, which reads it now, writes what differs, and says how much that was.")
    }
}

extension SyncClock {
    /// This machine's.
    package static let system = SyncClock(now: { Clock.time }, wait: { ms in try? await Task.sleep(for: .milliseconds(ms)) })
}

extension PolledConnections {
    /// The engines that a definition's addresses name.
    init(_ definition: PipelineDefinition) throws {
        let (source, target, name) = (definition.source, definition.target, definition.name)
        let sourceEngine = try Engines.accepting(source, of: "source")
        let targetEngine = try Engines.accepting(target, of: "target")
        self.init(
            source: { try sourceEngine.polledSource(source) }, target: { try targetEngine.polledTarget(target, pipeline: name) },
            holder: { try targetEngine.target(target, pipeline: name) })
    }
}

extension PolledTables {
    /// The running form of a definition's polled tables.
    package init(
        _ definition: PipelineDefinition, worker: String, isLeader: Bool = false, as standing: Standing = .beside, jobs: Int? = nil, log: Logger,
        meter: CopyMeter = CopyMeter(), figures: PipelineMeter = PipelineMeter()
    ) throws {
        var settings = Settings(name: definition.name, worker: worker)
        settings.isLeader = isLeader
        (settings.selection, settings.rules) = (definition.wholeSelection, definition.rules)
        settings.jobs = jobs ?? definition.run.jobs ?? settings.jobs
        self.init(settings, try PolledConnections(definition), as: standing, clock: .system, log: log, meter: meter, figures: figures)
    }
}

extension SyncSchedule {
    /// For people.
    package var text: String {
        switch self {
        case .onDemand: "on demand"
        case .every(let seconds): "every \(TimeSpan.text(seconds))"
        case .cron(let text): "cron \(text)"
        }
    }
}
