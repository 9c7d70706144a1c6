import Logging
import TidemarkCore
import TidemarkPipeline

/// The stream of a pipeline, and what reads tables beside it. One of them may have nothing to do.
struct Flow: Sendable {
    let stream: Pipeline?
    let polled: PolledTables?
    let meter: CopyMeter

    init(_ definition: PipelineDefinition, _ settings: Pipeline.Settings, log: Logger, figures: PipelineMeter) throws {
        let tenure = Tenure()
        stream = definition.isPolledOnly ? nil : try Pipeline(definition, settings, log: log, figures: figures, tenure: tenure)
        meter = stream?.meter ?? CopyMeter()
        // Who names a place of the past wants nothing of now.
        guard definition.rules.isPolling, settings.limit.until == nil else {
            polled = nil
            return
        }
        polled = try PolledTables(
            definition, worker: settings.worker, isLeader: settings.isLeader, as: stream == nil ? .worker : .stream(tenure), jobs: settings.jobs,
            log: log, meter: meter, figures: figures)
    }

    func stop() {
        stream?.stop()
        polled?.stop()
    }

    /// Until both are at their end. What one of them cannot go on with ends the other, too.
    func run() async throws {
        guard let polled else {
            try await stream?.run()
            return
        }
        guard let stream else { return try await polled.run() }
        var failure: (any Error)?
        await withTaskGroup(of: (any Error)?.self) { group in
            for part in [{ try await stream.run() }, { try await polled.run() }] as [@Sendable () async throws -> Void] {
                group.addTask {
                    do {
                        try await part()
                        return nil
                    } catch {
                        return error
                    }
                }
            }
            for await ended in group {
                failure = failure ?? ended
                stop()
            }
        }
        if let failure { throw failure }
    }
}
