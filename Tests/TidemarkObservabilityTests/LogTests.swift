import Foundation
import Logging
import TidemarkCore
import Testing

@testable import TidemarkObservability

/// What a log writes, whatever it is told.
@Suite("Lines of the log")
struct LogTests {
    /// All that goes through a pipe while `body` runs.
    private func written(_ format: LogFormat, level: Logger.Level = .info, _ body: (LogOutput) -> Void) throws -> String {
        let path = FileManager.default.temporaryDirectory.path + "/tidemark-log-\(UUID().uuidString)"
        let descriptor = open(path, O_RDWR | O_CREAT | O_APPEND, 0o600)
        defer { close(descriptor) }
        body(LogOutput(format, level: level, descriptor: descriptor))
        return String(decoding: try Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self)
    }

    private func objects(_ text: String) throws -> [[String: Any]] {
        #expect(text.isEmpty || text.hasSuffix("}\n"))
        return try text.split(separator: "\n").map { line in
            try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any], "\(line)")
        }
    }

    private static let hostileTexts = [
        "", "a\nb", "a\r\nb", "\u{0}\u{1b}[31m\u{7f}\u{9b}", "\"}{\"body\":\"", "\\", "\\u0000", "\u{2028}\u{2029}\u{85}", "\u{202E}", "ü🙂e\u{301}", "\u{FFFD}\u{FFFF}\u{10FFFF}",
        String(decoding: [0xFF, 0xC0, 0x80, 0xED, 0xA0] as [UInt8], as: UTF8.self), String(repeating: "x\n\"", count: 50_000),
    ]

    @Test("every line is one object that holds what was said, whatever it was", arguments: hostileTexts)
    func hostile(text: String) throws {
        let lines = try written(.json) { output in
            var log = output.logger()
            log[metadataKey: text] = "\(text)"
            log.warning("\(text)", metadata: ["list": ["\(text)", ["\(text)": "\(text)"]]])
        }
        #expect(lines.unicodeScalars.filter { $0 == "\n" }.count == 1)
        #expect(!lines.unicodeScalars.dropLast().contains { $0.value < 0x20 || [0x2028, 0x2029, 0x85, 0x9b, 0x7f].contains($0.value) })
        let object = try #require(try objects(lines).first)
        #expect(object["body"] as? String == text && object[text] as? String == text)
        #expect((object["list"] as? [Any])?.first as? String == text)
    }

    @Test("the fields are those of OpenTelemetry, numbers are numbers, and no attribute takes another one's place")
    func fields() throws {
        let lines = try written(.json, level: .trace) { output in
            var log = output.logger()
            log[.pipeline] = "shop"
            for level in Logger.Level.allCases { log.log(level: level, "said", metadata: ["body": "x", "severity_number": "y", "service.name": "z", "tidemark.change_id": .stringConvertible(Int64.max), "ok": .stringConvertible(true)]) }
        }
        let found = try objects(lines)
        #expect(found.map { $0["severity_text"] as? String } == ["TRACE", "DEBUG", "INFO", "NOTICE", "WARN", "ERROR", "FATAL"])
        #expect(found.map { $0["severity_number"] as? Int } == [1, 5, 9, 10, 13, 17, 21])
        let first = try #require(found.first)
        #expect(first["body"] as? String == "said" && first["service.name"] as? String == "tidemark" && first["tidemark.pipeline"] as? String == "shop")
        #expect(first["metadata.body"] as? String == "x" && first["tidemark.change_id"] as? Int64 == .max && first["ok"] as? Bool == true)
        #expect((first["timestamp"] as? String)?.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/) != nil)
        #expect(LogTime(seconds: 951_782_400, milliseconds: 7).utc == "2000-02-29T00:00:00.007Z")
    }

    @Test("an error is one line, and says apart what to type")
    func failure() throws {
        let error = TidemarkError(
            "a change cannot be applied", pipeline: "shop", table: TableName(schema: "public", name: "a\nb"), key: "{\"id\":1}", changeID: 42, why: "the table is not there",
            remedy: "Create it.\nThen type: tidemark run …")
        let found = try objects(try written(.json) { $0.logger().failure(error) })
        let object = try #require(found.first)
        #expect(found.count == 1 && object["severity_text"] as? String == "ERROR" && object["body"] as? String == "a change cannot be applied: the table is not there")
        #expect(object["error.type"] as? String == "TidemarkError" && object["tidemark.remedy"] as? String == "Create it.\nThen type: tidemark run …")
        #expect(object["tidemark.table"] as? String == "public.a\nb" && object["tidemark.change_id"] as? Int == 42 && object["tidemark.row_key"] as? String == "{\"id\":1}")
        let other = try objects(try written(.json) { $0.logger().error("said", error: UsageError("wrong\nusage")) })
        #expect(other.first?["error.type"] as? String == "UsageError" && other.first?["body"] as? String == "said")
    }

    @Test("for people it looks as it did, and no text can pass for a line of its own")
    func console() throws {
        let text = try written(.console) { output in
            var log = output.logger()
            log[.pipeline] = "shop"
            log.info("following, at change 7", source: "TidemarkPipeline")
            log.debug("left out")
            log.error("a\n2026-11-21T00:00:00+0000 info tidemark: [x] all is well\u{1b}[2J", source: "x")
        }
        let lines = text.split(separator: "\n")
        #expect(lines.count == 3)
        #expect(lines[0].wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} info tidemark: pipeline=shop \[TidemarkPipeline\] following, at change 7/) != nil, "\(lines[0])")
        #expect(lines[2].hasPrefix("  2026") && lines[2].hasSuffix("well\\u{1b}[2J"))
    }

    @Test("the level can be changed while loggers are in use, unless one has its own")
    func level() throws {
        let lines = try written(.json) { output in
            let log = output.logger()
            var quiet = log
            quiet.logLevel = .error
            log.debug("no")
            output.level = .debug
            log.debug("yes")
            quiet.warning("no")
            output.level = .critical
            log.error("no")
        }
        #expect(try objects(lines).map { $0["body"] as? String } == ["yes"])
    }

    @Test("lines of threads do not mix, and a closed reader is no harm")
    func threads() throws {
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        let output = LogOutput(.json, descriptor: ends[1])
        let reading = ends[0]
        let reader = Thread { [received = Received.shared] in
            var buffer = [UInt8](repeating: 0, count: 1 << 16)
            while case let count = read(reading, &buffer, buffer.count), count > 0 { received.add(buffer[..<count]) }
            received.end()
        }
        reader.start()
        DispatchQueue.concurrentPerform(iterations: 8) { thread in
            let log = output.logger()
            for number in 0..<50 { log.info("\(thread) \(number) \(String(repeating: "x", count: 9_000))") }
        }
        close(ends[1])
        let found = try objects(String(decoding: Received.shared.all(), as: UTF8.self))
        #expect(found.count == 400 && Set(found.map { ($0["body"] as? String)?.prefix(5) }).count > 8)
        close(ends[0])
        var broken: [Int32] = [0, 0]
        #expect(pipe(&broken) == 0)
        close(broken[0])
        LogOutput(.json, descriptor: broken[1]).logger().info("nobody reads this")
        close(broken[1])
        LogOutput(.console, descriptor: broken[1]).logger().info("nor this")
        LogOutput(.console, descriptor: -1).logger().info("nor this")
    }

    /// What another thread has read.
    private final class Received: @unchecked Sendable {
        static let shared = Received()
        private var bytes: [UInt8] = []
        private var hasEnded = false
        private let condition = NSCondition()
        func add(_ more: ArraySlice<UInt8>) { condition.withLock { bytes += more } }
        func end() { condition.withLock { hasEnded = true; condition.broadcast() } }
        func all() -> [UInt8] {
            condition.withLock {
                while !hasEnded { condition.wait() }
                return bytes
            }
        }
    }
}
