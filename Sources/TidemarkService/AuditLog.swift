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

    /// - Throws: where the file cannot be written: an audit that is wanted and missing is found too late.
    init(path: String?, log: Logger) throws {
        (self.path, self.log) = (path, log)
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
        // Opened anew each time: whoever rotates the file needs to tell nobody. One write, so that lines never mix.
        let descriptor = Self.open(path)
        let isWritten = descriptor >= 0 && line.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) } == line.count
        if descriptor >= 0 { close(descriptor) }
        let wasBroken = isBroken.withLock { broken in
            defer { broken = !isWritten }
            return broken
        }
        if !isWritten, !wasBroken { log.error("the audit log \(path) cannot be written; entries are in this log only") }
    }

    private static func open(_ path: String) -> Int32 { Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o640) }
}
