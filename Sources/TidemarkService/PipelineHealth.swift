package import TidemarkApp
import TidemarkCore

/// Is a pipeline well, and if not, why, and what is to be typed? Decided from what is known of it, and from nothing else.
package struct PipelineAssessment: Equatable {
    package var health: PipelineView.Health
    /// One sentence, for a list of pipelines.
    package var summary: String
    /// A line for each thing that needs somebody, the worst first.
    package var reason: String?

    /// A log that will have reached its cap sooner than this needs somebody.
    static let logFullWithinSeconds: Double = 4 * 3600
    /// A report on the databases that is older than this says nothing any more.
    static let staleAfterSeconds: Double = 120

    /// - Parameters:
    ///   - status: what the databases said when they were asked last; nil before that.
    ///   - failures: how often in a row it has failed.
    ///   - lastError: what stopped it last; looked at only while it stands still.
    ///   - leader: who leads it, where that is another process.
    ///   - hasLostLease: has it a lease that could not be renewed?
    ///   - pendingSeconds: how old the oldest waiting change is, where that is known later than from `status`.
    package init(
        activity: PipelineView.Activity, status: StatusReport?, statusAgeSeconds: Double?, failures: Int,
        lastError: PipelineView.ErrorView?, retryInSeconds: Double?, leader: String?, parkedTransactions: Int64,
        notExactTables: [String], pendingSeconds: Double?, endToEndSeconds: Double?, hasLostLease: Bool = false
    ) {
        let own = Self.findings(activity, failures: failures, lastError: lastError, retryInSeconds: retryInSeconds)
        var findings = own
        // What this process failed with is what it left in the target: it is said once.
        let hasFailed = own.contains { $0.health == .failed }
        findings += status?.findings(isStarting: activity == .starting, hasFailed: hasFailed, pendingSeconds: pendingSeconds) ?? []
        findings += Self.findings(parkedTransactions: parkedTransactions, notExactTables: notExactTables, of: status?.pipeline)
        if hasLostLease, [.starting, .following, .copying, .paused].contains(activity) {
            findings.append(
                Finding(
                    .attention, "its lease is lost",
                    "The target has not answered for as long as a lease lasts, or another process leads by now. It goes on by itself once the target answers."))
        }
        if status != nil, let statusAgeSeconds, statusAgeSeconds > Self.staleAfterSeconds {
            findings.append(
                Finding(
                    .attention, "the databases were last asked \(Self.span(statusAgeSeconds)) ago",
                    "What is shown is old. The service's log says what it waits for; tidemark status … asks the databases itself."))
        }
        // The process and the databases may say the same; who says more of it is heard.
        findings = findings.enumerated().filter { place, one in
            !findings.enumerated().contains { $0.offset != place && $0.element.says(one, andIsFirst: $0.offset < place) }
        }.map(\.element)
        let worst = findings.map(\.health).min() ?? .well
        let isKnown = status != nil || worst < .unknown
        health = isKnown ? worst : .unknown
        let sentence =
            switch health {
            case .well: Self.sentence(status, pendingSeconds: pendingSeconds, endToEndSeconds: endToEndSeconds)
            case .unknown where findings.isEmpty: "the databases have not been asked yet"
            default: findings.filter { $0.health == worst }.map(\.phrase).joined(separator: "; ")
            }
        let link = health == .well ? ", " : ": "
        summary = "\(health.rawValue)\(sentence.isEmpty ? "" : link + sentence)\(Self.role(activity, leader))"
        // What is only late or paused explains itself; what a person has to mend is told beside what stands still.
        let reasons = findings.filter { $0.health <= max(worst, .attention) }.sorted { $0.health < $1.health }.compactMap(\.reason)
        reason = reasons.isEmpty ? nil : reasons.joined(separator: "\n")
    }

    fileprivate struct Finding {
        var health: PipelineView.Health
        var phrase: String
        var reason: String?

        init(_ health: PipelineView.Health, _ phrase: String, _ reason: String? = nil) {
            (self.health, self.phrase, self.reason) = (health, phrase, reason)
        }

        func says(_ other: Self, andIsFirst isFirst: Bool) -> Bool {
            health == other.health && phrase.hasPrefix(other.phrase) && (isFirst || phrase != other.phrase)
        }
    }

    /// What this process does.
    private static func findings(
        _ activity: PipelineView.Activity, failures: Int, lastError: PipelineView.ErrorView?, retryInSeconds: Double?
    ) -> [Finding] {
        switch activity {
        case .stopped:
            let what = lastError?.what ?? "The log of the service says why."
            return [
                Finding(
                    .failed, ["stopped", firstLine(of: lastError)].compactMap(\.self).joined(separator: ": "),
                    "\(what)\n  Once that is mended, have it run again: “run now” on the dashboard, or POST /pipelines/NAME/run.")
            ]
        case .backingOff:
            let isWaiting = lastError?.kind == "connection"
            let times = failures > 1 && !isWaiting ? "\(failures) times in a row" : nil
            let phrase = [isWaiting ? "a database does not answer" : firstLine(of: lastError), times, retryInSeconds.map { "tried again in \(span($0))" }]
                .compactMap(\.self).joined(separator: ", ")
            // Databases come back by themselves; of what else fails, somebody has to mend something.
            return [Finding(isWaiting ? .attention : .failed, phrase.isEmpty ? "it waits before it tries again" : phrase, lastError?.what)]
        case .paused: return [Finding(.paused, "kept where it is")]
        case .copying: return [Finding(.behind, "tables are being copied")]
        case .starting, .standby, .following, .stopping: return []
        }
    }

    private static func findings(parkedTransactions: Int64, notExactTables: [String], of pipeline: String?) -> [Finding] {
        guard parkedTransactions > 0 || !notExactTables.isEmpty else { return [] }
        let parked = Amount.text(parkedTransactions, "transaction", ("is", "are")) + " set aside"
        let tables = notExactTables.isEmpty ? "" : ", not exact: \(list(notExactTables))"
        return [
            Finding(
                .attention, parked + tables,
                "Changes are set aside\(tables). Type: tidemark parked list\(pipeline.map { " --pipeline \($0)" } ?? "") …; then show, and retry or skip each.")
        ]
    }

    private static func sentence(_ status: StatusReport?, pendingSeconds: Double?, endToEndSeconds: Double?) -> String {
        if let delay = status?.delaySeconds { return "delayed by \(TimeSpan.text(delay)) on purpose" }
        let waiting = (pendingSeconds ?? status?.pendingSeconds).flatMap { $0 > 0 ? $0 : nil }
        guard let late = waiting ?? endToEndSeconds else { return "up to date" }
        // What is under a second nobody has to know.
        return late < 1 ? "" : "\(span(late)) behind"
    }

    private static func role(_ activity: PipelineView.Activity, _ leader: String?) -> String {
        switch activity {
        case .standby: leader.map { " (standby: \($0) leads)" } ?? " (standby: nobody leads just now)"
        case .starting: " (starting)"
        case .stopping: " (stopping)"
        default: ""
        }
    }

    private static func firstLine(of error: PipelineView.ErrorView?) -> String? {
        error?.what.split(separator: "\n").first.map(String.init)
    }

    /// “0.2 s”, “45 s”, “3 min”
    fileprivate static func span(_ seconds: Double) -> String {
        guard seconds < 10 else { return String(TimeSpan.estimate(seconds).dropFirst("about ".count)) }
        let tenths = Int((max(0, seconds) * 10).rounded())
        return "\(tenths / 10).\(tenths % 10) s"
    }

    fileprivate static func list(_ names: [String]) -> String {
        names.count <= 3 ? names.joined(separator: ", ") : "\(names.prefix(3).joined(separator: ", ")) and \(names.count - 3) more"
    }
}

