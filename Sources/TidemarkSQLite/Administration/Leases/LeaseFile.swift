import Glibc
import TidemarkCore

/// Who leads the pipelines of a database, in a file beside it: a lease in the database would wait for whoever writes there.
///
/// Time is the machine's since it was started, which no clock that is set changes, and counts for this start only: after
/// the next one, whoever led is gone. So a database has one machine; SQLite's locks want that anyway.
struct LeaseFile {
    struct Entry {
        /// Empty where it was given back.
        var holder: String
        var epoch: Int64
        var expiresMs: Int64
        var boot: String
    }

    private let database: String
    var path: String { database + "-tidemark-leases" }
    private static let waitMs = 2_000

    init(besides database: String) { self.database = database }

    func entries() throws -> [String: Entry] {
        guard access(path, F_OK) == 0 else { return [:] }
        return try locked { Self.parsed(try Self.contents($0)) }
    }

    /// Changes the entries while nobody else does.
    func change<T>(_ body: (inout [String: Entry]) throws -> T) throws -> T {
        try locked { file in
            var entries = Self.parsed(try Self.contents(file))
            let result = try body(&entries)
            let bytes = Self.bytes(of: entries)
            // In one piece: a process that ends leaves the old or the new text.
            guard pwrite(file, bytes, bytes.count, 0) == bytes.count, ftruncate(file, off_t(bytes.count)) == 0 else { throw failure() }
            return result
        }
    }

    /// Forgets a pipeline, and the file with the last one.
    func forget(_ pipeline: String, isLast: Bool) throws {
        guard access(path, F_OK) == 0 else { return }
        try change { $0[pipeline] = nil }
        if isLast { unlink(path) }
    }

    /// The entry as a lease; nil where nobody has it.
    static func lease(_ entry: Entry?) -> Lease? {
        guard let entry, !entry.holder.isEmpty else { return nil }
        let left = entry.boot == boot ? max(0, entry.expiresMs - nowMs) : 0
        return Lease(holder: entry.holder, epoch: entry.epoch, remainingMs: left)
    }

    static var nowMs: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }

    /// Names this start of the machine.
    static let boot: String = {
        let file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return "?" }
        defer { close(file) }
        return String(decoding: (try? contents(file)) ?? [], as: UTF8.self).filter { $0.isHexDigit || $0 == "-" }
    }()

    private func locked<T>(_ body: (Int32) throws -> T) throws -> T {
        var found = stat()
        // Whoever may use the database may use this file.
        let mode = stat(database, &found) == 0 ? found.st_mode & 0o666 : 0o600
        let deadline = Self.nowMs + Int64(Self.waitMs)
        while true {
            switch FileLock.take(path, mode: mode) {
            case .held(let file):
                defer { close(file) }
                return try body(file)
            case .failed(let code): throw failure(code)
            case .busy: break
            }
            guard Self.nowMs < deadline else {
                throw TidemarkError(
                    "the leases cannot be read", why: "another process has \(path) locked since \(Self.waitMs) ms",
                    remedy: "fuser \(path) names it; it may have been stopped just then.", retry: .later)
            }
            usleep(1_000)
        }
    }

    private func failure(_ code: Int32 = errno) -> TidemarkError {
        TidemarkError(
            "the leases cannot be kept", why: "\(path): \(String(cString: strerror(code)))",
            remedy: "tidemark has to be able to make and write a file beside the database.", retry: code == ENOSPC || code == EDQUOT ? .later : .never)
    }

    private static func contents(_ file: Int32) throws -> [UInt8] {
        var (bytes, piece) = ([UInt8](), [UInt8](repeating: 0, count: 4096))
        while true {
            let count = pread(file, &piece, piece.count, off_t(bytes.count))
            guard count > 0 else { return bytes }
            bytes += piece[..<count]
        }
    }

    // MARK: The text

    /// A line each: epoch, end, start of the machine, holder, pipeline.
    private static func bytes(of entries: [String: Entry]) -> [UInt8] {
        let lines = entries.sorted { $0.key < $1.key }.map { name, entry in
            "\(entry.epoch)\t\(entry.expiresMs)\t\(entry.boot)\t\(escaped(entry.holder))\t\(escaped(name))\n"
        }
        return Array(lines.joined().utf8)
    }

    private static func parsed(_ bytes: [UInt8]) -> [String: Entry] {
        var entries: [String: Entry] = [:]
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            let parts = line.split(separator: UInt8(ascii: "\t"), omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
            guard parts.count == 5, let epoch = Int64(parts[0]), let expiresMs = Int64(parts[1]) else { continue }
            entries[unescaped(parts[4])] = Entry(holder: unescaped(parts[3]), epoch: epoch, expiresMs: expiresMs, boot: parts[2])
        }
        return entries
    }

    private static func escaped(_ text: String) -> String {
        text.map { character in
            switch character {
            case "%": "%p"
            case "\t": "%t"
            case "\n", "\r\n": "%n"
            default: String(character)
            }
        }.joined()
    }

    private static func unescaped(_ text: String) -> String {
        text.split(separator: "%", omittingEmptySubsequences: false).enumerated().map { place, part in
            guard place > 0, let kind = part.first else { return String(part) }
            return (["p": "%", "t": "\t", "n": "\n"][kind] ?? "") + part.dropFirst()
        }.joined()
    }
}
