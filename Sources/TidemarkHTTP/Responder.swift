import Foundation
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import TidemarkConfig
import TidemarkService

/// The way of each request: may it be sent, by whom, and what does its route say.
struct Responder: HTTPResponder {
    typealias Context = Connection

    let plane: any ControlPlane
    let access: AccessControl
    let moments: LiveMoments
    let limits: ServerLimits
    let log: Logger
    private let routes: [Route]
    private let rate: RequestRate
    private let failedLogins: RequestRate

    init(plane: any ControlPlane, access: AccessControl, moments: LiveMoments, limits: ServerLimits, log: Logger) {
        (self.plane, self.access, self.moments, self.limits, self.log) = (plane, access, moments, limits, log)
        routes = Route.all(moments)
        rate = RequestRate(perSecond: limits.requestsPerSecond, burst: limits.requestBurst)
        failedLogins = RequestRate(perSecond: limits.failedLoginsPerSecond, burst: limits.failedLoginBurst)
    }

    func respond(to request: Request, context: Connection) async throws -> Response {
        var hasUnreadBody = request.mayHaveBody
        let path = request.uri.path
        var reply: Reply
        do {
            reply = try await answer(request, path: path, context, &hasUnreadBody)
        } catch {
            if Problem(error) == nil {
                log.error("A request failed", metadata: ["method": "\(request.method)", "path": "\(path)", "error": "\(error)"])
            }
            let problem = Problem(error) ?? Problem(.internalServerError, "The service could not do it; its log says why.")
            reply = try .problem(problem, at: path)
        }
        log.debug(
            "Answered", metadata: ["method": "\(request.method)", "path": "\(path)", "status": "\(reply.status.code)", "address": "\(context.address ?? "")"])
        return reply.response(to: request, over: context, closes: hasUnreadBody, limits: limits)
    }

    private func answer(_ request: Request, path: String, _ connection: Connection, _ hasUnreadBody: inout Bool) async throws -> Reply {
        let address = connection.address ?? "unknown"
        guard (request.head.path ?? "").utf8.count <= limits.targetBytes else {
            throw Problem(.uriTooLong, "The address is longer than \(limits.targetBytes) bytes.")
        }
        guard access.accepts(host: request.head.authority) else {
            throw Problem(
                .forbidden, "Without tokens, this service answers only requests to this machine by its own names, and not to \(request.head.authority ?? "nobody").",
                remedy: "Call it as http://localhost:PORT/, or configure tokens.")
        }
        guard let routed = RoutedPath(path, in: routes) else {
            try spend(of: address)
            throw Problem(.notFound, "There is no \(path) here.", remedy: "GET /openapi.json says what there is.")
        }
        if request.method == .options {
            try spend(of: address)
            return Reply(status: .noContent, headers: [.allow: routed.allow])
        }
        guard let route = routed.route(for: request.method) else {
            try spend(of: address)
            throw Problem(.methodNotAllowed, "\(request.method) is not for \(path).", remedy: "It takes \(routed.allow).", headers: [.allow: routed.allow])
        }
        var call = Call(plane: plane, actor: Actor(name: "anybody", role: .read, address: connection.address), parameters: routed.parameters)
        do {
            call.actor = try await actor(of: request, for: route, address: address) ?? call.actor
            try spend(of: route.role == nil || call.actor.name == "local" ? address : "token \(call.actor.name)")
            if let role = route.role { try call.require(role, because: "\(request.method) \(route.path)") }
            if route.action != nil { try Self.checkIsNoForeignPage(request) }
            if hasUnreadBody {
                call.body = try await body(of: request, over: connection)
                hasUnreadBody = false
            }
            if !route.takesBody, !call.body.isEmpty, !call.hasEmptyObject { throw Problem.malformed("\(request.method) \(route.path) takes no body.") }
            call.query = try Self.query(request.uri.query, known: route.query)
            call.ifNoneMatch = request.headers[.ifNoneMatch]
            // What would only be thrown away is not begun.
            if request.method == .head, route.path == "/events" { return Reply(headers: [.contentType: "text/event-stream"]) }
            let reply = try await route.answer(call)
            await audit(route, call, nil)
            return reply
        } catch {
            await audit(route, call, error)
            throw error
        }
    }

    private func spend(of caller: String) throws {
        if let seconds = rate.take(caller) { throw Problem.tooMany("More requests than \(Int(limits.requestsPerSecond)) a second.", seconds: seconds) }
    }

