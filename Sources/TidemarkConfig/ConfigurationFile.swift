import Glibc

/// Reads small files: the configuration, and those that hold secrets.
struct ConfigurationFile {
    var bytes: [UInt8]
    private var mode: mode_t
    private var owner: uid_t
    private var path: String

    struct Failure: Error { var why: String }

    init(path: String, maxBytes: Int) throws(Failure) {
        guard !path.utf8.contains(0) else { throw Failure(why: "its path holds a NUL") }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw Failure(why: errno == ENOENT ? "there is no such file" : errno == EACCES ? "this user may not read it" : "it cannot be opened")
        }
        defer { close(descriptor) }
        var about = stat()
        guard fstat(descriptor, &about) == 0 else { throw Failure(why: "it cannot be read") }
        guard about.st_mode & S_IFMT != S_IFDIR else { throw Failure(why: "it is a directory") }
        (mode, owner, self.path) = (about.st_mode, about.st_uid, path)
        bytes = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw Failure(why: "it cannot be read") }
            guard count > 0 else { return }
            bytes += buffer[..<count]
            guard bytes.count <= maxBytes else { throw Failure(why: "it is larger than \(maxBytes >> 10) KiB") }
        }
    }

    /// nil where it is no UTF-8.
    var text: String? { String(validating: bytes, as: UTF8.self) }

    /// Who besides its owner may read it, where that is too many. What an orchestrator mounts for one container, and a file that
    /// root shares with the group of a service, are meant so.
    var readers: String? {
        guard !path.hasPrefix("/run/"), !path.hasPrefix("/var/run/"), !path.hasPrefix("/dev/"), !path.hasPrefix("/proc/") else { return nil }
        if mode & 0o007 != 0 { return "everybody" }
        return mode & 0o070 != 0 && owner != 0 ? "its group" : nil
    }
}
