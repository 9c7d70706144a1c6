import Foundation
import Glibc
import TidemarkCore

/// Where tasks are kept while no process runs: one file, replaced as a whole.
struct SyncTaskFile {
    private let path: URL

    /// - Throws: where the directory cannot be made or written.
    init(directory: String) throws {
        path = URL(fileURLWithPath: directory).appendingPathComponent("tasks.json")
        do {
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        } catch {
            throw Self.unusable(directory, "it cannot be made: \(error.localizedDescription)")
        }
        guard access(directory, W_OK | X_OK) == 0 else { throw Self.unusable(directory, String(cString: strerror(errno))) }
    }

    func read() throws -> [SyncTask] {
        guard FileManager.default.fileExists(atPath: path.path) else { return [] }
        let bytes: Data
        do {
            bytes = try Data(contentsOf: path)
        } catch {
            throw TidemarkError(
                "the service's tasks cannot be read", why: "\(path.path): \(error.localizedDescription)",
                remedy: "Let the file belong to the user of the service: chown tidemark \(path.path)")
        }
        do {
            return try JSONDecoder().decode([SyncTask].self, from: bytes)
        } catch {
            throw TidemarkError(
                "the service's tasks cannot be read", why: "\(path.path) is damaged, or of a newer version",
                remedy: "Move the file away, and start again: it holds only the list of one-off tasks, no data of a pipeline.")
        }
    }

    func write(_ tasks: [SyncTask]) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        try encoder.encode(tasks.sorted { $0.createdAt < $1.createdAt }).write(to: path, options: .atomic)
    }

    private static func unusable(_ directory: String, _ why: String) -> TidemarkError {
        TidemarkError(
            "the service's state directory cannot be used", why: "\(directory): \(why)",
            remedy: "Let state: in the configuration name a folder that this user may write to.")
    }
}
