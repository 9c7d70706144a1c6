import Glibc

/// A file beside a database that one process at a time may have. The lock goes with the process; the file, which SQLite
/// knows nothing of, with this object.
final class FileClaim {
    private let path: String
    private let descriptor: Int32

    /// Nil where somebody else has it, or it cannot be made.
    init?(_ path: String) {
        guard case .held(let descriptor) = FileLock.take(path, mode: 0o600) else { return nil }
        (self.path, self.descriptor) = (path, descriptor)
    }

    deinit {
        unlink(path)
        close(descriptor)
    }
}
