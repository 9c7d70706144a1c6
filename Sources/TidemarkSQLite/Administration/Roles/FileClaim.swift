import Glibc

/// A file beside a database that one process at a time may have. The lock goes with the process; the file, which SQLite
/// knows nothing of, with this object.
final class FileClaim {
    private let path: String
    private let descriptor: Int32

    /// Nil where somebody else has it, or it cannot be made.
    init?(_ path: String) {
        let descriptor = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return nil }
        var (own, standing) = (stat(), stat())
        // Whoever had it last may have removed the file meanwhile.
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0, fstat(descriptor, &own) == 0, stat(path, &standing) == 0, own.st_ino == standing.st_ino
        else {
            close(descriptor)
            return nil
        }
        (self.path, self.descriptor) = (path, descriptor)
    }

    deinit {
        unlink(path)
        close(descriptor)
    }
}
