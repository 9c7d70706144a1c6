import Foundation
import HTTPTypes
import Hummingbird
import TidemarkConfig
import TidemarkService

/// One thing that the API does.
struct Route: Sendable {
    var method: HTTPRequest.Method
    /// With a name in braces where anything may stand.
    var path: String
    /// Nil where nobody has to say who he is.
    var role: AccessRole?
    /// What it is to the audit log; nil of what changes nothing.
    var action: String?
    /// The parameters that may follow the path.
    var query: [String] = []
    var takesBody = false
    var answer: @Sendable (Call) async throws -> Reply

    static func get(
        _ path: String, role: AccessRole? = .read, query: [String] = [], answer: @escaping @Sendable (Call) async throws -> Reply
    ) -> Route {
        Route(method: .get, path: path, role: role, query: query, answer: answer)
    }

    static func post(
        _ path: String, role: AccessRole, action: String, takesBody: Bool = false,
        answer: @escaping @Sendable (Call) async throws -> Reply
    ) -> Route {
        Route(method: .post, path: path, role: role, action: action, takesBody: takesBody, answer: answer)
    }

    /// What stands in the place of its names; nil where it is not the path of this route.
    func parameters(of segments: [String]) -> [String: String]? {
        let own = path.split(separator: "/")
        guard own.count == segments.count else { return nil }
        var found: [String: String] = [:]
        for (mine, given) in zip(own, segments) {
            if mine.hasPrefix("{") {
                guard !given.isEmpty else { return nil }
                found[String(mine.dropFirst().dropLast())] = given
            } else if mine != given {
                return nil
            }
        }
        return found
    }
}

/// What a path is, of all routes.
struct RoutedPath {
    var routes: [Route]
    var parameters: [String: String]

    init?(_ path: String, in all: [Route]) {
        guard path.hasPrefix("/") else { return nil }
        let parts = path == "/" ? [] : path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        let segments = parts.compactMap { $0.removingPercentEncoding }
        guard segments.count == parts.count else { return nil }
        routes = []
        parameters = [:]
        for route in all {
            guard let found = route.parameters(of: segments) else { continue }
            routes.append(route)
            parameters = found
        }
        if routes.isEmpty { return nil }
    }

    /// HEAD is what GET answers, without its body.
    func route(for method: HTTPRequest.Method) -> Route? {
        routes.first { $0.method == (method == .head ? .get : method) }
    }

    var allow: String {
        var methods = routes.map(\.method.rawValue)
        if methods.contains("GET") { methods.append("HEAD") }
        return (methods + ["OPTIONS"]).sorted().joined(separator: ", ")
    }
}
