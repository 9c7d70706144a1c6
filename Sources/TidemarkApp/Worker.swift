package import Logging
import TidemarkCore
package import TidemarkPipeline

extension Pipeline {
    /// The running form of a definition, with the engines that its addresses name.
    package init(_ definition: PipelineDefinition, worker: String, log: Logger) throws {
        let (source, target, name) = (definition.source, definition.target, definition.name)
        let sourceEngine = try Engines.accepting(source, of: "source")
        let targetEngine = try Engines.accepting(target, of: "target")
        self.init(
            Settings(name: name, worker: worker),
            source: { try sourceEngine.source(source) },
            target: { try targetEngine.target(target, pipeline: name) },
            expecting: definition.namedSelection, log: log)
    }
}
