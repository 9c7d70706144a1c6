import Foundation
import Glibc
import TidemarkCore

/// The first line of a window's file.
struct WindowHeader: Codable {
    var format: String
    var version: Int
    var source: String
    var sequence: Int
    var start: String
    var end: String
    var witness: String
    var endedAt: String?
    /// Those that the windows before may not have told so.
    var sequences: [SequenceEntry]
}

/// A line in front of a table's first change in a file.
struct TableLine: Codable {
    struct Column: Codable {
        var name: String
        var type: String
        var generated: Bool
    }

    struct Table: Codable {
        var capture: Int32
        var schema: String?
        var name: String
        var columns: [Column]
        var key: [String]
        var encoding: String
        var retired: Bool
    }

    var table: Table

    init(_ captured: CapturedTable) {
        table = Table(
            capture: captured.capture, schema: captured.name.schema, name: captured.name.name,
            columns: captured.columns.map { Column(name: $0.name, type: $0.type, generated: $0.isGenerated) }, key: captured.keyColumns,
            encoding: captured.encoding == .typedText ? "typedText" : "storageClasses", retired: captured.isRetired)
    }

    /// Nil for an encoding that a newer tidemark wrote.
    var captured: CapturedTable? {
        guard let encoding = ["typedText": ImageEncoding.typedText, "storageClasses": .storageClasses][table.encoding] else { return nil }
        return CapturedTable(
            capture: table.capture, name: TableName(schema: table.schema, name: table.name),
            columns: table.columns.map { CapturedColumn(name: $0.name, type: $0.type, isGenerated: $0.generated) }, keyColumns: table.key,
            encoding: encoding, isRetired: table.retired)
    }
}

/// The last line of a window's file.
struct WindowTrailer: Codable, Hashable {
    var changesInAll: Int
}

/// Writes the file of one window.
final class WindowFileWriter {
    private let file: SystemFile
    private let digest = Digest()
    private var gzip: GzipWriter?
    private var written: Int64 = 0
    private var lines: [UInt8] = []
    private let tables: [Int32: CapturedTable]
    private var described: Set<Int32> = []
    private(set) var changes = 0
    private(set) var ids: ClosedRange<Int64>?

    init(_ path: String, _ header: WindowHeader, tables: [Int32: CapturedTable]) throws {
        file = try SystemFile(path, O_WRONLY | O_CREAT | O_TRUNC)
        self.tables = tables
        gzip = GzipWriter { [unowned self] piece in
            try file.write(piece)
            digest.add(piece)
            written += Int64(piece.count)
        }
        lines += Manifest.line(header)
    }

    func take(_ page: ChangePage) throws {
        for (place, change) in page.changes.enumerated() {
            try refuseLoss(change)
            if described.insert(change.capture).inserted, let table = tables[change.capture] { lines += Manifest.line(TableLine(table)) }
            ChangeLines.append(place, of: page, to: &lines)
            changes += 1
            ids = min(ids?.lowerBound ?? change.id, change.id)...max(ids?.upperBound ?? change.id, change.id)
            if lines.count > 1 << 16 { try flush() }
        }
    }

    /// What the log itself does not hold can be brought into a target by a copy, and into an archive by nothing.
    private func refuseLoss(_ change: Change) throws {
        guard change.operation == .shapeChanged || change.operation == .imageTooLarge else { return }
        throw TidemarkError(
            "the archive cannot go on", table: tables[change.capture]?.name, changeID: change.id,
            why: change.operation == .shapeChanged ? "the table was altered, and rows written since then are not in the log"
                : "the row was too large to be logged",
            remedy: "Type tidemark teardown --source-only --pipeline NAME …, then tidemark archive into a new directory, and take a backup after that."
                + " What is archived up to here stays good.")
    }

    private func flush() throws {
        try gzip?.write(lines)
        lines.removeAll(keepingCapacity: true)
    }

    /// Makes the file durable.
    func finish() throws -> (bytes: Int64, sha256: String, tables: [String]) {
        lines += Manifest.line(WindowTrailer(changesInAll: changes))
        try flush()
        try gzip?.finish()
        gzip = nil
        try file.sync()
        return (written, digest.text(), described.compactMap { tables[$0]?.name.description }.sorted())
    }
}

/// Reads the file of one window.
struct WindowFileReader {
    let directory: ArchiveDirectory
    let window: ArchivedWindow

    private var path: String { directory.path(of: window.file) }

    /// Makes sure that it is the file that was written.
    /// - Returns: the tables that it describes, and where sequences stood at its end.
    func inspect() throws -> (tables: [CapturedTable], sequences: [SequenceState]) {
        let digest = Digest()
        var bytes: Int64 = 0
        var tables: [CapturedTable] = []
        var sequences: [SequenceState] = []
        do {
            // Its digest first: what was altered is not taken apart.
            try SystemFile(path, O_RDONLY).read { piece in
                digest.add(piece)
                bytes += Int64(piece.count)
            }
        } catch let failure as FileFailure where failure.code == ENOENT {
            throw ArchiveFault.error(path, why: "it is missing")
        }
        guard bytes == window.bytes else { throw ArchiveFault.error(path, why: "it has \(bytes) bytes, and \(window.bytes) were written") }
        guard digest.text() == window.sha256 else { throw ArchiveFault.error(path, why: "its SHA-256 is not the one that MANIFEST names") }
        try read(header: { sequences = $0.sequences.map(\.state) }, tables: { tables.append($0) }, line: { _ in })
        return (tables, sequences)
    }

    func read(
        header: (WindowHeader) -> Void = { _ in }, tables: (CapturedTable) throws -> Void, line: (ArraySlice<UInt8>) throws -> Void
    ) throws {
        let gzip = GzipReader()
        var lines = LineSplitter()
        var changes = 0
        var isFirst = true
        var trailer: WindowTrailer?
        do {
            try SystemFile(path, O_RDONLY).read { piece in
                try gzip.read(piece) { text in
                    try lines.take(text) { found in
                        if found.starts(with: "{\"id\":".utf8) {
                            changes += 1
                            try line(found)
                        } else if found.starts(with: "{\"table\":".utf8) {
                            guard let table = (try? JSONDecoder().decode(TableLine.self, from: Data(found)))?.captured else {
                                throw ArchiveFault.error(path, why: "a table in it cannot be read")
                            }
                            try tables(table)
                        } else if isFirst {
                            header(try checkedHeader(found))
                            isFirst = false
                        } else {
                            trailer = try? JSONDecoder().decode(WindowTrailer.self, from: Data(found))
                        }
                    }
                }
            }
        } catch is GzipReader.Malformed {
            throw ArchiveFault.error(path, why: "it cannot be decompressed")
        }
        guard gzip.isAtEnd, lines.isEmpty, trailer == WindowTrailer(changesInAll: changes), changes == window.changes else {
            throw ArchiveFault.error(path, why: "it ends too early: \(changes) of \(window.changes) changes are there")
        }
    }

    private func checkedHeader(_ line: ArraySlice<UInt8>) throws -> WindowHeader {
        guard let header = try? JSONDecoder().decode(WindowHeader.self, from: Data(line)), header.format == ManifestStart.format,
            header.sequence == window.sequence, header.start == window.start, header.end == window.end
        else { throw ArchiveFault.error(path, why: "it is not the file of window \(window.sequence)") }
        return header
    }
}
