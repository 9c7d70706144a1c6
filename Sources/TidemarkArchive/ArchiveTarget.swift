import Glibc
package import TidemarkCore

/// Keeps windows as files. Whoever takes it over has its lock, which no second writer gets.
package final class ArchiveTarget: ChangeTarget {
    /// Where a writer may be killed.
    enum Step: CaseIterable {
        case begun, written, named, listedInPart, listed, moved
    }

    private let directory: ArchiveDirectory
    private let pipeline: String
    private var lock: SystemFile?
    private var state: ArchiveState?
    /// Told by windows that have no file, for the next one that has.
    private var sequences: [SequenceState.Identity: SequenceState] = [:]
    /// Tests end a writer here.
    var fault: (Step) throws -> Void = { _ in }

    package init(path: String, pipeline: String) {
        (directory, self.pipeline) = (ArchiveDirectory(path: path), pipeline)
    }

    package func takeOver(worker: String) throws -> Cursor {
        try reporting("the archive cannot be taken over") {
            let file = try SystemFile(directory.lockPath, O_RDWR | O_CREAT)
            guard try file.lock() else {
                throw TidemarkError(
                    "the archive has a writer already", pipeline: pipeline, why: "another process holds \(directory.lockPath)",
                    remedy: "Let one tidemark archive run for each directory; the lock goes with its process.")
            }
            lock = file
            var state = try requireState()
            let manifest = try directory.manifest(for: state)
            try directory.tidy(manifest)
            if let last = manifest.windows.last, last.sequence > state.sequence { state.move(over: last, head: manifest.head) }
            (state.epoch, state.worker, state.failure) = (state.epoch + 1, worker, nil)
            try directory.save(state)
            self.state = state
            return try state.cursor(directory.cursorPath)
        }
    }

    package func cursor() throws -> Cursor {
        try reporting("the archive's cursor cannot be read") { try requireState().cursor(directory.cursorPath) }
    }

    package func lastWorker() throws -> String? { try reporting("the archive's cursor cannot be read") { try directory.state()?.worker } }

    private func requireState() throws -> ArchiveState {
        guard let state = try directory.state(), state.pipeline == pipeline else {
            throw TidemarkError(
                "the archive is not set up", pipeline: pipeline, why: "\(directory.path) holds no cursor for it",
                remedy: "Type: tidemark archive \(directory.path) --source …")
        }
        return state
    }

    /// There is nothing to copy: what was there before is in the backup that the archive is replayed on.
    package func copies(expecting missing: [TableCopy]) throws -> [TableCopy] { missing.map { TableCopy($0.table, .keep) } }

    package func record(failure: String, epoch: Int64) throws {
        try reporting("the failure cannot be recorded") {
            guard var state, state.epoch == epoch else { return }
            state.failure = failure
            try directory.save(state)
            self.state = state
        }
    }

    package func advance(_ states: [SequenceState]) { for state in states { sequences[state.identity] = state } }

    /// A directory cannot be promoted.
    package func note(_ heartbeat: SourceHeartbeat, epoch: Int64) throws {}

    package func apply(
        _ window: Window, tables: [Int32: CapturedTable], moving cursor: Cursor, order: ApplyOrder,
        parking faults: [ParkedFault], nextPage: () throws -> SplitPage?
    ) throws -> Cursor {
        try reporting("a window cannot be archived") {
            guard var state, try state.cursor(directory.cursorPath).isAt(cursor) else {
                throw cursor.isElsewhere(than: try self.state?.cursor(directory.cursorPath), pipeline: pipeline)
            }
            advance(window.sequences)
            let manifest = try archive(window, after: state, tables: tables, nextPage: { try nextPage()?.applied })
            if let (archived, head) = manifest {
                state.move(over: archived, head: head)
            } else {
                // Nothing of the pipeline's: the next file begins where the last one ended.
                (state.snapshot, state.witness, state.endedAt) = (window.end.description, window.witness, window.endedAt.map(Self.roundedUp))
            }
            try directory.save(state)
            self.state = state
            try fault(.moved)
            return try state.cursor(directory.cursorPath)
        }
    }

    /// - Returns: nil where the window holds nothing.
    private func archive(
        _ window: Window, after state: ArchiveState, tables: [Int32: CapturedTable], nextPage: () throws -> ChangePage?
    ) throws -> (window: ArchivedWindow, head: String)? {
        guard let first = try nextPage() else { return nil }
        let sequence = state.sequence + 1
        let start = try lastEnd(before: state)
        let header = WindowHeader(
            format: ManifestStart.format, version: 1, source: state.source, sequence: sequence, start: start,
            end: window.end.description, witness: window.witness, endedAt: window.endedAt.map(Self.roundedUp),
            sequences: sequences.values.map(SequenceEntry.init))
        try fault(.begun)
        let writer = try WindowFileWriter(directory.incomingPath, header, tables: tables)
        var page: ChangePage? = first
        while let changes = page {
            try writer.take(changes)
            page = try nextPage()
        }
        let (bytes, sha256, names) = try writer.finish()
        try fault(.written)
        let ids = writer.ids ?? 0...0
        let name = ArchiveDirectory.name(sequence, ids.lowerBound, ids.upperBound)
        try FileStep.rename(directory.incomingPath, to: directory.path(of: name))
        try FileStep.sync(directory: directory.path)
        try fault(.named)
        let archived = ArchivedWindow(
            sequence: sequence, file: name, bytes: bytes, sha256: sha256, changes: writer.changes, firstID: ids.lowerBound,
            lastID: ids.upperBound, tables: names, start: start, end: window.end.description, witness: window.witness,
            endedAt: window.endedAt.map(Self.roundedUp), archivedAt: FileStep.now.description, previous: state.head)
        let head = try list(archived)
        sequences = [:]
        return (archived, head)
    }

    /// Of the last window that has a file.
    private func lastEnd(before state: ArchiveState) throws -> String {
        if let lastFileEnd { return lastFileEnd }
        guard let manifest = try directory.manifest() else { return state.snapshot }
        return manifest.windows.last?.end ?? manifest.start.snapshot
    }

    private var lastFileEnd: String?

    /// To the millisecond that is written: nothing in a window was committed later.
    private static func roundedUp(_ time: SourceTime) -> String { SourceTime(microseconds: time.microseconds + 999).description }

    /// - Returns: the digest of the line.
    private func list(_ archived: ArchivedWindow) throws -> String {
        let line = Manifest.line(archived)
        let manifest = try SystemFile(directory.manifestPath, O_WRONLY | O_APPEND)
        try manifest.write(Array(line.prefix(line.count / 2)))
        try fault(.listedInPart)
        try manifest.write(Array(line.dropFirst(line.count / 2)))
        try manifest.sync()
        try fault(.listed)
        lastFileEnd = archived.end
        return Digest.text(of: line.dropLast())
    }
}
