import Foundation
import Glibc
import TidemarkCore

/// A file that is there once it is whole, and for its owner's eyes only. What stood under its name stays until then.
final class ExportFile {
    let handle: FileHandle
    private let path: String
    private var partial: String { path + ".partial" }

    init(_ path: String) throws {
        self.path = path
        let descriptor = open(path + ".partial", O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw TidemarkError(
                "the export cannot be written", why: "\(path).partial cannot be made: \(String(cString: strerror(errno)))",
                remedy: "Give --export a file in a directory that you may write to. Nothing was undone.")
        }
        handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    }

    /// Makes what was written durable under the file's own name.
    func keep() throws {
        do {
            try handle.synchronize()
            guard rename(partial, path) == 0 else { throw CocoaError(.fileWriteUnknown) }
        } catch {
            throw TidemarkError(
                "the export cannot be written", why: "\(path): \(error.localizedDescription)",
                remedy: "Make room, or give --export another file; then type the command again. Nothing was undone.")
        }
    }

    /// Where there is nothing to keep, what stood there stays.
    func drop() { unlink(partial) }
}
