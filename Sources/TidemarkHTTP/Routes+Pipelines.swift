import HTTPTypes
import TidemarkApp
import TidemarkConfig
import TidemarkService

extension Route {
    static let pipelines: [Route] = [
        .get("/pipelines", query: ["limit", "after"]) { call in
            try .json(call.page(await call.plane.pipelines(), by: \.name, after: call.query["after"]))
        },
        .get("/pipelines/{name}") { try .json(await $0.plane.pipeline($0.name)) },
        .get("/pipelines/{name}/tables", query: ["limit", "after"]) { call in
            let tables = try await call.plane.pipeline(call.name).status?.tables ?? []
            return try .json(call.page(tables, by: \.table, after: call.query["after"]))
        },
        .get("/pipelines/{name}/history") { try .json(List(items: await $0.plane.history(of: $0.name))) },

        .post("/pipelines/{name}/pause", role: .operate, action: "pause") { try .json(await $0.plane.pause($0.name, by: $0.actor)) },
        .post("/pipelines/{name}/resume", role: .operate, action: "resume") { try .json(await $0.plane.resume($0.name, by: $0.actor)) },
        .post("/pipelines/{name}/run", role: .operate, action: "run") { try .json(await $0.plane.run($0.name, by: $0.actor)) },
        .post("/pipelines/{name}/verify", role: .operate, action: "verify", takesBody: true) { call in
            let wanted = call.body.isEmpty ? VerifyRequest() : try call.decode(VerifyRequest.self, fields: ["tables"])
            let request = SyncTaskRequest(pipeline: call.name, kind: .verify, tables: wanted.tables, execute: true)
            return try .json(await call.plane.create(request, by: call.actor), status: .accepted)
        },
    ]

    /// What a comparison is to look at.
    struct VerifyRequest: Codable {
        /// Patterns; all tables of the pipeline where there are none.
        var tables: [String]?
    }

    static let parked: [Route] = [
        .get("/pipelines/{name}/parked", query: ["limit", "after"]) { call in
            try .json(call.page(await call.plane.parked(of: call.name), by: \.id, after: call.afterID()))
        },
        .get("/pipelines/{name}/parked/{id}/changes", query: ["limit", "after"]) { call in
            let limit = try call.limit()
            // One more than is asked for tells whether there are more.
            let found = try await call.plane.parkedChanges(of: call.name, call.parkedID(), after: call.afterID() ?? 0, limit: limit + 1)
            let page = found.prefix(limit)
            return try .json(Page(items: Array(page), next: found.count > limit ? page.last.map { String($0.changeID) } : nil))
        },
        .get("/pipelines/{name}/parked-audit", query: ["limit"]) { call in
            try .json(List(items: await call.plane.parkedAudit(of: call.name, limit: call.limit())))
        },
        .post("/pipelines/{name}/parked/{id}/retry", role: .admin, action: "parked.retry") {
            try .json(await $0.plane.retryParked(of: $0.name, $0.parkedID(), by: $0.actor))
        },
        .post("/pipelines/{name}/parked/{id}/skip", role: .admin, action: "parked.skip") {
            try .json(await $0.plane.skipParked(of: $0.name, $0.parkedID(), by: $0.actor))
        },
    ]
}
