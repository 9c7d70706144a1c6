package import TidemarkCore

extension Pipeline {
    /// How a pipeline is called, what it takes, and how it waits.
    package struct Settings: Sendable {
        package var name: String
        /// Who holds the pipeline, for the cursor's row and the error that a second worker gets.
        package var worker: String
        /// Has that worker the pipeline's lease? Then it takes nothing over that another one leads, from the first time on.
        package var isLeader = false
        /// What becomes of rows that the target holds in a table whose copy has not begun; `keep` for no copy.
        package var existing = TableCopy.Existing.refuse
        /// How many parts of tables are copied, or compared, at a time.
        package var jobs = 2
        /// Is a table compared with its source once it is copied?
        package var verifiesCopies = false
        /// What `verifiesCopies` notes as the beginning of its look.
        package var startedAt = ""
        /// How far the stream may go: a target that stays behind on purpose, or one that stops somewhere.
        package var limit = StreamLimit()
        /// What becomes of a transaction that cannot be applied.
        package var failurePolicy = FailurePolicy.stop
        /// How tables are shaped on their way, as the connections to the source have it.
        package var rules = TableRules()
        /// Does what was applied to the source go on to the target?
        package var passesOn = false
        /// Are pages to tell the transaction of each change?
        package var notesTransactions = false
        /// A pause after each step, where a window is worth more the more it holds; 0 for none.
        package var paceMs = 0
        /// A look at the source costs a round trip: short while changes come, longer while none do.
        package var idleWaitMinMs = 1
        package var idleWaitMaxMs = 50
        /// After so long without a change other things are seen to.
        package var idleLooksMs = 1_000
        package var reconnectWaitMaxMs = 10_000
        /// How often the source is told what it may remove, and how often progress is logged. Catching
        /// up comes first: removing what was applied costs the source as much as reading it.
        package var confirmEveryMs = 5_000
        /// Not where the source's log is still needed from an earlier place on.
        package var confirms = true
        /// When those who wait at the source are told of a window.
        package var waiting = Waiting()
        /// How old a replica's knowledge of its source becomes while nothing happens there.
        package var heartbeatEveryMs = 10_000
        /// A part of a copy is about so large, so that little is lost where it is interrupted.
        package var partBytes: Int64 = 16 << 20
        package var partRows: ClosedRange<Int64> = 1_000...1_000_000
        /// A part of a comparison.
        package var comparedRows = 1_000_000

        /// Where the logs are known that other pipelines of the process read, too; nil for one that reads by itself.
        package var jointLogs: JointLogs?

        /// Gets what happens, on whichever thread it does.
        package var onEvent: (@Sendable (PipelineEvent) -> Void)?

        package init(name: String, worker: String) {
            self.name = name
            self.worker = worker
        }
    }
}
