import Foundation
import HTTPTypes
import TidemarkApp
@testable import TidemarkHTTP
import TidemarkService
import Testing

/// The document of the API, the routes and the types that go over the wire say the same.
@Suite("OpenAPI document")
struct DocumentTests {
    private let document: [String: Any]
    private let schemas: [String: [String: Any]]

    init() throws {
        document = try #require(JSONSerialization.jsonObject(with: Data(Dashboard.document.bytes)) as? [String: Any])
        schemas = try #require((document["components"] as? [String: Any])?["schemas"] as? [String: [String: Any]])
    }

    private func resolved(_ value: Any) -> [String: Any] {
        var found = value as? [String: Any] ?? [:]
        while let reference = found["$ref"] as? String {
            found = reference.split(separator: "/").dropFirst().reduce(document) { $0[String($1)] as? [String: Any] ?? [:] }
        }
        return found
    }

    @Test("each route is in it, with its parameters, body and roles, and nothing else is")
    func routes() throws {
        let paths = try #require(document["paths"] as? [String: [String: [String: Any]]])
        let routes = Route.all(LiveMoments(maxReaders: 1))
        #expect(Set(paths.flatMap { path in path.value.keys.map { "\($0.uppercased()) \(path.key)" } }) == Set(routes.map { "\($0.method.rawValue) \($0.path)" }))
        for route in routes {
            let name = "\(route.method.rawValue) \(route.path)"
            let operation = try #require(paths[route.path]?[route.method.rawValue.lowercased()])
            let parameters = (operation["parameters"] as? [Any] ?? []).map(resolved)
            func named(_ place: String) -> Set<String> {
                Set(parameters.filter { $0["in"] as? String == place }.compactMap { $0["name"] as? String })
            }
            #expect(named("query") == Set(route.query), "\(name)")
            #expect(named("path") == Set(route.path.split(separator: "/").filter { $0.hasPrefix("{") }.map { String($0.dropFirst().dropLast()) }), "\(name)")
            #expect(parameters.allSatisfy { $0["schema"] != nil && $0["description"] is String }, "\(name)")
            #expect((operation["requestBody"] != nil) == route.takesBody, "\(name)")
            let responses = try #require(operation["responses"] as? [String: Any])
            #expect((responses["401"] == nil) == (route.role == nil) && (operation["security"] != nil) == (route.role == nil), "\(name)")
            #expect((responses["415"] != nil) == (route.action != nil), "\(name)")
            for (status, response) in responses where Int(status).map({ $0 >= 400 }) == true {
                let content = resolved(response)["content"] as? [String: Any]
                #expect(content?["application/problem+json"] != nil, "\(name) \(status)")
            }
        }
    }

    /// Of all references, those that lead somewhere.
    @Test("each reference leads somewhere, and each schema is used")
    func references() {
        var used: Set<String> = []
        func look(_ value: Any) {
            if let list = value as? [Any] { list.forEach(look) }
            guard let object = value as? [String: Any] else { return }
            if let reference = object["$ref"] as? String {
                #expect(!resolved(object).isEmpty, "\(reference)")
                used.insert(reference)
            }
            object.values.forEach(look)
        }
        look(document)
        for name in schemas.keys { #expect(used.contains("#/components/schemas/\(name)") || name == "ServiceMoment", "\(name)") }
    }

    private static let task = Samples.task(1, SyncTaskRequest(pipeline: "p", kind: .copy, existing: "merge"), by: "x")

    @Test("each schema has the fields that are sent: those of all at most, those of the least at least")
    func fields() throws {
        let pipeline = Samples.pipeline("p")
        let error = try #require(pipeline.lastError)
        let pairs: [(String, any Encodable, (any Encodable)?)] = [
            ("ServiceView", Samples.service, try without(Samples.service, ["notReadyBecause"])),
            ("PipelineView", pipeline, Samples.leastPipeline),
            ("ErrorView", error, try without(error, ["resolvedAt"])), ("LeaseView", try #require(pipeline.lease), pipeline.lease),
            ("Figures", pipeline.figures, Samples.leastPipeline.figures), ("StatusReport", try #require(pipeline.status), Samples.leastStatus),
            ("Table", try #require(pipeline.status?.tables.first), Samples.leastTable),
            ("PolledTable", try #require(pipeline.status?.polledTables?.first), Samples.leastPolledTable), ("Sample", Samples.sample, Samples.leastSample),
            ("ParkedTransaction", Samples.parked(1), try without(Samples.parked(1), ["table", "key", "changeID"])),
            ("DecidedConflict", Samples.conflict(1), try without(Samples.conflict(1), ["origin", "before", "source", "target", "outcome", "restoredAt", "restoredBy"])),
            ("ParkedChange", Samples.change(1), try without(Samples.change(1), ["key", "image", "targetRow"])),
            ("ParkedAudit", Samples.parkedAudit("parked", 1), try without(Samples.parkedAudit("parked", 1), ["detail"])),
            ("SyncTask", Self.task, try without(Self.task, ["existing", "differences", "error", "startedAt", "endedAt"])),
            ("SyncTaskRequest", SyncTaskRequest(pipeline: "p", kind: .copy, tables: [], existing: "merge", execute: true), SyncTaskRequest(pipeline: "p", kind: .copy)),
            ("VerifyRequest", Route.VerifyRequest(tables: []), Route.VerifyRequest()),
            ("ServiceMoment", Samples.moment(Samples.service, [pipeline], [Self.task]), nil),
            ("Health", Route.Health(status: "ok", because: "?"), Route.Health(status: "ok")),
            ("Problem", Problem(.notFound, "d", remedy: "r").document(at: "/x"), Problem(.notFound, "d").document(at: nil)),
            ("PipelinePage", Page(items: [pipeline], next: nil), Page(items: [pipeline], next: nil)),
            ("History", List(items: [Samples.sample]), List(items: [Samples.sample])),
        ]
        for (name, all, least) in pairs {
            let schema = try #require(schemas[name])
            let properties = try #require(schema["properties"] as? [String: Any])
            #expect(Set(properties.keys) == Set(try object(all).keys), "\(name)")
            if let least { #expect(Set(schema["required"] as? [String] ?? []) == Set(try object(least).keys), "\(name)") }
        }
    }

    @Test("what may stand in a field is what the types have")
    func enumerations() throws {
        func values(_ schema: String, _ property: String) -> [String] {
            ((schemas[schema]?["properties"] as? [String: [String: Any]])?[property]?["enum"] as? [String] ?? []).sorted()
        }
        #expect(values("PipelineView", "health") == PipelineView.Health.allCases.map(\.rawValue).sorted())
        #expect(values("PipelineView", "activity") == PipelineView.Activity.allCases.map(\.rawValue).sorted())
        #expect(values("SyncTask", "kind") == SyncTask.Kind.allCases.map(\.rawValue).sorted())
        #expect(values("SyncTaskRequest", "kind") == SyncTask.Kind.allCases.map(\.rawValue).sorted())
        #expect(values("SyncTask", "state") == SyncTask.State.allCases.map(\.rawValue).sorted())
    }

    private func object(_ value: any Encodable) throws -> [String: Any] {
        try #require(JSONSerialization.jsonObject(with: JSON.encode(value)) as? [String: Any])
    }

    /// The value when nothing is known of some fields: that it can be decoded proves that they may be absent.
    private func without<Value: Codable>(_ value: Value, _ fields: [String]) throws -> Value {
        var object = try object(value)
        for field in fields { object[field] = nil }
        return try JSONDecoder().decode(Value.self, from: JSONSerialization.data(withJSONObject: object))
    }
}
