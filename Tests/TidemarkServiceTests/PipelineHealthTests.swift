import Foundation
import Testing
import TidemarkApp

@testable import TidemarkService

@Suite("Whether a pipeline is well, and what to type")
struct PipelineHealthTests {
    /// What is known of a pipeline that is well, and what a case changes of it.
    struct Known: Sendable {
        var activity = PipelineView.Activity.following
        /// Fields of the status report, as its JSON names them; nil for no report.
        var status: [String: any Sendable]? = [:]
        var age: Double? = 1
        var failures = 0
        var error: PipelineView.ErrorView?
        var retryIn: Double?
        var leader: String?
        var parked: Int64 = 0
        var notExact: [String] = []
        var pending: Double?
        var endToEnd: Double?

        var assessment: PipelineAssessment {
            get throws {
                PipelineAssessment(
                    activity: activity, status: try status.map(StatusReport.example), statusAgeSeconds: age, failures: failures, lastError: error,
                    retryInSeconds: retryIn, leader: leader, parkedTransactions: parked, notExactTables: notExact, pendingSeconds: pending,
                    endToEndSeconds: endToEnd)
            }
        }
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var known: Known
        var health: PipelineView.Health
        var summary: String
        /// What the reason has to tell; empty where there must be none.
        var reason: [String]
        var testDescription: String { summary }

        init(_ health: PipelineView.Health, _ summary: String, _ reason: String..., change: (inout Known) -> Void) {
            (known, self.health, self.summary, self.reason) = (Known(), health, summary, reason)
            change(&known)
        }
    }

    private static let conflict = PipelineView.ErrorView(
        kind: "conflict", what: "a row cannot be inserted (table a.b, key 7): it is there\n  Type: tidemark verify --repair", at: "2026-11-21T20:00:00Z")
    private static let connection = PipelineView.ErrorView(kind: "connection", what: "the source does not answer", at: "2026-11-21T20:00:00Z")
    private static let table: [String: any Sendable] = ["table": "a.b", "copy": "done", "copiedRows": 9, "copiedBytes": 90, "expectedRows": 9]

