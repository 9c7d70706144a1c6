import Foundation
import TidemarkCore

/// The first line of a manifest: which history it is of, and where it begins.
struct ManifestStart: Codable, Hashable {
    static let format = "tidemark-archive"

    var format: String
    var version: Int
    var pipeline: String
    var source: String
    /// The place before the first window.
    var snapshot: String
    var witness: String
    var lastID: Int64
}

/// A line of a manifest: one window, and the file that holds its changes.
package struct ArchivedWindow: Codable, Hashable, Sendable {
    package var sequence: Int
    package var file: String
    package var bytes: Int64
    package var sha256: String
    package var changes: Int
    package var firstID: Int64
    package var lastID: Int64
    package var tables: [String]
    package var start: String
    package var end: String
    package var witness: String
    /// The source's clock when the window's end was taken: everything in it was committed by then.
    package var endedAt: String?
    package var archivedAt: String
    /// The digest of the line before.
    package var previous: String
}

/// The list of an archive's windows, in their order. Each line names the digest of the one before and that of its file,
/// so that nothing can be altered, left out or put in without a trace.
struct Manifest {
    var start: ManifestStart
    var windows: [ArchivedWindow] = []
    /// The digest of each line, the first one's first.
    private(set) var digests: [String]
    var head: String { digests[digests.count - 1] }
    /// So many bytes are whole lines.
    var wholeBytes: Int
    /// What follows them was being written when the writer ended.
    var isTorn: Bool

    /// - Throws: `ArchiveFault` where a line is not what was written.
    init(_ bytes: [UInt8], path: String) throws {
        var lines = bytes.split(separator: ChangeLines.newline, omittingEmptySubsequences: false)
        isTorn = lines.popLast()?.isEmpty == false
        wholeBytes = bytes.count - (isTorn ? bytes.count - (bytes.lastIndex(of: ChangeLines.newline).map { $0 + 1 } ?? 0) : 0)
        guard let first = lines.first, let start = Self.decoded(ManifestStart.self, first), start.format == ManifestStart.format else {
            throw ArchiveFault.error(path, why: "its first line is not that of an archive")
        }
        guard start.version == 1 else {
            throw ArchiveFault.error(path, why: "it is of version \(start.version)", remedy: "Use the tidemark that wrote it, or a newer one.")
        }
        (self.start, digests) = (start, [Digest.text(of: first)])
        for (number, line) in lines.dropFirst().enumerated() {
            guard let window = Self.decoded(ArchivedWindow.self, line), window.sequence == number + 1 else {
                throw ArchiveFault.error(path, why: "line \(number + 2) is not that of window \(number + 1)")
            }
            guard window.previous == head, window.start == windows.last?.end ?? start.snapshot else {
                throw ArchiveFault.error(path, why: "line \(number + 2) does not continue the line before: one of the two was altered, or a line is missing")
            }
            windows.append(window)
            digests.append(Digest.text(of: line))
        }
    }

    private static func decoded<T: Decodable>(_ type: T.Type, _ line: ArraySlice<UInt8>) -> T? {
        try? JSONDecoder().decode(type, from: Data(line))
    }

    static func line(_ value: some Encodable) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Texts and numbers always encode.
        return Array((try? encoder.encode(value)) ?? Data()) + [ChangeLines.newline]
    }
}

/// Something in an archive that is not what was written there.
enum ArchiveFault {
    static let remedy = "Fetch this file from another copy of the archive; without it, nothing behind it can be replayed."

    static func error(_ path: String, why: String, remedy: String = Self.remedy) -> TidemarkError {
        TidemarkError("the archive is damaged", why: "\(path): \(why)", remedy: remedy)
    }
}
