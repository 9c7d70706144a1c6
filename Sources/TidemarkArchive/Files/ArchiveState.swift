import Foundation
import TidemarkCore

/// The archive's cursor, in a file that is only ever replaced as a whole.
struct ArchiveState: Codable, Hashable {
    var pipeline: String
    var source: String
    var snapshot: String
    var witness: String
    var lastID: Int64
    var epoch: Int64
    var worker: String?
    var appliedAt: String?
    var failure: String?
    /// So many windows lie before it, and the digest of the manifest's line of the last one.
    var sequence: Int
    var head: String
    /// The source's clock when the snapshot was taken.
    var endedAt: String?

    func cursor(_ path: String) throws -> Cursor {
        guard let place = Snapshot(snapshot) else { throw ArchiveFault.error(path, why: "its snapshot is “\(snapshot)”") }
        return Cursor(source: source, snapshot: place, witness: witness, lastID: lastID, epoch: epoch)
    }

    init(_ cursor: Cursor, pipeline: String, head: String) {
        (self.pipeline, source, snapshot, witness) = (pipeline, cursor.source, cursor.snapshot.description, cursor.witness)
        (lastID, epoch, sequence, self.head) = (cursor.lastID, cursor.epoch, 0, head)
    }

    init?(_ bytes: [UInt8]) {
        guard let state = try? JSONDecoder().decode(Self.self, from: Data(bytes)) else { return nil }
        self = state
    }

    /// A window's line is written before the cursor moves: what the manifest has is in the archive.
    mutating func move(over window: ArchivedWindow, head: String) {
        (snapshot, witness, lastID) = (window.end, window.witness, max(lastID, window.lastID))
        (sequence, self.head, appliedAt, endedAt) = (window.sequence, head, window.archivedAt, window.endedAt)
    }
}
