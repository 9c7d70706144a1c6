import Foundation
import Logging
import TidemarkConfig
import TidemarkCore
package import TidemarkPipeline

/// Looks at a pipeline's tables, once or for ever.
package struct Verification: Sendable {
    private let definition: PipelineDefinition
    private let pipeline: Pipeline
    /// Between two looks of a pipeline with little in it: the databases have other things to do.
    private static let pauseSeconds = 10
    private static let rowsPerSecond = 50_000

    package init(_ definition: PipelineDefinition, _ pipeline: Pipeline) {
        (self.definition, self.pipeline) = (definition, pipeline)
    }

    /// - Parameter report: gets each table's verdict, also where a later table cannot be looked at.
    package func once(_ request: VerifyRequest, report: @Sendable (TableVerdict) -> Void) async throws {
        try await pipeline.verify(request, lag: lag, report: report)
    }

    /// For ever beside the worker, as gently as the pipeline's definition wants it.
    package func besideStream() async throws {
        var request = VerifyRequest(startedAt: "")
        (request.rowsPerSecond, request.waitMaxSeconds) = (definition.run.maxRate ?? Self.rowsPerSecond, 0)
        try await forEver(request)
    }

    /// Until the pipeline is stopped. What it finds is in the target's proofs, and in the log.
    package func forEver(_ request: VerifyRequest) async throws {
        let log = pipeline.log
        var lastSaid: String?
        while !pipeline.isStopping {
            var request = request
            request.startedAt = Date.now.formatted(.iso8601)
            do {
                try await pipeline.verify(request, lag: lag) { verdict in
                    let proof = verdict.proof
                    if proof.differences == 0 {
                        log.info("verified table \(proof.table): \(Amount.text(proof.rows, "row", ("is", "are"))) equal at change \(proof.lastID)")
                    } else if verdict.isEqual {
                        log.warning("table \(proof.table) differed in \(Amount.text(proof.differences, "row")), repaired by now")
                    } else {
                        log.error("table \(proof.table) differs in \(Amount.text(proof.differences, "row")); \(StatusReport.mending(isShared: definition.rules.isShared))")
                    }
                }
                lastSaid = nil
            } catch let failure as TidemarkError where !pipeline.isStopping {
                // Whatever it is may be mended while this goes on: a server that is away, a copy that is not complete.
                if failure.what != lastSaid { log.warning("\(failure.what): \(failure.why); looking again until it works") }
                lastSaid = failure.what
            } catch where pipeline.isStopping {
                return
            }
            for _ in 0..<Self.pauseSeconds * 10 where !pipeline.isStopping { try? await Task.sleep(for: .milliseconds(100)) }
        }
    }

    /// How far the pipeline is behind.
    private var lag: Lag {
        let definition = definition
        return {
            let target = try definition.openTargetAdministration()
            let settled = try target.copies(of: definition.name).map { ($0.table, $0.settledThrough) }
            let status = try definition.openSourceAdministration().status(
                of: definition.name, at: try target.cursor(of: definition.name)?.cursor,
                settledThrough: Dictionary(uniqueKeysWithValues: settled))
            return (status.pendingChanges, status.pendingSeconds ?? 0)
        }
    }
}
