package import Logging
import Foundation
import TidemarkApp
import TidemarkBlocking
package import TidemarkConfig
import TidemarkCore
import TidemarkPipeline

/// All pipelines of a configuration in one process, each supervised by itself.
package actor PipelineService {
    /// One pipeline with what watches it.
    struct Member {
        let pipeline: SupervisedPipeline
        let watch: PipelineWatch
    }

    let instance: String
    let version: String
    let log: Logger
    let startedAt = Date.now
    var configuration: Configuration
    var members: [String: Member] = [:]
    private let leases: LeasesByTarget
    private let jointLogs = JointLogs()
    private var heartbeats: [String: SourceHeartbeats] = [:]
    private let heartbeatCounts = HeartbeatCounts()
    let tasks: SyncTasks
    let moments = ServiceMoments()
    let audit: AuditLog
    var isStopping = false
    /// Pipelines to begin, and the end.
    private let wakeup = Wakeup()
    private var starting: [Member] = []
    /// What follows on a pipeline that ends, because it was configured otherwise.
    private var replacements: [String: Configuration.Entry] = [:]
    let pulse = Wakeup()
    private let heartbeatPulse = Wakeup()
    private static let momentEveryMs = 1_000

    /// - Throws: where what it keeps of its own cannot be written.
    package init(_ configuration: Configuration, version: String, instance: String, log: Logger) throws {
        (self.configuration, self.version) = (configuration, version)
        (self.instance, self.log) = (instance, log)
        leases = LeasesByTarget(leaseMs: Int64(configuration.service.leaseMs), log: log)
        audit = try AuditLog(path: configuration.service.auditLog, log: log)
        tasks = try SyncTasks(directory: configuration.service.stateDirectory, instance: instance, log: log)
    }
}

extension PipelineService {
    /// Until it is stopped; then each pipeline ends after the window at hand.
    package func run() async {
        for entry in configuration.pipelines { begin(entry) }
        await withDiscardingTaskGroup { group in
            group.addTask { await self.publishMoments() }
            group.addTask { await self.writeHeartbeats() }
            group.addTask { await self.tasks.run() }
            while !isStopping {
                for member in starting {
                    group.addTask {
                        await member.pipeline.supervise()
                        await member.watch.stop()
                        await self.ended(member)
                    }
                    group.addTask { await member.watch.watch { await self.statusEveryMs } }
                }
                starting = []
                await wakeup.wait(ms: 60_000)
            }
            await tasks.stop()
            for member in members.values { await member.pipeline.stop() }
        }
        moments.finish()
        log.notice("stopped")
    }

    /// - Returns: for how long its end is worth waiting for, in milliseconds.
    @discardableResult
    package func stop() -> Int {
        isStopping = true
        wakeup.raise()
        pulse.raise()
        heartbeatPulse.raise()
        return configuration.service.stopWithinMs
    }

    private var statusEveryMs: Int { configuration.service.statusEveryMs }

    /// Takes another configuration: what is the same in both goes on undisturbed.
    package func take(_ next: Configuration) async {
        let change = ConfigurationChange(from: configuration, to: next)
        configuration = next
        var ending: [SupervisedPipeline] = []
        for name in change.removed + change.changed + change.added {
            let entry = next.pipelines.first { $0.name == name }
            if let member = members[name] {
                // It may be ending since an earlier configuration: what follows on it is what this one says.
                replacements[name] = entry
                ending.append(member.pipeline)
            } else if let entry {
                begin(entry)
            }
        }
        // Only now: while somebody is waited for, the next configuration may come.
        for pipeline in ending { await pipeline.stop() }
        log.notice(
            "configuration read: \(Amount.text(change.added.count, "pipeline")) added, \(change.removed.count) removed, \(change.changed.count) changed, \(change.unchanged.count) as they were")
        for setting in change.needsRestart { log.warning("service: \(setting) has changed, and counts after a restart") }
    }

    private func begin(_ entry: Configuration.Entry) {
        let definition: PipelineDefinition
        do {
            definition = try PipelineDefinition(entry)
        } catch {
            return log.error("pipeline \(entry.name): \(error)")
        }
        let pipeline = SupervisedPipeline(entry, definition, leases: leases, jointLogs: jointLogs, instance: instance, log: log)
        let member = Member(pipeline: pipeline, watch: PipelineWatch(pipeline, heartbeatCounts))
        members[entry.name] = member
        starting.append(member)
        wakeup.raise()
    }

    /// A pipeline that was changed begins anew only once its former self has ended.
    private func ended(_ member: Member) {
        let name = member.pipeline.name
        members[name] = nil
        if let entry = replacements.removeValue(forKey: name), !isStopping { begin(entry) }
    }

    private func publishMoments() async {
        while !isStopping {
            await pulse.wait(ms: Self.momentEveryMs)
            guard moments.isWatched else { continue }
            let views = await pipelines()
            moments.publish(ServiceMoment(service: service(with: views), pipelines: views.map(\.withoutTables), tasks: await tasks.all))
        }
    }

    /// A row at each source that somebody here follows.
    private func writeHeartbeats() async {
        while !isStopping {
            let everyMs = configuration.service.heartbeatEveryMs
            if everyMs > 0 {
                var followed: [String: (definition: PipelineDefinition, meters: [PipelineMeter])] = [:]
                for member in members.values where await member.pipeline.activity == .following {
                    guard let flowing = await member.pipeline.run?.definition, flowing.delaySeconds == 0, !flowing.isPolledOnly else { continue }
                    followed[flowing.source, default: (flowing, [])].meters.append(member.pipeline.figures)
                }
                heartbeats = heartbeats.filter { followed[$0.key] != nil }
                for (source, each) in followed {
                    let writer = heartbeats[source] ?? SourceHeartbeats(each.definition, heartbeatCounts)
                    heartbeats[source] = writer
                    writer.write(for: each.meters)
                }
            }
            await heartbeatPulse.wait(ms: everyMs > 0 ? everyMs : 10_000)
        }
    }
}
