import TidemarkApp
import TidemarkBlocking
import TidemarkCore
import TidemarkPipeline

/// Writes a row to one source now and then, and has the pipelines that follow it measure how long it takes.
final class SourceHeartbeats: Sendable {
    private let definition: PipelineDefinition
    private let thread = DedicatedThread<(any SourceAdministration)?> { nil }

    /// - Parameter definition: of any pipeline with that source.
    init(_ definition: PipelineDefinition) { self.definition = definition }

    deinit { thread.stop() }

    /// Returns at once. A source that does not answer is found by its pipelines: it has no heartbeat.
    func write(for meters: [PipelineMeter]) {
        let definition = definition
        thread.submit { source in
            do {
                let opened = try source ?? definition.openSourceAdministration()
                source = opened
                let begun = ContinuousClock.now
                guard let mark = try opened.writeHeartbeat() else { return }
                meters.forEach { $0.expect(mark, writtenAt: begun) }
            } catch {
                source = nil
            }
        }
    }
}
