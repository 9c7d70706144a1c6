import Glibc
import TidemarkCore

/// What the system said of a file.
struct FileFailure: Error {
    var path: String
    var code: Int32

    /// - Parameter what: what was being done.
    func error(_ what: String) -> TidemarkError {
        let isFull = code == ENOSPC || code == EDQUOT
        return TidemarkError(
            what, why: "\(path): \(String(cString: strerror(code)))",
            remedy: isFull ? "Free space there. Nothing is lost: the source keeps its log, and the archive goes on at the same place."
                : "Mend that, then type the command again; it goes on where it was.",
            retry: isFull || code == EIO || code == EINTR ? .later : .never)
    }
}

/// Says what was being done in whatever the system said.
func reporting<T>(_ what: String, _ body: () throws -> T) throws -> T {
    do {
        return try body()
    } catch let failure as FileFailure {
        throw failure.error(what)
    }
}

/// A file that was opened. Nothing is durable before `sync`.
final class SystemFile {
    let path: String
    private let descriptor: Int32

    init(_ path: String, _ flags: Int32) throws {
        self.path = path
        descriptor = open(path, flags | O_CLOEXEC, 0o640)
        if descriptor < 0 { throw FileFailure(path: path, code: errno) }
    }

    deinit { close(descriptor) }

    func write(_ bytes: UnsafeRawBufferPointer) throws {
        var rest = bytes
        while !rest.isEmpty {
            let written = Glibc.write(descriptor, rest.baseAddress, rest.count)
            guard written >= 0 || errno == EINTR else { throw FileFailure(path: path, code: errno) }
            rest = UnsafeRawBufferPointer(rebasing: rest[max(0, written)...])
        }
    }

    func write(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try write($0) } }

    func sync() throws { if fsync(descriptor) != 0 { throw FileFailure(path: path, code: errno) } }

    func truncate(to bytes: Int) throws { if ftruncate(descriptor, bytes) != 0 { throw FileFailure(path: path, code: errno) } }

    /// Gives the rest of the file in pieces.
    func read(_ receive: (UnsafeRawBufferPointer) throws -> Void) throws {
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            guard count >= 0 || errno == EINTR else { throw FileFailure(path: path, code: errno) }
            if count == 0 { return }
            if count > 0 { try buffer.withUnsafeBytes { try receive(UnsafeRawBufferPointer(rebasing: $0[..<count])) } }
        }
    }

    /// Takes the file's lock, at once or not at all; the system gives it back when the process ends, however it does.
    func lock() throws -> Bool {
        if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return true }
        guard errno == EWOULDBLOCK else { throw FileFailure(path: path, code: errno) }
        return false
    }
}

/// Steps on files by name, each of which is done or not.
enum FileStep {
    static func contents(_ path: String) throws -> [UInt8]? {
        do {
            var bytes: [UInt8] = []
            try SystemFile(path, O_RDONLY).read { bytes += $0 }
            return bytes
        } catch let failure as FileFailure where failure.code == ENOENT {
            return nil
        }
    }

    static func rename(_ old: String, to new: String) throws {
        if Glibc.rename(old, new) != 0 { throw FileFailure(path: new, code: errno) }
    }

    static func remove(_ path: String) throws {
        if unlink(path) != 0, errno != ENOENT { throw FileFailure(path: path, code: errno) }
    }

    /// Makes the names in a directory durable.
    static func sync(directory: String) throws { try SystemFile(directory, O_RDONLY | O_DIRECTORY).sync() }

    static func makeDirectory(_ path: String) throws {
        if mkdir(path, 0o750) != 0, errno != EEXIST { throw FileFailure(path: path, code: errno) }
    }

    static func names(in directory: String) throws -> [String] {
        guard let stream = opendir(directory) else { throw FileFailure(path: directory, code: errno) }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            names.append(withUnsafePointer(to: &entry.pointee.d_name) { $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) } })
        }
        return names.filter { $0 != "." && $0 != ".." }.sorted()
    }

    /// Replaces a small file as a whole, durably.
    static func replace(_ path: String, in directory: String, with bytes: [UInt8]) throws {
        let new = path + ".new"
        let file = try SystemFile(new, O_WRONLY | O_CREAT | O_TRUNC)
        try file.write(bytes)
        try file.sync()
        try rename(new, to: path)
        try sync(directory: directory)
    }

    static var now: SourceTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return SourceTime(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000)
    }
}
