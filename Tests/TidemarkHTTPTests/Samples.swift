import Foundation
import TidemarkApp
import TidemarkService

/// One of each thing that the API answers, with all of its fields, and the least that there is of it.
enum Samples {
    static let service = decode(
        ServiceView.self,
        """
        {"version": "1.0", "instance": "host:1:a", "startedAt": "2026-03-01T08:00:00Z", "configuration": "/etc/tidemark.yaml", "pipelines": 2,
         "leading": 2, "health": {"well": 2}, "isReady": true, "notReadyBecause": "?"}
        """)

    static func pipeline(_ name: String) -> PipelineView { decode(PipelineView.self, pipelineText.replacing("NAME", with: name)) }

    static let leastPipeline = decode(
        PipelineView.self,
        """
        {"name": "p", "health": "unknown", "activity": "starting", "summary": "starting", "onFailure": "stop", "failures": 0,
         "figures": {"appliedChanges": 0, "appliedBytes": 0, "windows": 0, "lastWindowChanges": 0, "lastWindowSeconds": 0,
           "copiedRows": 0, "copiedBytes": 0, "takeovers": 0, "errors": {}, "appliedChangesPerSecond": 0, "capturedChangesPerSecond": 0},
         "parkedTransactions": 0, "parkedChanges": 0, "notExactTables": []}
        """)

