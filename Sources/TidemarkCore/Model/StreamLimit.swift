/// How far a pipeline may follow its source.
package struct StreamLimit: Hashable, Sendable {
    /// What is younger, by the source's clock, waits.
    package var delaySeconds: Int64
    /// Where it ends: what was committed up to a time, or before the transaction that logged a change.
    package var until: LogPlace?

    package init(delaySeconds: Int64 = 0, until: LogPlace? = nil) {
        self.delaySeconds = delaySeconds
        self.until = until
    }

    package var isNone: Bool { delaySeconds == 0 && until == nil }

    /// How often a moment is marked at which windows may end: a delayed target follows in steps of this length.
    package var markEveryMs: Int { until != nil ? 500 : Int(min(5_000, max(100, delaySeconds * 50))) }

    /// What to say where the target has more than it was to have.
    package func isBehindTarget(_ place: LogPlace, why: String) -> TidemarkError {
        TidemarkError(
            "the target is beyond \(place) already", why: why,
            remedy: "Nothing was applied. Name a later place; what the target has, run does not take back.")
    }
}

/// How far a target stays behind its source on purpose.
package struct StreamDelay: Hashable, Sendable {
    package var seconds: Int64

    package init(seconds: Int64) { self.seconds = seconds }

    /// “30m”, or “0” for not at all; nil for what is not understood.
    package init?(parsing text: String) {
        guard let seconds = text == "0" ? 0 : TimeSpan.parsed(text) else { return nil }
        self.seconds = seconds
    }

    /// The forms that `init(parsing:)` takes, for help and errors.
    package static let forms = "a time (30m, 2h), or 0 for not at all"
}

/// How far the limit lets a pipeline go for now.
package struct StreamReach: Hashable, Sendable {
    /// Where windows may end that begin at the cursor; nil where that is nothing beyond it.
    package var end: Snapshot?
    /// When that moment was marked.
    package var markedAt: SourceTime?
    /// Will there never be more within the limit?
    package var isFinal: Bool

    package init(end: Snapshot?, markedAt: SourceTime?, isFinal: Bool) {
        self.end = end
        self.markedAt = markedAt
        self.isFinal = isFinal
    }
}
