import Glibc
import Logging
import TidemarkCore

/// A moment as logs write it.
struct LogTime {
    var seconds: Int
    var milliseconds: Int

    init() {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        (seconds, milliseconds) = (now.tv_sec, now.tv_nsec / 1_000_000)
    }

    init(seconds: Int, milliseconds: Int) { (self.seconds, self.milliseconds) = (seconds, milliseconds) }

    /// RFC 3339, in UTC.
    var utc: String {
        var (at, parts) = (seconds, tm())
        gmtime_r(&at, &parts)
        let fraction = String(milliseconds + 1000).dropFirst()
        return Self.text(&parts, "%Y-%m-%dT%H:%M:%S") + ".\(fraction)Z"
    }

    var local: String {
        var (at, parts) = (seconds, tm())
        localtime_r(&at, &parts)
        return Self.text(&parts, "%Y-%m-%dT%H:%M:%S%z")
    }

    private static func text(_ parts: inout tm, _ format: String) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer in
            let count = strftime(buffer.baseAddress, buffer.count, format, &parts)
            return String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
    }
}

/// One event with everything that is said of it.
struct LogEntry {
    var at: LogTime
    var level: Logger.Level
    var source: String
    var body: String
    var attributes: Logger.Metadata

    /// The line that people read. A text of several lines goes on further to the right, so that none can pass for an event.
    var console: String {
        let pairs = attributes.filter { !Self.saidByText.contains($0.key) }.sorted { $0.key < $1.key }
            .map { " \($0.key.hasPrefix(Self.ownPrefix) ? String($0.key.dropFirst(Self.ownPrefix.count)) : $0.key)=\($0.value)" }
        let remedy = attributes[LogKey.remedy.rawValue].map { "\n\($0)" } ?? ""
        let line = "\(at.local) \(level) tidemark:\(pairs.joined()) [\(source)] \(body)\(remedy)"
        var safe = ""
        for scalar in line.unicodeScalars {
            switch scalar {
            case "\n": safe += "\n  "
            case "\t": safe.unicodeScalars.append(scalar)
            case _ where Self.isControl(scalar): safe += "\\u{\(String(scalar.value, radix: 16))}"
            default: safe.unicodeScalars.append(scalar)
            }
        }
        return safe + "\n"
    }

    /// The same as one object. What stands beside the attributes has no dot in its name but those of OpenTelemetry.
    var json: String {
        var text = "{\"timestamp\":\"\(at.utc)\",\"severity_text\":\"\(level.severityText)\",\"severity_number\":\(level.severityNumber),\"body\":"
        Self.append(body, to: &text)
        text += ",\"service.name\":\"tidemark\",\"otel.scope.name\":"
        Self.append(source, to: &text)
        for (key, value) in attributes.sorted(by: { $0.key < $1.key }) {
            text += ","
            Self.append(Self.reserved.contains(key) ? "metadata.\(key)" : key, to: &text)
            text += ":"
            Self.append(value, to: &text, depth: 0)
        }
        return text + "}\n"
    }

    private static let ownPrefix = "tidemark."
    /// What a program reads apart, and a person in the text.
    private static let saidByText = Set([LogKey.errorType, .errorMessage, .remedy].map(\.rawValue))
    private static let reserved: Set = ["timestamp", "severity_text", "severity_number", "body", "service.name", "otel.scope.name"]
    private static let maxDepth = 16

    private static func append(_ value: Logger.Metadata.Value, to text: inout String, depth: Int) {
        guard depth < maxDepth else { return append("…", to: &text) }
        switch value {
        case .string(let string): append(string, to: &text)
        case .stringConvertible(let value as any BinaryInteger & CustomStringConvertible): text += value.description
        case .stringConvertible(let value as Bool): text += value ? "true" : "false"
        case .stringConvertible(let value as Double) where value.isFinite: text += value.description
        case .stringConvertible(let value): append(value.description, to: &text)
        case .array(let items):
            text += "["
            for (index, item) in items.enumerated() {
                if index > 0 { text += "," }
                append(item, to: &text, depth: depth + 1)
            }
            text += "]"
        case .dictionary(let items):
            text += "{"
            for (index, item) in items.sorted(by: { $0.key < $1.key }).enumerated() {
                if index > 0 { text += "," }
                append(item.key, to: &text)
                text += ":"
                append(item.value, to: &text, depth: depth + 1)
            }
            text += "}"
        }
    }

    private static func append(_ string: String, to text: inout String) {
        text += "\""
        for scalar in string.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            case _ where isControl(scalar):
                let digits = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: text.unicodeScalars.append(scalar)
            }
        }
        text += "\""
    }

    /// What ends a line somewhere, or what a terminal acts on.
    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) || [0x2028, 0x2029].contains(scalar.value) || (scalar.value < 0x1_0000 && scalar.properties.isBidiControl)
    }
}

extension Logger.Level {
    var severityText: String {
        switch self {
        case .trace: "TRACE"
        case .debug: "DEBUG"
        case .info: "INFO"
        case .notice: "NOTICE"
        case .warning: "WARN"
        case .error: "ERROR"
        case .critical: "FATAL"
        }
    }

    /// As OpenTelemetry's data model numbers them.
    var severityNumber: Int {
        switch self {
        case .trace: 1
        case .debug: 5
        case .info: 9
        case .notice: 10
        case .warning: 13
        case .error: 17
        case .critical: 21
        }
    }
}
