import HTTPTypes
import TidemarkConfig
import TidemarkService

extension Route {
    static let tasks: [Route] = [
        .get("/sync/tasks", query: ["limit", "after", "state", "pipeline"]) { call in
            let state = try call.query["state"].map { text in
                guard let state = SyncTask.State(rawValue: text) else {
                    throw Problem.malformed("state is one of \(SyncTask.State.allCases.map(\.rawValue).joined(separator: ", ")), and not \(text).")
                }
                return state
            }
            let pipeline = call.query["pipeline"]
            let tasks = await call.plane.tasks().filter { task in
                (state == nil || task.state == state) && (pipeline == nil || task.pipeline == pipeline)
            }
            // A page goes on where the last one ended, also when that task has been deleted meanwhile.
            return try .json(call.page(tasks, by: { "\($0.createdAt)~\($0.id)" }, after: call.query["after"], descending: true))
        },
        .post("/sync/tasks", role: .operate, action: "task.create", takesBody: true) { call in
            let request = try call.taskRequest()
            if request.kind == .repair { try call.require(.admin, because: "A repair overwrites and deletes rows, which") }
            if request.kind == .copy, request.existing != nil {
                try call.require(.admin, because: "A copy into tables that may hold rows")
            }
            let task = try await call.plane.create(request, by: call.actor)
            return try .json(task, status: .created, headers: [.location: "/sync/tasks/\(task.id)"])
        },
        .get("/sync/tasks/{id}") { try .json(await $0.plane.task($0.id)) },
        .post("/sync/tasks/{id}/execute", role: .operate, action: "task.execute") { call in
            // Who may not create it may not start it either.
            let task = try await call.plane.task(call.id)
            if task.kind == .repair || (task.kind == .copy && task.existing != nil) {
                try call.require(.admin, because: "Executing a task that overwrites rows")
            }
            return try .json(await call.plane.execute(call.id, by: call.actor), status: .accepted)
        },
        .post("/sync/tasks/{id}/cancel", role: .operate, action: "task.cancel") {
            try .json(await $0.plane.cancel($0.id, by: $0.actor), status: .accepted)
        },
        Route(method: .delete, path: "/sync/tasks/{id}", role: .operate, action: "task.delete") { call in
            try await call.plane.delete(call.id, by: call.actor)
            return Reply(status: .noContent)
        },
    ]
}

extension Call {
    func taskRequest() throws -> SyncTaskRequest {
        let request = try decode(SyncTaskRequest.self, fields: ["pipeline", "kind", "tables", "existing", "execute"])
        if let existing = request.existing {
            guard ["empty", "merge"].contains(existing) else { throw Problem.malformed("existing is empty or merge, and not \(existing).") }
            guard request.kind == .copy else {
                throw Problem(.unprocessableContent, "existing belongs to a copy, and this is a task of kind \(request.kind.rawValue).")
            }
        }
        return request
    }
}
