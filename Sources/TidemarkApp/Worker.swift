package import Logging
import TidemarkCore
package import TidemarkPipeline

extension Connections {
    /// The engines that a definition's addresses name.
    package init(_ definition: PipelineDefinition) throws {
        let (source, target, name) = (definition.source, definition.target, definition.name)
        let sourceEngine = try Engines.accepting(source, of: "source")
        let targetEngine = try Engines.accepting(target, of: "target")
        let rules = definition.rules
        self.init(
            source: {
                let opened = try sourceEngine.source(source)
                if rules.isShaping { try opened.shape(rules) }
                return opened
            },
            target: { try targetEngine.target(target, pipeline: name) },
            rowSource: {
                let opened = try sourceEngine.rowSource(source)
                if rules.isShaping { try opened.shape(rules) }
                return opened
            },
            rowTarget: { try targetEngine.rowTarget(target, pipeline: name) },
            targetReader: { try targetEngine.targetReader(target, pipeline: name) },
            sourceEngine: sourceEngine.name, targetEngine: targetEngine.name)
    }
}

extension Pipeline {
    /// The running form of a definition.
    package init(
        _ definition: PipelineDefinition, _ settings: Settings, log: Logger, figures: PipelineMeter = PipelineMeter(), tenure: Tenure = Tenure()
    ) throws {
        try definition.refuseUnsharable()
        var settings = settings
        // Pipelines themselves know no time of day.
        if settings.startedAt.isEmpty { settings.startedAt = Clock.now }
        settings.waiting = definition.waiting ?? settings.waiting
        settings.failurePolicy = definition.failurePolicy ?? settings.failurePolicy
        settings.rules = definition.rules
        settings.passesOn = definition.passesOn ?? false
        if definition.isArchive {
            (settings.existing, settings.verifiesCopies, settings.notesTransactions) = (.keep, false, true)
        }
        self.init(settings, try Connections(definition), expecting: definition.namedSelection, log: log, figures: figures, tenure: tenure)
    }
}
