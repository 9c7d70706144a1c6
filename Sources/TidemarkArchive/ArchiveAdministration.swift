package import TidemarkCore

/// What setup, check, status and teardown do to an archive.
package final class ArchiveAdministration: TargetAdministration {
    private let directory: ArchiveDirectory

    package init(path: String) { directory = ArchiveDirectory(path: path) }

    package func identityAsSource() throws -> String? { nil }

    package func planInstall() throws -> [PlannedStatement] {
        [PlannedStatement("mkdir \(directory.path)", lock: "none; CURSOR and MANIFEST are made in it")]
    }

    package func install() throws {
        try reporting("the archive's directory cannot be made") { try FileStep.makeDirectory(directory.path) }
    }

    package func cursor(of pipeline: String) throws -> StoredCursor? {
        try reporting("the archive's cursor cannot be read") {
            guard let state = try directory.state(), state.pipeline == pipeline else { return nil }
            var stored = StoredCursor(
                cursor: try state.cursor(directory.cursorPath), appliedAt: state.appliedAt, worker: state.worker, failure: state.failure)
            stored.heartbeat = SourceHeartbeat(appliedAt: state.endedAt, seenID: nil, seenAt: nil)
            return stored
        }
    }

    /// The manifest's first line, then the cursor: with it the archive is there.
    package func place(_ cursor: Cursor, of pipeline: String) throws {
        try reporting("the archive cannot be begun") {
            if let state = try directory.state() {
                if state.pipeline == pipeline { return }
                throw isTaken(by: "it is the archive of pipeline \(state.pipeline)")
            }
            if let manifest = try directory.manifest(), !manifest.windows.isEmpty {
                throw isTaken(by: "it holds an archive that was ended: \(manifest.windows.count) windows of \(manifest.start.source)")
            }
            let start = ManifestStart(
                format: ManifestStart.format, version: 1, pipeline: pipeline, source: cursor.source, snapshot: cursor.snapshot.description,
                witness: cursor.witness, lastID: cursor.lastID)
            let line = Manifest.line(start)
            try FileStep.replace(directory.manifestPath, in: directory.path, with: line)
            try directory.save(ArchiveState(cursor, pipeline: pipeline, head: Digest.text(of: line.dropLast())))
        }
    }

    private func isTaken(by why: String) -> TidemarkError {
        TidemarkError(
            "the directory is another archive's", why: "\(directory.path): \(why)", remedy: "Name a directory of its own for each archive.")
    }

    package func copies(of pipeline: String) throws -> [TableCopy] { [] }
    package func proofs(of pipeline: String) throws -> [TableProof] { [] }
    package func expect(_ copies: [TableCopy], of pipeline: String) throws {}
    /// An archive takes every table as it is.
    package func creations(of definitions: [TableDefinition]) throws -> [TableCreation] { [] }
    package func create(_ creation: TableCreation) throws {}
    package func check(_ tables: [SourceTable]) throws -> [Finding] { [] }
    package func check(_ sequences: [SequenceState]) throws -> [Finding] { [] }
    /// Windows bring them.
    package func setSequences(_ states: [SequenceState], margin: Int64) throws -> [String] { [] }

    package func planRemoval(of pipeline: String) throws -> [PlannedStatement] {
        try cursor(of: pipeline) == nil ? [] : [PlannedStatement("rm \(directory.cursorPath)", lock: "none; what is archived stays")]
    }

    package func remove(_ pipeline: String) throws {
        try reporting("the archive cannot be ended") {
            guard try cursor(of: pipeline) != nil else { return }
            try FileStep.remove(directory.cursorPath)
            try FileStep.sync(directory: directory.path)
        }
    }
}
