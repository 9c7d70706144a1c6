import Foundation

/// A file system of its own that a test fills to the last byte, and frees again. Only where this process may mount one.
package final class SmallDisk: Sendable {
    package let directory: String

    /// - Returns: nil where it may not.
    package init?(megabytes: Int) {
        directory = FileManager.default.temporaryDirectory.path + "/tidemark-disk-\(UUID().uuidString.prefix(8))"
        let mounted = Shell.run(
            "/bin/bash", ["-c", "mkdir '\(directory)' && mount -t tmpfs -o size=\(megabytes)m,mode=777 tidemark-test '\(directory)' 2>/dev/null"])
        guard mounted.status == 0 else {
            rmdir(directory)
            return nil
        }
    }

    deinit { unmount() }

    /// Leaves no byte free.
    package func fill() {
        let file = open(filler, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0o600)
        let bytes = [UInt8](repeating: 0, count: 1 << 20)
        var size = bytes.count
        while size > 0 {
            if write(file, bytes, size) <= 0 { size /= 2 }
        }
        close(file)
    }

    package func free() { unlink(filler) }

    /// Once nobody uses it any more.
    package func unmount() {
        umount2(directory, Int32(MNT_DETACH))
        rmdir(directory)
    }

    private var filler: String { directory + "/filler" }
}