    static let leastStatus = decode(StatusReport.self, #"{"pipeline": "p", "state": "current", "source": "a", "target": "b", "tables": [], "parkedTransactions": 0, "parkedChanges": 0, "notExactTables": []}"#)
    static let leastTable = decode(
        StatusReport.Table.self, #"{"table": "public.a", "copy": "done", "copiedRows": 1, "copiedBytes": 2, "expectedRows": 3}"#)

    static let leastPolledTable = decode(
        StatusReport.PolledTable.self,
        #"{"table": "public.d", "mode": "full", "state": "waiting", "schedule": "on demand", "rowsDone": 0, "rowsTotal": 0, "rowsWritten": 0, "rowsDeleted": 0, "failures": 0}"#)

    private static let pipelineText = """
        {"name": "NAME", "health": "well", "activity": "following", "summary": "well", "reason": "none", "onFailure": "stop",
         "retryAt": "2026-03-01T08:00:00Z", "failures": 0, "lastError": {"kind": "data", "what": "w", "at": "2026-03-01T08:00:00Z",
         "resolvedAt": "2026-03-01T08:00:05Z"},
         "lease": {"holder": "host:1:a", "epoch": 3, "isMine": true, "remainingSeconds": 9.5},
         "figures": {"appliedChanges": 10, "appliedBytes": 100, "windows": 1, "lastWindowChanges": 10, "lastWindowSeconds": 0.5,
           "copiedRows": 1, "copiedBytes": 2, "takeovers": 1, "errors": {"data": 1}, "appliedChangesPerSecond": 1.5, "capturedChangesPerSecond": 2.5,
           "pendingChanges": 1, "pendingTransactions": 1, "pendingBytes": 10, "pendingSeconds": 0.2, "endToEndSeconds": 0.3, "acknowledgeSeconds": 0.01, "changesReadByOthers": 3, "conflicts": 2},
         "status": {"pipeline": "NAME", "state": "current", "source": "a", "target": "b", "appliedID": 1, "sourceID": 2, "pendingChanges": 1,
          "conflicts": [{"table": "public.a", "conflicts": 2, "lastAt": "t"}],
           "pendingSeconds": 0.2, "appliedAt": "t", "worker": "w", "logBytes": 1, "logRows": 1, "heldBackBy": "h", "logMaxBytes": 1,
           "atMaxLogSize": "stop", "logFullInSeconds": 1, "retainSeconds": 1, "retainBytes": 1, "delaySeconds": 1, "wait": "hybrid", "waitTables": ["public.a"],
           "pausedAt": "t", "pausedBy": "b",
           "lostAt": "t", "captureStoppedAt": "t", "sourceRole": "primary", "sourceRoleSince": "t", "targetRole": "replica", "targetRoleSince": "t",
           "isTargetGuarded": true, "snapshotTakenAt": "t", "sourceSeenAt": "t", "sourceSeenID": 2, "problem": "p",
           "pendingBytes": 100, "pendingTransactions": 2, "parkedTransactions": 0, "parkedChanges": 0, "notExactTables": [], "tables": [TABLES],
           "polledTables": [{"table": "public.d", "mode": "incremental", "state": "done", "schedule": "every 10 s", "rowsDone": 1, "rowsTotal": 2,
             "rowsWritten": 1, "rowsDeleted": 0, "mark": "{}", "startedAt": "t", "finishedAt": "t", "nextAt": "t", "error": "e", "failures": 0}]},
         "statusAt": "2026-03-01T08:00:00Z", "parkedTransactions": 1, "parkedChanges": 2, "notExactTables": ["public.a"]}
        """.replacing("TABLES", with: ["a", "b", "c"].map(tableText).joined(separator: ", "))

    private static func tableText(_ name: String) -> String {
        """
        {"table": "public.\(name)", "copy": "done", "copiedRows": 1, "copiedBytes": 2, "expectedRows": 3, "targetTable": "crm.a",
         "shape": "where: a\\nto: crm.a", "verifiedAt": "t", "verifiedSnapshot": "s",
         "verifiedRows": 3, "differences": 0}
        """
    }

    static let sample = Sample(
        at: "2026-03-01T08:00:00Z", pendingChanges: 1, pendingSeconds: 0.5, endToEndSeconds: 0.5, appliedChangesPerSecond: 1, capturedChangesPerSecond: 1,
        logBytes: 1)
    static let leastSample = Sample(
        at: "2026-03-01T08:00:00Z", pendingChanges: nil, pendingSeconds: nil, endToEndSeconds: nil, appliedChangesPerSecond: 1,
        capturedChangesPerSecond: 1, logBytes: nil)

    static func parked(_ id: Int64) -> ParkedTransaction {
        decode(
            ParkedTransaction.self,
            """
            {"id": \(id), "pipeline": "orders", "transaction": "77", "parkedAt": "t", "table": "public.a", "key": "{}", "changeID": 41, "reason": "r",
             "changes": 5, "waitingChanges": 1, "firstChangeID": 41, "lastChangeID": 45, "tables": ["public.a"], "together": []}
            """)
    }
    static func conflict(_ id: Int64) -> DecidedConflict {
        decode(
            DecidedConflict.self,
            """
            {"id": \(id), "pipeline": "orders", "at": "t", "table": "public.a", "key": "{}", "kind": "update-update", "changeID": 41, "origin": "o",
             "before": "{}", "source": "{}", "target": "{}", "outcome": "{}", "strategy": "merge", "result": "merged", "restoredAt": "t", "restoredBy": "b"}
            """)
    }
    static func change(_ id: Int64) -> ParkedChange {
        decode(
            ParkedChange.self,
            #"{"changeID": \#(id), "table": "public.a", "operation": "update", "key": "{}", "image": "{}", "targetRow": "{}", "isWaiting": false}"#)
    }
    static func parkedAudit(_ action: String, _ id: Int64) -> ParkedAudit {
        decode(
            ParkedAudit.self,
            #"{"at": "t", "by": "b", "action": "\#(action)", "parked": \#(id), "changes": 5, "tables": ["public.a"], "detail": "d"}"#)
    }

    static func task(_ number: Int, _ request: SyncTaskRequest, by name: String) -> SyncTask {
        var task = decode(
            SyncTask.self,
            """
            {"id": "\(number)", "pipeline": "p", "kind": "verify", "tables": [], "existing": "merge", "state": "running", "progress": 0.5,
             "recordsSynced": 1, "differences": 0, "error": "e", "createdAt": "2026-03-01T08:00:\(number < 10 ? "0" : "")\(number % 60)Z", "createdBy": "c",
             "startedAt": "t", "endedAt": "t"}
            """)
        (task.pipeline, task.kind, task.tables, task.existing) = (request.pipeline, request.kind, request.tables ?? [], request.existing)
        (task.state, task.createdBy) = (request.execute == false ? .pending : .running, name)
        return task
    }

    static func moment(_ service: ServiceView, _ pipelines: [PipelineView], _ tasks: [SyncTask]) -> ServiceMoment {
        struct Moment: Encodable {
            var service: ServiceView
            var pipelines: [PipelineView]
            var tasks: [SyncTask]
        }
        let json = (try? JSONEncoder().encode(Moment(service: service, pipelines: pipelines, tasks: tasks))) ?? Data()
        return decode(ServiceMoment.self, String(decoding: json, as: UTF8.self))
    }

    static func decode<Value: Decodable>(_: Value.Type, _ json: String) -> Value {
        do {
            return try JSONDecoder().decode(Value.self, from: Data(json.utf8))
        } catch {
            preconditionFailure("\(Value.self): \(error)")
        }
    }
}
