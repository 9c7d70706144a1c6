import Foundation
import Glibc
import Logging
import Synchronization
import TidemarkCore

/// Who did what: a line of JSON each, in a file if one is configured, and in the log in any case.
final class AuditLog: Sendable {
    private let log: Logger
    private let path: String?
    private let isBroken = Mutex(false)
    private let writing: Writing

    /// As write(2).
    typealias Writing = @Sendable (Int32, UnsafeRawBufferPointer) -> Int

    /// - Throws: where the file cannot be written: an audit that is wanted and missing is found too late.
    init(path: String?, log: Logger, writing: @escaping Writing = { write($0, $1.baseAddress, $1.count) }) throws {
        (self.path, self.log, self.writing) = (path, log, writing)
        guard let path else { return }
        let descriptor = Self.open(path)
        guard descriptor >= 0 else {
            throw TidemarkError(
                "the audit log cannot be written", why: "\(path): \(String(cString: strerror(errno)))",
                remedy: "Let audit-log: in the configuration name a file in a folder that this user may write to.")
        }
        close(descriptor)
    }

    func note(_ entry: AuditEntry) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard var line = try? encoder.encode(entry) else { return }
        let place = entry.pipeline.map { " of pipeline \($0)" } ?? ""
        let subject = entry.subject.map { " (\($0))" } ?? ""
        log.notice("audit: \(entry.actor.name) \(entry.outcome) \(entry.action)\(place)\(subject)")
        guard let path else { return }
        line.append(0x0A)
        // Opened anew each time: whoever rotates the file needs to tell nobody.
        let descriptor = Self.open(path)
        let isWritten = descriptor >= 0 && append(line, to: descriptor)
        if descriptor >= 0 { close(descriptor) }
        let wasBroken = isBroken.withLock { broken in
            defer { broken = !isWritten }
            return broken
        }
        if !isWritten, !wasBroken { log.error("the audit log \(path) cannot be written; entries are in this log only") }
    }

    /// Writes a line as a whole, on a line of its own, or not at all: a full disk takes as much of it as there is room for.
    private func append(_ line: Data, to descriptor: Int32) -> Bool {
        // Another service may write the same file: what it has just added is not to be cut off.
        let isAlone = flock(descriptor, LOCK_EX | LOCK_NB) == 0
        let end = lseek(descriptor, 0, SEEK_END)
        var last: UInt8 = 0x0A
        // A pipe has no end to look at; what was left of a line by a machine that crashed is ended.
        if end > 0 { pread(descriptor, &last, 1, end - 1) }
        let text = last == 0x0A ? line : Data([0x0A]) + line
        let count = text.withUnsafeBytes { writing(descriptor, $0) }
        if count != text.count, count > 0, end >= 0, isAlone { ftruncate(descriptor, end) }
        return count == text.count
    }

    /// Readable too, for its end; one that may only be written is taken for whole.
    private static func open(_ path: String) -> Int32 {
        let flags = O_APPEND | O_CREAT | O_CLOEXEC
        let descriptor = Glibc.open(path, O_RDWR | flags, 0o640)
        return descriptor >= 0 ? descriptor : Glibc.open(path, O_WRONLY | flags, 0o640)
    }
}
