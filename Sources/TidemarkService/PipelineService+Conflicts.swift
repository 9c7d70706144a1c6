package import TidemarkApp
import TidemarkBlocking
package import TidemarkCore

/// Rows that both ends had changed.
extension PipelineService {
    package func conflicts(of pipeline: String, table: String?, before id: Int64?, limit: Int) async throws -> [DecidedConflict] {
        let definition = await (try member(pipeline)).pipeline.flowing()
        return try await OwnThread.run { try Conflicts(definition).list(table: table, before: id, limit: limit) }
    }

    package func conflict(of pipeline: String, _ id: Int64) async throws -> DecidedConflict {
        let definition = await (try member(pipeline)).pipeline.flowing()
        guard let found = try await OwnThread.run({ try Conflicts(definition).find(id) }) else { throw RequestRefusal.noSuchConflict(id) }
        return found
    }

    package func restoreConflict(of pipeline: String, _ id: Int64, image: ConflictImage, by actor: Actor) async throws -> DecidedConflict {
        _ = try await conflict(of: pipeline, id)
        let member = try member(pipeline)
        let definition = await member.pipeline.flowing()
        let restored = try await OwnThread.run { try Conflicts(definition).restore(image, of: id, by: actor.name) }
        await member.watch.lookNow()
        return restored
    }
}