    /// Nil where nobody has to say who he is.
    private func actor(of request: Request, for route: Route, address: String) async throws -> Actor? {
        guard route.role != nil else { return nil }
        if access.asksForToken, let seconds = failedLogins.wait(address) {
            throw Problem.tooMany("Too many requests from \(address) had no token that is known.", seconds: seconds)
        }
        switch access.caller(authorization: request.headers[.authorization], address: address) {
        case .known(let actor): return actor
        case .unknown(let presented):
            // What is written to the audit log must not be more than somebody can read.
            if presented || route.action != nil { _ = failedLogins.take(address) } else { try spend(of: address) }
            if presented, route.action == nil {
                await plane.audit(entry("login", by: Actor(name: "unknown", role: .read, address: address), outcome: "refused", detail: "no such token"))
            }
            throw Problem(
                .unauthorized, presented ? "The token is not one of the service's." : "A token is needed.",
                remedy: "Send: Authorization: Bearer TOKEN", headers: [.wwwAuthenticate: "Bearer realm=\"tidemark\""])
        }
    }

    /// A browser sends neither of these for a page of another site without asking first, and is never told that it may.
    private static func checkIsNoForeignPage(_ request: Request) throws {
        let type = request.headers[.contentType]?.prefix { $0 != ";" }.trimmingCharacters(in: .whitespaces).lowercased()
        if type == "application/json" { return }
        if !request.mayHaveBody, request.headers[.tidemark] != nil { return }
        throw Problem(
            .unsupportedMediaType, "A request that changes something is sent as JSON.",
            remedy: "Add the header Content-Type: application/json, or X-Tidemark: 1 where there is no body.")
    }

    private func body(of request: Request, over connection: Connection) async throws -> [UInt8] {
        let limit = limits.bodyBytes
        let tooLarge = Problem(.contentTooLarge, "The body is larger than \(limit) bytes.")
        if let length = request.headers[.contentLength].flatMap({ Int($0) }), length > limit { throw tooLarge }
        // To stop reading would close the connection as well: who is too slow gets no answer.
        let deadline = connection.close(inSeconds: limits.transferSeconds)
        defer { deadline.cancel() }
        do {
            return Array(buffer: try await request.body.collect(upTo: limit))
        } catch is NIOTooManyBytesError {
            throw tooLarge
        } catch {
            throw Problem.malformed("The body did not come whole.")
        }
    }

    private static func query(_ text: String?, known: [String]) throws -> [String: String] {
        var found: [String: String] = [:]
        for part in (text ?? "").split(separator: "&") {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let decoded = pair.compactMap { $0.replacing("+", with: " ").removingPercentEncoding }
            guard decoded.count == pair.count, let name = decoded.first else { throw Problem.malformed("The query cannot be read: \(part)") }
            guard known.contains(name) else {
                throw Problem.malformed(
                    "There is no parameter \(name) here.", remedy: known.isEmpty ? nil : "The parameters are \(known.joined(separator: ", ")).")
            }
            guard found.updateValue(decoded.count > 1 ? decoded[1] : "", forKey: name) == nil else {
                throw Problem.malformed("The parameter \(name) is given more than once.")
            }
        }
        return found
    }

    /// Of what changes something, each attempt.
    private func audit(_ route: Route, _ call: Call, _ error: (any Error)?) async {
        guard let action = route.action else { return }
        let problem = error.map { Problem($0) ?? Problem(.internalServerError, "\($0)") }
        // Who is refused for asking too often is not written down as often.
        if problem?.status == .tooManyRequests { return }
        let outcome = problem.map { $0.status.code < 500 ? "refused" : "failed" } ?? "done"
        var actor = call.actor
        if problem?.status == .unauthorized { actor.name = "unknown" }
        var line = entry(action, by: actor, outcome: outcome, detail: problem?.detail)
        line.pipeline = call.parameters["name"] ?? (route.takesBody ? try? JSONDecoder().decode(NamedPipeline.self, from: Data(call.body)).pipeline : nil)
        line.subject = call.parameters["id"]
        await plane.audit(line)
    }

    private struct NamedPipeline: Decodable { var pipeline: String }

    private func entry(_ action: String, by actor: Actor, outcome: String, detail: String?) -> AuditEntry {
        AuditEntry(at: Date.now.formatted(.iso8601), actor: actor, action: action, outcome: outcome, detail: detail)
    }
}

extension Request {
    fileprivate var mayHaveBody: Bool {
        headers[.transferEncoding] != nil || (headers[.contentLength].map { $0 != "0" } ?? false)
    }
}

extension HTTPField.Name {
    static let tidemark = HTTPField.Name("X-Tidemark")!
    private static let referrerPolicy = HTTPField.Name("Referrer-Policy")!

    fileprivate static let security: HTTPFields = [
        .contentSecurityPolicy: "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        .xContentTypeOptions: "nosniff",
        referrerPolicy: "no-referrer",
    ]
}

extension HTTPFields {
    mutating func addSecurity() {
        append(contentsOf: HTTPField.Name.security)
        // What stands in an answer is of that moment, and for who asked.
        if self[.cacheControl] == nil { self[.cacheControl] = "no-store" }
    }
}
