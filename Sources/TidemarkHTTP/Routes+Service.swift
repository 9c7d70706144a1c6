import Foundation
import HTTPTypes
import TidemarkService

extension Route {
    static func all(_ moments: LiveMoments) -> [Route] { open + service + [events(moments)] + pipelines + parked + conflicts + tasks }

    /// For everybody: files that are the same for all, and whether the process works.
    static let open: [Route] = [
        .get("/", role: nil) { Dashboard.index.reply(to: $0) },
        .get("/dashboard/{file}", role: nil) { call in
            guard let file = Dashboard.files[call.parameters["file"] ?? ""] else { throw Problem(.notFound, "The dashboard has no such file.") }
            return file.reply(to: call)
        },
        .get("/openapi.json", role: nil) { Dashboard.document.reply(to: $0) },
        .get("/health", role: nil) { _ in try .json(Health(status: "ok")) },
        .get("/ready", role: nil) { call in
            let service = await call.plane.service()
            return try .json(
                Health(status: service.isReady ? "ready" : "not ready", because: service.notReadyBecause),
                status: service.isReady ? .ok : .serviceUnavailable)
        },
    ]

    struct Health: Codable {
        var status: String
        var because: String?
    }

    static let service: [Route] = [
        .get("/service") { try .json(await $0.plane.service()) },
        .get("/metrics") { .bytes(await $0.plane.metrics().utf8, type: "text/plain; version=0.0.4; charset=utf-8") },
    ]

    static func events(_ moments: LiveMoments) -> Route {
        .get("/events") { _ in
            guard let reader = moments.join() else {
                throw Problem(
                    .serviceUnavailable, "As many clients as may be read live events, or the service is about to stop.",
                    remedy: "Ask GET /pipelines now and then instead.", headers: [.retryAfter: "30"])
            }
            return Reply(headers: [.contentType: "text/event-stream"], content: .events(reader))
        }
    }
}
