import Foundation
import Logging
import Synchronization
import Testing
import TidemarkConfig

@testable import TidemarkService

@Suite("The audit log")
struct AuditLogTests {
    private let path = FileManager.default.temporaryDirectory.appendingPathComponent("audit-\(UUID().uuidString)").path
    private var text: String { (try? String(contentsOfFile: path, encoding: .utf8)) ?? "" }

    private func entry(_ action: String) -> AuditEntry {
        AuditEntry(
            at: "2026-03-01T08:00:00Z", actor: Actor(name: "ann", role: .admin, address: "127.0.0.1"), action: action, pipeline: "shop", subject: nil,
            outcome: "done", detail: nil)
    }

    private func actions() throws -> [String] {
        try text.split(separator: "\n").map { line in
            try #require((JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])?["action"] as? String)
        }
    }

    @Test("of a line that a full disk takes a part of, nothing stays; the next one stands by itself")
    func shortWrite() throws {
        defer { try? FileManager.default.removeItem(atPath: path) }
        let room = Mutex(Int.max)
        let audit = try AuditLog(path: path, log: Logger(label: "test")) { descriptor, bytes in
            write(descriptor, bytes.baseAddress, min(bytes.count, room.withLock { $0 }))
        }
        audit.note(entry("pause"))
        room.withLock { $0 = 20 }
        audit.note(entry("lost"))
        #expect(try actions() == ["pause"] && text.hasSuffix("}\n"))
        room.withLock { $0 = Int.max }
        audit.note(entry("resume"))
        #expect(try actions() == ["pause", "resume"])
    }

    @Test("half a line that a crash has left is ended before the next")
    func leftBehind() throws {
        defer { try? FileManager.default.removeItem(atPath: path) }
        try #"{"action":"pau"#.write(toFile: path, atomically: true, encoding: .utf8)
        try AuditLog(path: path, log: Logger(label: "test")).note(entry("resume"))
        let lines = text.split(separator: "\n")
        #expect(lines.count == 2 && lines[0] == #"{"action":"pau"# && lines[1].contains("\"resume\""), "\(text)")
    }
}
