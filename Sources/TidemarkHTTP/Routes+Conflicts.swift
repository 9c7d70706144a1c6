import HTTPTypes
import TidemarkApp
import TidemarkConfig
import TidemarkCore
import TidemarkService

extension Route {
    /// The newest first, so that a page begins behind an older one.
    static let conflicts: [Route] = [
        .get("/pipelines/{name}/conflicts", query: ["limit", "after", "table"]) { call in
            let limit = try call.limit()
            // One more than is asked for tells whether there are more.
            let found = try await call.plane.conflicts(of: call.name, table: call.query["table"], before: call.afterID(), limit: limit + 1)
            let page = found.prefix(limit)
            return try .json(Page(items: Array(page), next: found.count > limit ? page.last.map { String($0.id) } : nil))
        },
        .get("/pipelines/{name}/conflicts/{id}") { try .json(await $0.plane.conflict(of: $0.name, $0.conflictID())) },
        .post("/pipelines/{name}/conflicts/{id}/restore", role: .admin, action: "conflict.restore", takesBody: true) { call in
            let wanted = try call.decode(RestoreRequest.self, fields: ["image"])
            guard let image = ConflictImage(rawValue: wanted.image) else {
                throw Problem.malformed("There is no image \(wanted.image).", remedy: "The images are \(ConflictImage.allCases.map(\.rawValue).joined(separator: ", ")).")
            }
            return try .json(await call.plane.restoreConflict(of: call.name, call.conflictID(), image: image, by: call.actor))
        },
    ]

    /// Which image of a conflict is to be written again.
    struct RestoreRequest: Codable {
        var image: String
    }
}
