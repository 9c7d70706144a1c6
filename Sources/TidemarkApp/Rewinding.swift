import TidemarkCore
package import TidemarkPipeline

extension PipelineDefinition {
    package func rewind() throws -> Rewind {
        try refuseIfShaped("rewind its target", why: "the log holds rows as the source had them, and not as they were shaped on their way")
        try refuseIfShared("rewind it")
        let (source, target, name) = (source, target, name)
        let (sourceEngine, targetEngine) = (try Engines.accepting(source, of: "source"), try Engines.accepting(target, of: "target"))
        return Rewind(
            name, history: { try sourceEngine.history(source) }, target: { try targetEngine.target(target, pipeline: name) },
            rows: { try targetEngine.rowTarget(target, pipeline: name) }, administration: { try targetEngine.targetAdministration(target) },
            roles: { try targetEngine.roleAdministration(target, side: "target") })
    }
}