    static let cases: [Case] = [
        Case(.well, "well, up to date") { _ in },
        Case(.well, "well") { $0.pending = 0.21 },
        Case(.well, "well, 1.2 s behind") { $0.pending = 1.21 },
        Case(.well, "well (standby: db2:77:x leads)") { ($0.activity, $0.leader, $0.pending) = (.standby, "db2:77:x", 0.99) },
        Case(.well, "well, 45 s behind") { $0.status = ["pendingSeconds": 45.0] },
        Case(.well, "well") { ($0.pending, $0.endToEnd) = (0, 0.08) },
        Case(.well, "well, delayed by 30 min on purpose") { $0.status = ["delaySeconds": 1800, "pendingSeconds": 1790.0] },
        Case(.well, "well, up to date (standby: db2:77:x leads)") { ($0.activity, $0.leader) = (.standby, "db2:77:x") },
        Case(.well, "well, up to date (stopping)") { $0.activity = .stopping },

        Case(.unknown, "unknown: the databases have not been asked yet (starting)") { ($0.activity, $0.status, $0.age) = (.starting, nil, nil) },
        Case(.unknown, "unknown: not set up yet (starting)") { ($0.activity, $0.status) = (.starting, ["state": "not set up", "problem": "Type: x"]) },
        Case(.unknown, "unknown: the databases have not been asked yet (standby: nobody leads just now)") { ($0.activity, $0.status) = (.standby, nil) },

        Case(.behind, "behind: 12000 changes wait, the oldest for 3 min", "tidemark check --pipeline shop") {
            $0.status = ["state": "behind", "pendingChanges": 12_000, "pendingSeconds": 150.0, "problem": "Changes wait."]
            $0.pending = 180
        },
        Case(.behind, "behind: 1 change waits, the oldest for 12 s", "tidemark check --pipeline shop") {
            $0.status = ["state": "behind", "pendingChanges": 1, "pendingSeconds": 12.0]
        },
        Case(.behind, "behind: tables are being copied: 1 of 2 are done") {
            var waiting = table
            waiting["copy"] = "waiting"
            ($0.activity, $0.status) = (.copying, ["state": "copying", "tables": [table, waiting]])
        },
        Case(.behind, "behind: tables are being copied") { $0.activity = .copying },

        Case(.paused, "paused: kept where it is since 20:00 by ann", "tidemark resume --pipeline shop") {
            ($0.activity, $0.status) = (.paused, ["state": "paused", "pausedAt": "20:00", "pausedBy": "ann"])
        },
        Case(.paused, "paused: kept where it is") { ($0.activity, $0.status) = (.paused, nil) },

        Case(.attention, "attention: a database does not answer, tried again in 8.0 s", "the source does not answer") {
            ($0.activity, $0.failures, $0.error, $0.retryIn) = (.backingOff, 3, connection, 8)
            $0.status = ["state": "unreachable", "problem": "x"]
        },
        Case(.attention, "attention: a database does not answer (standby: db2 leads)", "connection refused") {
            ($0.activity, $0.leader, $0.status) = (.standby, "db2", ["state": "unreachable", "problem": "connection refused"])
        },
        Case(.attention, "attention: source and target differ in a.b", "tidemark verify --pipeline shop", "--repair") {
            var differing = table
            differing["differences"] = 3
            $0.status = ["tables": [differing]]
        },
        Case(.attention, "attention: others can write to the replica", "tidemark setup --pipeline shop") { $0.status = ["isTargetGuarded": false] },
        Case(.attention, "attention: 2 transactions are set aside, not exact: a.b, a.c, a.d and 1 more", "tidemark parked list --pipeline shop") {
            ($0.parked, $0.notExact) = (2, ["a.b", "a.c", "a.d", "a.e"])
        },
        Case(.attention, "attention: the change log holds 800 bytes of 1000 bytes", "kept for pipeline old", "tidemark check --pipeline shop") {
            $0.status = ["logBytes": 800, "logMaxBytes": 1000, "heldBackBy": "pipeline old"]
        },
        Case(.attention, "attention: the change log holds 100 bytes of 1000 bytes, full in about 3 h", "(at it: drop)") {
            $0.status = ["logBytes": 100, "logMaxBytes": 1000, "logFullInSeconds": 10_800.0, "atMaxLogSize": "drop"]
        },
        Case(.attention, "attention: the change log has reached its cap", "is full") { $0.status = ["logBytes": 1000, "logMaxBytes": 1000] },
        Case(.well, "well, up to date") { $0.status = ["logBytes": 799, "logMaxBytes": 1000, "logFullInSeconds": 14_400.0] },
        Case(.attention, "attention: the databases were last asked 3 min ago", "tidemark status") { $0.age = 200 },

        Case(.failed, "failed: stopped: a row cannot be inserted (table a.b, key 7): it is there", "tidemark verify --repair", "POST /pipelines/NAME/run") {
            ($0.activity, $0.failures, $0.error, $0.status) = (.stopped, 1, conflict, ["state": "blocked", "problem": conflict.what])
        },
        Case(.failed, "failed: a row cannot be inserted (table a.b, key 7): it is there, 4 times in a row, tried again in 60 s", "verify --repair") {
            ($0.activity, $0.failures, $0.error, $0.retryIn) = (.backingOff, 4, conflict, 60)
        },
        Case(.failed, "failed: it waits before it tries again") { ($0.activity, $0.status) = (.backingOff, nil) },
        Case(.failed, "failed: stopped", "log of the service") { ($0.activity, $0.status) = (.stopped, nil) },
        Case(.failed, "failed: blocked", "was restored") { $0.status = ["state": "blocked", "problem": "The source was restored."] },
        Case(.failed, "failed: not set up", "tidemark run") { $0.status = ["state": "not set up", "problem": "Type: tidemark run …"] },
        Case(.failed, "failed: capture is stopped since 20:00", "tidemark setup --pipeline shop") {
            $0.status = ["captureStoppedAt": "20:00", "logBytes": 1, "logMaxBytes": 1000]
        },
        Case(.failed, "failed: given up when the log reached its cap", "tidemark copy --existing empty") { $0.status = ["state": "blocked", "lostAt": "20:00"] },
        // A worse thing hides nothing that a person has to do.
        Case(.failed, "failed: blocked", "restored", "tidemark parked list") {
            ($0.status, $0.parked) = (["state": "blocked", "problem": "The source was restored."], 1)
        },
        Case(.attention, "attention: 1 transaction is set aside", "parked list") { ($0.status, $0.parked) = (["state": "paused"], 1) },
    ]

    @Test("each thing that may be known has its health, its sentence, and what to type", arguments: cases)
    func assessed(_ one: Case) throws {
        let found = try one.known.assessment
        #expect(found.health == one.health)
        #expect(found.summary == one.summary)
        #expect((found.reason == nil) == one.reason.isEmpty, "\(found.reason ?? "no reason")")
        for part in one.reason { #expect(found.reason?.contains(part) == true, "\(found.reason ?? "no reason")") }
    }

    @Test("every activity has a sentence of one line that begins with the health, whatever is known besides", arguments: PipelineView.Activity.allCases)
    func sentences(of activity: PipelineView.Activity) throws {
        for state in ["current", "behind", "copying", "paused", "blocked", "unreachable", "not set up", nil] {
            let known = Known(activity: activity, status: state.map { ["state": $0] }, failures: 2, error: Self.conflict)
            let found = try known.assessment
            #expect(found.summary.hasPrefix(found.health.rawValue) && !found.summary.contains("\n"), "\(found.summary)")
            if activity == .stopped { #expect(found.health == .failed) }
            if state == nil, activity == .following { #expect(found.health == .unknown) }
        }
    }
}
