package import Logging
import TidemarkArchive
package import TidemarkCore
package import TidemarkPipeline

/// An archive as what a pipeline writes to.
extension PipelineDefinition {
    /// The same pipeline with the archive in this directory as its target.
    package func archived(in directory: String) -> PipelineDefinition {
        var definition = self
        definition.target = ArchiveEngine.address(directory)
        // A configuration says what the pipeline's database is for.
        definition.role = nil
        // A file takes everything.
        definition.failurePolicy = nil
        // It brings back what the source had, with all that a target lacks.
        definition.rules = TableRules()
        return definition
    }

    var isArchive: Bool { ArchiveEngine().accepts(target) }
}

/// Brings a restored backup forward by what an archive holds.
package struct Replay: Sendable {
    private let directory: String
    private let definition: PipelineDefinition
    private let log: Logger

    /// - Parameters:
    ///   - target: the address of the restored backup.
    ///   - pipeline: whose cursor the backup holds, where it is one of a target.
    package init(_ directory: String, onto target: String, pipeline: String, log: Logger) {
        self.directory = directory
        self.log = log
        definition = PipelineDefinition(name: pipeline, source: ArchiveEngine.address(directory), target: target)
    }

    /// - Parameters:
    ///   - until: where to stop; nil for the end of the archive.
    ///   - snapshot: where the backup stands, if it does not say so itself.
    /// - Returns: the pipeline that does it, which `runOnce` starts.
    package func pipeline(until: LogPlace?, from snapshot: Snapshot?, worker: String) throws -> Pipeline {
        try definition.naming {
            let archive = try ArchiveSource(path: directory)
            let start = try start(in: archive, snapshot)
            let held = try heldChanges(archive, after: start)
            // Before anything is written: a backup is not to be touched by a replay that cannot come to its end.
            let reading = try ArchiveSource(path: directory, holding: held)
            if until == nil { try reading.refuseBefore(reading.lastPlace) }
            let limit = StreamLimit(until: until?.fixed(at: try reading.now()))
            if until != nil { _ = try reading.reach(after: start, within: limit) }
            let target = try definition.openTargetAdministration()
            try target.install()
            try target.place(start, of: definition.name)
            var settings = Pipeline.Settings(name: definition.name, worker: worker)
            settings.existing = .keep
            settings.limit = limit
            return Pipeline(settings, try connections(held), expecting: nil, log: log)
        }
    }

    private func connections(_ held: HeldChanges) throws -> Connections {
        let (directory, target, name) = (directory, definition.target, definition.name)
        let (archive, engine) = (ArchiveEngine(), try Engines.accepting(target, of: "target"))
        return Connections(
            source: { try ArchiveSource(path: directory, holding: held) }, target: { try engine.target(target, pipeline: name) },
            rowSource: { try archive.rowSource(ArchiveEngine.address(directory)) },
            rowTarget: { try engine.rowTarget(target, pipeline: name) },
            targetReader: { try engine.targetReader(target, pipeline: name) }, sourceEngine: archive.name, targetEngine: engine.name)
    }

    /// Where the backup stands: its own cursor, or as a source what its log and ticks prove, or what the operator says.
    private func start(in archive: ArchiveSource, _ snapshot: Snapshot?) throws -> Cursor {
        if let stored = try definition.openTargetAdministration().cursor(of: definition.name) {
            guard stored.cursor.source == (try archive.identity()) else {
                throw TidemarkError(
                    "the backup is of another source", why: "its cursor is for \(stored.cursor.source), the archive is of \(try archive.identity())",
                    remedy: "Name the archive of that source, or another pipeline of the backup with --pipeline.")
            }
            return stored.cursor
        }
        if try isBackupOfSource(archive) {
            guard let place = try openAsSource().place(among: archive.history) else {
                throw TidemarkError(
                    "the archive does not continue what the backup holds", why: "the backup has no tick, or row of its log, that the archive knows",
                    remedy: "Restore a backup that was taken after the archive was begun.")
            }
            return archive.cursor(at: place)
        }
        if let snapshot {
            guard let place = archive.history.first(where: { $0.snapshot == snapshot }) else {
                throw TidemarkError(
                    "the archive has no such place", why: "\(snapshot) is not where one of its windows ends",
                    remedy: "tidemark replay DIR --list shows where they end.")
            }
            return archive.cursor(at: place)
        }
        throw TidemarkError(
            "the backup does not say where it stands",
            why: "it holds no cursor of pipeline \(definition.name), and is no backup of the source that the archive is of",
            remedy: "Name the pipeline whose target was backed up: --pipeline NAME; or, where you know its place exactly: --from-snapshot SNAPSHOT.")
    }

    /// The installation is a row of the source's, so it is in each backup, whichever server that is restored on.
    private func isBackupOfSource(_ archive: ArchiveSource) throws -> Bool {
        let identity = try definition.openTargetAdministration().identityAsSource()
        func installation(_ identity: String) -> Substring? { identity.split(separator: "/").last }
        return try identity.flatMap(installation) == installation(archive.identity())
    }

    private func openAsSource() throws -> any SourceAdministration {
        try Engines.accepting(definition.target, of: "target").sourceAdministration(definition.target)
    }

    private func heldChanges(_ archive: ArchiveSource, after start: Cursor) throws -> HeldChanges {
        try isBackupOfSource(archive) ? try openAsSource().changes(after: start.snapshot) : [:]
    }
}
