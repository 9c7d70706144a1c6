package import Logging
import TidemarkCore
package import TidemarkPipeline

extension Connections {
    /// The engines that a definition's addresses name.
    package init(_ definition: PipelineDefinition) throws {
        let (source, target, name) = (definition.source, definition.target, definition.name)
        let sourceEngine = try Engines.accepting(source, of: "source")
        let targetEngine = try Engines.accepting(target, of: "target")
        self.init(
            source: { try sourceEngine.source(source) },
            target: { try targetEngine.target(target, pipeline: name) },
            rowSource: { try sourceEngine.rowSource(source) },
            rowTarget: { try targetEngine.rowTarget(target, pipeline: name) },
            targetReader: { try targetEngine.targetReader(target, pipeline: name) },
            sourceEngine: sourceEngine.name, targetEngine: targetEngine.name)
    }
}

extension Pipeline {
    /// The running form of a definition.
    package init(_ definition: PipelineDefinition, _ settings: Settings, log: Logger, figures: PipelineMeter = PipelineMeter()) throws {
        var settings = settings
        settings.failurePolicy = definition.failurePolicy ?? settings.failurePolicy
        if definition.isArchive {
            (settings.existing, settings.verifiesCopies, settings.notesTransactions) = (.keep, false, true)
        }
        self.init(settings, try Connections(definition), expecting: definition.namedSelection, log: log, figures: figures)
    }
}
