import Glibc
import TidemarkCore

/// Where an archive's files are.
///
/// `MANIFEST` and the files that it names are only added to; `CURSOR` is replaced as a whole. What is durable when:
/// a window's file, its name, its line, the cursor, each before the next.
struct ArchiveDirectory: Sendable {
    let path: String

    var manifestPath: String { "\(path)/MANIFEST" }
    var cursorPath: String { "\(path)/CURSOR" }
    var lockPath: String { "\(path)/LOCK" }
    /// A file that is being written.
    var incomingPath: String { "\(path)/incoming" }
    static let suffix = ".jsonl.gz"

    func path(of file: String) -> String { "\(path)/\(file)" }

    /// The sequence number first, so that a listing shows them in their order.
    static func name(_ sequence: Int, _ firstID: Int64, _ lastID: Int64) -> String {
        let number = String(sequence)
        return String(repeating: "0", count: max(0, 10 - number.count)) + "\(number)-\(firstID)-\(lastID)\(suffix)"
    }

    func manifest() throws -> Manifest? {
        try FileStep.contents(manifestPath).flatMap { bytes in
            // The writer ended before the first line was whole: nothing was archived.
            bytes.contains(ChangeLines.newline) ? try Manifest(bytes, path: manifestPath) : nil
        }
    }

    func state() throws -> ArchiveState? {
        guard let bytes = try FileStep.contents(cursorPath) else { return nil }
        guard let state = ArchiveState(bytes) else {
            throw ArchiveFault.error(cursorPath, why: "it cannot be read", remedy: "It is only ever replaced as a whole: restore it from another copy.")
        }
        return state
    }

    func save(_ state: ArchiveState) throws { try FileStep.replace(cursorPath, in: path, with: Manifest.line(state)) }

    /// The manifest as it has to be for this state: it may be one window ahead, whose cursor was not moved any more.
    func manifest(for state: ArchiveState?) throws -> Manifest {
        guard let manifest = try manifest() else {
            throw TidemarkError(
                "there is no archive", why: "\(path) has no file MANIFEST", remedy: "Name the directory that tidemark archive DIR … writes.")
        }
        guard let state else { return manifest }
        guard manifest.digests.indices.contains(state.sequence), manifest.digests[state.sequence] == state.head else {
            throw ArchiveFault.error(manifestPath, why: "its line of window \(state.sequence) is missing, or was altered: CURSOR names another one")
        }
        return manifest
    }

    /// Removes what a writer that was killed has left, once nobody else may write.
    func tidy(_ manifest: Manifest) throws {
        if manifest.isTorn {
            let file = try SystemFile(manifestPath, O_WRONLY)
            try file.truncate(to: manifest.wholeBytes)
            try file.sync()
        }
        try FileStep.remove(incomingPath)
        let next = manifest.windows.count + 1
        for name in try FileStep.names(in: path) where name.hasSuffix(Self.suffix) {
            guard let number = name.split(separator: "-").first.flatMap({ Int($0) }), number >= next else { continue }
            try FileStep.remove(self.path(of: name))
        }
        try FileStep.sync(directory: path)
    }
}
