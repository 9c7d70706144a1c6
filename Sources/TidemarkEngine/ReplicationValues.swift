import TidemarkApp
import TidemarkCore
import TidemarkPipeline

extension Replication {
    /// Something that ``Replication/check()`` found.
    public struct Finding: Sendable, Hashable {
        public enum Severity: Sendable, Hashable {
            /// It does not work, or would lose something.
            case problem
            /// It works, with a limit that a person should have accepted.
            case warning
            /// Worth knowing; nothing to do.
            case note
        }

        public var severity: Severity
        /// source or target
        public var side: String
        public var table: String?
        public var what: String
        public var remedy: String
    }

    /// A statement that ``Replication/plan(createTables:)`` tells of.
    public struct Statement: Sendable, Hashable {
        /// source or target
        public var side: String
        public var sql: String
        /// Which lock it takes on which table, in words.
        public var lock: String
    }

    /// How far the target has come.
    public struct Position: Sendable, Hashable {
        /// The highest change applied, as the source's log numbers them. Ids are drawn before commit: a lower one may follow.
        public var lastChangeID: Int64
    }

    /// How a pipeline stands.
    public struct Status: Sendable {
        public enum State: Sendable {
            /// Everything committed is in the target, or is on its way for less than a few seconds.
            case current
            /// Changes wait for longer.
            case behind
            /// The target is not complete yet.
            case copying
            case paused
            /// It cannot go on without a person.
            case blocked
            /// One of the databases does not answer.
            case unreachable
            case notSetUp
        }

        /// One table of the pipeline.
        public struct Table: Sendable {
            public var table: String
            public var isCopied: Bool
            public var copiedRows: Int64
            /// An estimate.
            public var expectedRows: Int64
            /// When a comparison last came to its end, as the target writes times, and how many rows differed that were not repaired.
            public var verifiedAt: String?
            public var differences: Int64?
        }

        public var state: State
        /// Why it is not well, with what to type.
        public var problem: String?
        /// The addresses without what is secret in them.
        public var source: String
        public var target: String
        /// What waits in the source's log, and how old the oldest of it is.
        public var pendingChanges: Int64?
        public var pendingSeconds: Double?
        /// The highest change that the target has, and the highest that the source has drawn.
        public var appliedChangeID: Int64?
        public var sourceChangeID: Int64?
        public var logBytes: Int64?
        /// Who runs it, or ran it last.
        public var worker: String?
        public var tables: [Table]
    }

    /// What a comparison found of one table.
    public struct TableVerdict: Sendable {
        public struct Difference: Sendable, Hashable {
            public enum Kind: Sendable, Hashable { case missing, extra, different }
            /// As seen from the target.
            public var kind: Kind
            /// JSON of the key; of the whole row where the table has none.
            public var key: String
            /// Whose values differ; empty unless the kind is `different`.
            public var columns: [String]
        }

        public var table: String
        public var rows: Int64
        /// How many rows differed, and how many of those were repaired.
        public var differences: Int64
        public var repaired: Int64
        /// The first twenty.
        public var listed: [Difference]
        /// Is it equal now?
        public var isEqual: Bool { differences == repaired }
    }

    /// Something that happened while a replication runs.
    public enum Event: Sendable {
        /// It is connected to both databases, and goes on behind this change.
        case connected(Position)
        /// A table's rows are in the target.
        case copied(table: String, rows: Int64)
        /// A window of whole transactions is in the target, durable.
        case applied(changes: Int, Position)
        /// Something failed. Where `isTemporary` says so, `run` tries again until it works, and a `connected` ends that.
        case failed(ReplicationError)
    }
}

extension Replication.Finding {
    init(side: String, _ finding: TidemarkCore.Finding) {
        let severity: Severity = switch finding.severity {
        case .problem: .problem
        case .warning: .warning
        case .note: .note
        }
        self.init(severity: severity, side: side, table: finding.table?.description, what: finding.what, remedy: finding.remedy)
    }
}

extension Replication.Statement {
    init(side: String, _ planned: PlannedStatement) { self.init(side: side, sql: planned.sql, lock: planned.lock) }
}

extension Replication.Status {
    init(_ report: StatusReport) {
        let state: State = switch report.state {
        case .current: .current
        case .behind: .behind
        case .copying: .copying
        case .paused: .paused
        case .blocked: .blocked
        case .unreachable: .unreachable
        case .notSetUp: .notSetUp
        }
        self.init(
            state: state, problem: report.problem, source: report.source, target: report.target, pendingChanges: report.pendingChanges,
            pendingSeconds: report.pendingSeconds, appliedChangeID: report.appliedID, sourceChangeID: report.sourceID,
            logBytes: report.logBytes, worker: report.worker,
            tables: report.tables.map { table in
                Table(
                    table: table.table, isCopied: table.copy == TableCopy.State.done.rawValue, copiedRows: table.copiedRows,
                    expectedRows: table.expectedRows, verifiedAt: table.verifiedAt, differences: table.differences)
            })
    }
}

extension Replication.TableVerdict {
    init(_ verdict: TidemarkPipeline.TableVerdict) {
        let proof = verdict.proof
        self.init(
            table: proof.table.description, rows: proof.rows, differences: proof.differences, repaired: proof.repaired,
            listed: verdict.listed.map { found in
                let kind: Difference.Kind = switch found.kind {
                case .missing: .missing
                case .extra: .extra
                case .different: .different
                }
                return Difference(kind: kind, key: found.key, columns: found.columns)
            })
    }
}

extension Replication.Event {
    init(_ event: PipelineEvent, pipeline: String) {
        self = switch event {
        case .connected(let change): .connected(Replication.Position(lastChangeID: change))
        case .copied(let table, let rows): .copied(table: table.description, rows: rows)
        case .applied(let changes, let change): .applied(changes: changes, Replication.Position(lastChangeID: change))
        case .failed(let failure): .failed(ReplicationError(failure, pipeline: pipeline))
        }
    }
}
