package import TidemarkApp

/// What the service knows of one pipeline: the one shape that the API, the dashboard, the metrics and `tidemark top` read.
package struct PipelineView: Codable, Sendable {
    /// Is it well? The worst first, as a list of pipelines is sorted.
    package enum Health: String, Codable, Sendable, CaseIterable, Comparable {
        /// It stands still until a person does something.
        case failed
        /// It needs a look soon: a database does not answer, tables are not exact or differ, the log is about to be full.
        case attention
        /// It works, and is late.
        case behind
        /// Somebody wants it to stand still.
        case paused
        /// Nothing is known yet.
        case unknown
        case well

        package static func < (left: Self, right: Self) -> Bool {
            (allCases.firstIndex(of: left) ?? 0) < (allCases.firstIndex(of: right) ?? 0)
        }
    }

    /// What this process does about it.
    package enum Activity: String, Codable, Sendable, CaseIterable {
        case starting
        /// Another process leads.
        case standby
        case following
        case copying
        case paused
        /// It failed, and is tried again at `retryAt`.
        case backingOff = "backing off"
        /// It failed, and waits for a person.
        case stopped
        case stopping
    }

    package var name: String
    package var health: Health
    package var activity: Activity
    /// One sentence: “well”, or “well, 3.2 s behind”.
    package var summary: String
    /// Why it is not well, and what to type.
    package var reason: String?
    package var onFailure: String
    /// When a failed one is tried again.
    package var retryAt: String?
    /// How often in a row it has failed.
    package var failures: Int
    package var lastError: ErrorView?
    package var lease: LeaseView?
    package var figures: Figures
    /// What the databases say; nil before they were asked.
    package var status: StatusReport?
    package var statusAt: String?
    /// Transactions that are set aside, and tables that are not exact because of them.
    package var parkedTransactions: Int64
    package var parkedChanges: Int64
    package var notExactTables: [String]

    /// What stopped it last.
    package struct ErrorView: Codable, Sendable {
        /// connection, conflict, data, configuration, rights, source, target, other
        package var kind: String
        package var what: String
        package var at: String
        /// When the pipeline was seen to work again; nil while it does not.
        package var resolvedAt: String?
    }

    package struct LeaseView: Codable, Sendable {
        package var holder: String
        package var epoch: Int64
        package var isMine: Bool
        package var remainingSeconds: Double
    }

    /// Counted and measured since this process began.
    package struct Figures: Codable, Sendable {
        package var appliedChanges: Int64 = 0
        package var appliedBytes: Int64 = 0
        package var windows: Int64 = 0
        package var lastWindowChanges: Int64 = 0
        package var lastWindowSeconds: Double = 0
        package var copiedRows: Int64 = 0
        package var copiedBytes: Int64 = 0
        package var takeovers: Int64 = 0
        /// By kind, as `ErrorView.kind`.
        package var errors: [String: Int64] = [:]
        /// Of the last few seconds.
        package var appliedChangesPerSecond: Double = 0
        package var capturedChangesPerSecond: Double = 0
        /// How far the target is behind: what waits in the log, and how old the oldest of it is.
        package var pendingChanges: Int64?
        package var pendingTransactions: Int64?
        package var pendingBytes: Int64?
        package var pendingSeconds: Double?
        /// From a row written at the source to the same row durable in the target, by this process's clock; of the last one.
        package var endToEndSeconds: Double?
        /// From a window durable in the target to the source knowing so, of the last one that it was told of.
        package var acknowledgeSeconds: Double?
        /// Changes that another pipeline of this process had read from the log, so that this one did not.
        package var changesReadByOthers: Int64?
        /// Rows that both ends had changed, decided at the target while this process watched; nil where the pipeline has no rules for them.
        package var conflicts: Int64?
        package init() {}
    }
}

extension PipelineView {
    /// A pipeline may have thousands of tables: whoever watches asks for those of the one that he looks at.
    var withoutTables: PipelineView {
        var view = self
        view.status?.tables = []
        return view
    }
}

/// One moment of a pipeline, for plots.
package struct Sample: Codable, Sendable {
    /// ISO 8601, by this process's clock.
    package var at: String
    package var pendingChanges: Int64?
    package var pendingSeconds: Double?
    package var endToEndSeconds: Double?
    package var appliedChangesPerSecond: Double
    package var capturedChangesPerSecond: Double
    package var logBytes: Int64?
    package init(
        at: String, pendingChanges: Int64?, pendingSeconds: Double?, endToEndSeconds: Double?, appliedChangesPerSecond: Double,
        capturedChangesPerSecond: Double, logBytes: Int64?
    ) {
        self.at = at
        (self.pendingChanges, self.pendingSeconds, self.endToEndSeconds) = (pendingChanges, pendingSeconds, endToEndSeconds)
        (self.appliedChangesPerSecond, self.capturedChangesPerSecond) = (appliedChangesPerSecond, capturedChangesPerSecond)
        self.logBytes = logBytes
    }
}

/// The process itself.
package struct ServiceView: Codable, Sendable {
    package var version: String
    /// As leases name it.
    package var instance: String
    package var startedAt: String
    package var configuration: String
    package var pipelines: Int
    package var leading: Int
    /// Of each health, how many.
    package var health: [String: Int]
    package var isReady: Bool
    /// Why it is not ready, in a sentence.
    package var notReadyBecause: String?
}
