import TidemarkApp
import TidemarkBlocking
import TidemarkCore
import TidemarkPipeline

/// Writes a row to one source now and then, and has the pipelines that follow it measure how long it takes.
final class SourceHeartbeats: Sendable {
    private let definition: PipelineDefinition
    private let thread = DedicatedThread<(any SourceAdministration)?> { nil }

    private let counts: HeartbeatCounts

    /// - Parameter definition: of any pipeline with that source.
    init(_ definition: PipelineDefinition, _ counts: HeartbeatCounts) { (self.definition, self.counts) = (definition, counts) }

    deinit { thread.stop() }

    /// Returns at once. A source that does not answer is found by its pipelines: it has no heartbeat.
    func write(for meters: [PipelineMeter]) {
        let (definition, counts) = (definition, counts)
        thread.submit { source in
            do {
                let opened = try source ?? definition.openSourceAdministration()
                source = opened
                let begun = ContinuousClock.now
                guard let mark = try opened.writeHeartbeat() else { return }
                counts.note(definition.source)
                meters.forEach { $0.expect(mark, writtenAt: begun) }
            } catch {
                source = nil
            }
        }
    }
}
