/// What a pipeline wants kept of the log on purpose, behind what every pipeline has applied.
package enum Retention: Hashable, Sendable {
    case none
    /// What was logged in so many seconds.
    case seconds(Int64)
    /// The youngest so many bytes.
    case bytes(Int64)

    /// “24h”, “10GB”, “0” for nothing; nil for what is not understood.
    package init?(parsing text: String) {
        if text == "0" {
            self = .none
        } else if let seconds = TimeSpan.parsed(text) {
            self = .seconds(seconds)
        } else if let bytes = ByteCount.parsed(text) {
            self = .bytes(bytes)
        } else {
            return nil
        }
    }

    /// As an engine records it; both are nil for nothing.
    package init(seconds: Int64?, bytes: Int64?) {
        self = seconds.map { .seconds($0) } ?? bytes.map { .bytes($0) } ?? .none
    }

    package var seconds: Int64? { if case .seconds(let seconds) = self { seconds } else { nil } }
    package var bytes: Int64? { if case .bytes(let bytes) = self { bytes } else { nil } }

    /// The forms that `init(parsing:)` takes, for help and errors.
    package static let forms = "a time (90m, 24h, 7d), a size (10GB), or 0 for nothing"
}

/// What is done when the log has reached its cap.
package enum LogPolicy: String, Hashable, Sendable, CaseIterable {
    /// Nothing is removed, and everybody says so.
    case warn
    /// The pipeline that most of the log is kept for is given up: its tables have to be copied again.
    case drop
    /// Nothing more is logged: the application goes on, and every table has to be compared.
    case stop

    /// All of them, for help and errors.
    package static let forms = "warn, drop or stop"
}

/// How large the log of a source may become, whoever reads it.
package struct LogLimit: Hashable, Sendable {
    package var maxBytes: Int64
    package var policy: LogPolicy

    package init(maxBytes: Int64, policy: LogPolicy) { (self.maxBytes, self.policy) = (maxBytes, policy) }

    /// The forms of a size that `ByteCount` takes, for help and errors.
    package static let forms = "a size (500MB, 20GB, 1TB), or 0 for none"

    /// From here on `check` warns, and retention gives way where the policy is not just to warn.
    package var warningBytes: Int64 { maxBytes / 5 * 4 }
}

/// What setup was told of the cap; what is nil stays as it is.
package struct LogLimitRequest: Hashable, Sendable {
    /// 0 takes the cap away.
    package var maxBytes: Int64?
    package var policy: LogPolicy?

    package init(maxBytes: Int64? = nil, policy: LogPolicy? = nil) { (self.maxBytes, self.policy) = (maxBytes, policy) }

    /// What the cap is then.
    /// - Throws: `TidemarkError` for a policy without a cap.
    package func applied(to known: LogLimit?) throws -> LogLimit? {
        guard let bytes = maxBytes ?? known?.maxBytes else {
            guard policy == nil else {
                throw TidemarkError(
                    "there is no cap to have a policy for", why: "--at-max-log-size was given, and the source's log has no max-log-size",
                    remedy: "Name it as well: tidemark setup --max-log-size 20GB --at-max-log-size \(policy?.rawValue ?? "") …")
            }
            return nil
        }
        return bytes == 0 ? nil : LogLimit(maxBytes: bytes, policy: policy ?? known?.policy ?? .warn)
    }
}

/// A pipeline that was given up when the log reached its cap.
package struct PipelineLoss: Hashable, Sendable {
    package var at: String
    package var why: String

    package init(at: String, why: String) { (self.at, self.why) = (at, why) }

    package static func remedy(_ pipeline: String) -> String {
        "Its tables have to be copied again. Type: tidemark setup --pipeline \(pipeline) …, then"
            + " tidemark copy --existing empty --pipeline \(pipeline) …, then tidemark run --pipeline \(pipeline) …"
    }

    package func error(_ pipeline: String) -> TidemarkError {
        TidemarkError(
            "the pipeline was given up", pipeline: pipeline, why: "at \(at) \(why)", remedy: Self.remedy(pipeline))
    }

    package func words(_ pipeline: String) -> String {
        "Pipeline \(pipeline) was given up at \(at): \(why). \(Self.remedy(pipeline))"
    }
}

/// Capture of all tables, stopped when the log reached its cap.
package struct CaptureStop: Hashable, Sendable {
    package var at: String
    package var why: String

    package init(at: String, why: String) { (self.at, self.why) = (at, why) }
}

/// A log that an older version made, and that setup has not renewed yet.
package enum OlderLog {
    package static let remedy = "Type: tidemark setup …, which renews what is installed and keeps the rest."

    package static func error() -> TidemarkError {
        TidemarkError("the source was set up by an older version", why: "its change log lacks what this version keeps in it", remedy: remedy)
    }
}

/// How the log stands to its cap.
package struct LogStanding: Hashable, Sendable {
    package var limit: LogLimit?
    package var bytes: Int64
    package var stop: CaptureStop?
    /// Every pipeline that was given up, by name.
    package var lost: [String: PipelineLoss]

    package init(limit: LogLimit? = nil, bytes: Int64 = 0, stop: CaptureStop? = nil, lost: [String: PipelineLoss] = [:]) {
        (self.limit, self.bytes, self.stop, self.lost) = (limit, bytes, stop, lost)
    }

    private static let room = "Make room: let every pipeline run, and tear down those that are dead; or raise it: tidemark setup --max-log-size SIZE …"

    /// What `check` says of it.
    package var findings: [Finding] {
        var found = lost.keys.sorted().map { name in
            Finding(.problem, "pipeline \(name) was given up at \(lost[name]?.at ?? ""): \(lost[name]?.why ?? "")", remedy: PipelineLoss.remedy(name))
        }
        if let stop {
            found.append(
                Finding(
                    .problem, "capture was stopped at \(stop.at): \(stop.why)",
                    remedy: "\(Self.room) Then type: tidemark setup …, then tidemark verify --repair …"))
        }
        guard let limit, bytes >= limit.warningBytes else { return found }
        let sizes = "the change log holds \(ByteCount.text(bytes)) of max-log-size \(ByteCount.text(limit.maxBytes))"
        let outlook = switch limit.policy {
        case .warn: "nothing is done at it but to warn"
        case .drop: "at it the slowest pipeline is given up"
        case .stop: "at it capture stops"
        }
        found.append(Finding(bytes >= limit.maxBytes ? .problem : .warning, "\(sizes); \(outlook)", remedy: Self.room))
        return found
    }

    /// What a worker says; the same text while it is the same thing.
    package var alarm: String? {
        var parts = lost.keys.sorted().map { "pipeline \($0) was given up and has to copy again" }
        if let stop { parts.append("capture was stopped at \(stop.at): \(stop.why)") }
        if let limit, bytes >= limit.maxBytes, stop == nil {
            parts.append("the change log has reached max-log-size, \(ByteCount.text(limit.maxBytes)) (at it: \(limit.policy.rawValue)); tidemark status says what it is kept for")
        }
        return parts.isEmpty ? nil : parts.joined(separator: "; ")
    }
}