extension StatusReport {
    /// What the databases say is not well.
    /// - Parameters:
    ///   - isStarting: setup runs, or comes next.
    ///   - hasFailed: it is known why nothing goes on.
    fileprivate func findings(isStarting: Bool, hasFailed: Bool, pendingSeconds: Double?) -> [PipelineAssessment.Finding] {
        var found: [PipelineAssessment.Finding] = []
        if lostAt != nil {
            found.append(.init(.failed, "given up when the log reached its cap", problem ?? PipelineLoss.remedy(pipeline)))
        } else if let captureStoppedAt {
            let remedy = "Nothing is logged at the source. Make room for its log, type: tidemark setup --pipeline \(pipeline) …, then tidemark verify --repair …"
            found.append(.init(.failed, "capture is stopped since \(captureStoppedAt)", problem ?? remedy))
        }
        switch state {
        case .blocked where found.isEmpty && !hasFailed: found.append(.init(.failed, "blocked", problem))
        case .notSetUp where isStarting: found.append(.init(.unknown, "not set up yet"))
        case .notSetUp: found.append(.init(.failed, "not set up", problem))
        case .unreachable: found.append(.init(.attention, "a database does not answer", problem))
        case .paused:
            let since = pausedAt.map { " since \($0)" } ?? ""
            found.append(.init(.paused, "kept where it is\(since)\(pausedBy.map { " by \($0)" } ?? "")", resumption))
        case .behind:
            let waiting = (pendingSeconds ?? self.pendingSeconds).map { ", the oldest for \(PipelineAssessment.span($0))" } ?? ""
            found.append(
                .init(
                    .behind, "\(pendingChanges.map { Amount.text($0, "change", ("waits", "wait")) } ?? "changes wait")\(waiting)",
                    "It works, and is late. Where that does not shrink, type: tidemark check --pipeline \(pipeline) …"))
        case .copying:
            let polled = polledTables ?? []
            let done = tables.count { $0.copy == "done" } + polled.count { $0.finishedAt != nil }
            found.append(.init(.behind, "tables are being copied: \(done) of \(tables.count + polled.count) are done"))
        case .current, .blocked: break
        }
        return found + notGood
    }

