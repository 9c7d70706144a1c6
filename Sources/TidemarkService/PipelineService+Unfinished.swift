import TidemarkApp
import TidemarkConfig
import TidemarkCore

/// Something that has not ended though the service was stopped.
package struct UnfinishedWork: Sendable {
    package var pipeline: String
    /// The pipeline, or a task of it.
    package var what: String
    package var why: String
}

extension PipelineService {
    /// What still keeps a service from its end, and why, as far as that is known.
    package func unfinished() async -> [UnfinishedWork] {
        var found: [UnfinishedWork] = []
        for (name, member) in members.sorted(by: { $0.key < $1.key }) {
            found.append(UnfinishedWork(pipeline: name, what: "the window at hand", why: await obstacle(of: member)))
        }
        for task in await tasks.underWay.sorted(by: { $0.id < $1.id }) {
            found.append(UnfinishedWork(pipeline: task.pipeline, what: "task \(task.id)", why: "it has not ended"))
        }
        return found
    }

    private func obstacle(of member: Member) async -> String {
        let lease = await member.pipeline.standing.lease
        if let lease, lease.holder == instance, !lease.isAlive { return "its target has not answered for as long as a lease lasts" }
        let (report, age) = await (member.watch.report, member.watch.ageSeconds)
        if report?.state == .unreachable { return "a database does not answer" }
        // Databases that answer are heard of this often.
        if let age, age > Double(2 * configuration.service.statusEveryMs) / 1_000 {
            return "a database has not answered for \(TimeSpan.estimate(age).dropFirst("about ".count))"
        }
        return "it takes longer, though the databases answer"
    }
}
