import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import TidemarkConfig
import TidemarkService

/// A request as a route gets it: by somebody who may send it, and whole.
struct Call: Sendable {
    var plane: any ControlPlane
    var actor: Actor
    var parameters: [String: String]
    var query: [String: String] = [:]
    var body: [UInt8] = []
    /// Many clients send one where there is nothing to say.
    var hasEmptyObject: Bool { body.filter { !" \n\r\t".utf8.contains($0) }.elementsEqual("{}".utf8) }
    /// What the client says that it has.
    var ifNoneMatch: String?

    var name: String { parameters["name"] ?? "" }
    var id: String { parameters["id"] ?? "" }

    /// What is parked is numbered.
    func parkedID() throws -> Int64 {
        guard let number = Int64(id) else { throw Problem.malformed("The id of what is parked is a number, and not \(id).") }
        return number
    }

    /// And so are conflicts.
    func conflictID() throws -> Int64 {
        guard let number = Int64(id) else { throw Problem.malformed("The id of a conflict is a number, and not \(id).") }
        return number
    }

    func require(_ role: AccessRole, because reason: String) throws {
        guard actor.role >= role else { throw Problem(.forbidden, "\(reason) takes the role \(role.rawValue); \(actor.name) has \(actor.role.rawValue).") }
    }

    /// The body as JSON, without fields that nobody knows: one that is misspelt would be left out in silence.
    func decode<Value: Decodable>(_: Value.Type, fields: Set<String>) throws -> Value {
        let value = try JSONDecoder().decode(Value.self, from: Data(body))
        guard let object = try? JSONDecoder().decode([String: Ignored].self, from: Data(body)) else {
            throw Problem.malformed("The body is not a JSON object.")
        }
        if let stray = object.keys.filter({ !fields.contains($0) }).min() {
            throw Problem.malformed("There is no field \(stray).", remedy: "The fields are \(fields.sorted().joined(separator: ", ")).")
        }
        return value
    }

    private struct Ignored: Decodable {
        init(from decoder: any Decoder) {}
    }
}

/// What a route says.
struct Reply: Sendable {
    enum Content: Sendable {
        case bytes(ByteBuffer)
        case events(LiveMoments.Reader)
    }

    var status: HTTPResponse.Status = .ok
    var headers: HTTPFields = [:]
    var content: Content = .bytes(ByteBuffer())

    static func bytes(_ bytes: some Sequence<UInt8>, type: String, status: HTTPResponse.Status = .ok, headers: HTTPFields = [:]) -> Reply {
        var reply = Reply(status: status, headers: headers, content: .bytes(ByteBuffer(bytes: bytes)))
        reply.headers[.contentType] = type
        return reply
    }

    static func json(_ value: some Encodable, status: HTTPResponse.Status = .ok, headers: HTTPFields = [:]) throws -> Reply {
        bytes(try JSON.encode(value), type: "application/json", status: status, headers: headers)
    }

    static func problem(_ problem: Problem, at path: String?) throws -> Reply {
        bytes(try JSON.encode(problem.document(at: path)), type: "application/problem+json", status: problem.status, headers: problem.headers)
    }
}

/// The one form of everything that is answered.
enum JSON {
    static func encode(_ value: some Encodable) throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(value)
    }
}
