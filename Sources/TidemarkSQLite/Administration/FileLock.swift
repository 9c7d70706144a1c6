import Glibc

/// The lock of a file beside a database, which one process at a time has, and which goes with it.
enum FileLock {
    /// With the open file, which is the lock's holder's to close.
    case held(Int32)
    /// Somebody else has it, or has removed the file just now.
    case busy
    /// The system's error number.
    case failed(Int32)

    static func take(_ path: String, mode: mode_t) -> FileLock {
        let file = open(path, O_CREAT | O_RDWR | O_CLOEXEC, mode)
        guard file >= 0 else { return .failed(errno) }
        guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            close(file)
            return code == EWOULDBLOCK ? .busy : .failed(code)
        }
        var (own, standing) = (stat(), stat())
        // Whoever had it last may have removed the file meanwhile.
        guard fstat(file, &own) == 0, stat(path, &standing) == 0, own.st_ino == standing.st_ino else {
            close(file)
            return .busy
        }
        return .held(file)
    }
}