    private var resumption: String { "Type: tidemark resume --pipeline \(pipeline) …" }

    /// What works, and needs a look soon.
    private var notGood: [PipelineAssessment.Finding] {
        var found: [PipelineAssessment.Finding] = []
        if !differing.isEmpty {
            let names = PipelineAssessment.list(differing.map(\.table))
            found.append(
                .init(
                    .attention, "source and target differ in \(names)",
                    "Source and target differ in \(names). Look at what differs: tidemark verify --pipeline \(pipeline) …; \(mending)."))
        }
        if isTargetGuarded == false {
            found.append(
                .init(
                    .attention, "others can write to the replica",
                    "Others can write to the replica's tables. Type: tidemark setup --pipeline \(pipeline) …, then tidemark verify --pipeline \(pipeline) …"))
        }
        if let finding = logFinding { found.append(finding) }
        let failed = (polledTables ?? []).filter { $0.failures > 0 }
        if !failed.isEmpty {
            found.append(.init(.attention, "\(PipelineAssessment.list(failed.map(\.table))) cannot be read", failed.compactMap(\.error).first ?? problem))
        }
        return found
    }

    private var logFinding: PipelineAssessment.Finding? {
        guard let logMaxBytes, let logBytes else { return nil }
        let isSoonFull = (logFullInSeconds ?? .infinity) < PipelineAssessment.logFullWithinSeconds
        guard isSoonFull || LogLimit(maxBytes: logMaxBytes, policy: .warn).warningBytes <= logBytes else { return nil }
        let isFull = logBytes >= logMaxBytes
        let outlook = isFull ? "" : logFullInSeconds.map { ", full in \(TimeSpan.estimate($0))" } ?? ""
        let phrase = "the change log \(isFull ? "has reached its cap" : "holds \(ByteCount.text(logBytes)) of \(ByteCount.text(logMaxBytes))")\(outlook)"
        let kept = heldBackBy.map { "It is kept for \($0). " } ?? ""
        return .init(
            .attention, phrase,
            "The change log is \(isFull ? "full" : "about to be full") (at it: \(atMaxLogSize ?? "warn")). \(kept)Type: tidemark check --pipeline \(pipeline) …")
    }
}
