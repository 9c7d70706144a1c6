import Foundation
import Hummingbird
import HTTPTypes
import NIOCore
import TidemarkCore
import TidemarkService

/// What an answer says that is none: problem details of RFC 9457.
struct Problem: Error {
    var status: HTTPResponse.Status
    var detail: String
    /// What to type or change.
    var remedy: String?
    var headers = HTTPFields()

    init(_ status: HTTPResponse.Status, _ detail: String, remedy: String? = nil, headers: HTTPFields = [:]) {
        (self.status, self.detail, self.remedy, self.headers) = (status, detail, remedy, headers)
    }

    static func malformed(_ detail: String, remedy: String? = nil) -> Problem { Problem(.badRequest, detail, remedy: remedy) }

    static func tooMany(_ detail: String, seconds: Int) -> Problem {
        Problem(.tooManyRequests, detail, remedy: "Wait \(seconds) s.", headers: [.retryAfter: String(max(1, seconds))])
    }

    /// As it goes over the wire.
    struct Document: Codable {
        var type = "about:blank"
        var title: String
        var status: Int
        var detail: String
        var instance: String?
        var remedy: String?
    }

    func document(at path: String?) -> Document {
        Document(title: status.reasonPhrase, status: status.code, detail: detail, instance: path, remedy: remedy)
    }
}

extension Problem {
    /// What a caller is told of an error; nil where it is nobody's business but the log's.
    init?(_ error: any Error) {
        switch error {
        case let problem as Problem: self = problem
        case let refusal as RequestRefusal: self.init(refusal)
        case let failure as TidemarkError: self.init(failure)
        case let wrong as UsageError: self.init(.unprocessableContent, wrong.description)
        case let wrong as DecodingError: self.init(wrong)
        case is CancellationError: self.init(.serviceUnavailable, "The service is about to stop.", headers: [.retryAfter: "5"])
        default: return nil
        }
    }

    private init(_ refusal: RequestRefusal) {
        switch refusal {
        case .noSuchPipeline(let name): self.init(.notFound, "There is no pipeline \(name).", remedy: "GET /pipelines lists those that there are.")
        case .noSuchTask(let id): self.init(.notFound, "There is no task \(id).", remedy: "GET /sync/tasks lists those that there are.")
        case .noSuchConflict(let id): self.init(.notFound, "There is no conflict \(id).", remedy: "GET /pipelines/NAME/conflicts lists those that are kept.")
        case .noSuchParked(let id): self.init(.notFound, "Nothing is parked as \(id).", remedy: "GET /pipelines/NAME/parked lists what is.")
        case .conflict(let state): self.init(.conflict, state)
        case .invalid(let why): self.init(.unprocessableContent, why)
        }
    }

    private init(_ failure: TidemarkError) {
        var whole = failure
        whole.remedy = ""
        let detail = whole.description.trimmingCharacters(in: .whitespacesAndNewlines)
        switch failure.retry {
        case .later: self.init(.serviceUnavailable, detail, remedy: failure.remedy, headers: [.retryAfter: "5"])
        case .staged, .moved, .takenOver, .paused: self.init(.conflict, detail, remedy: failure.remedy)
        case .unlessMoved, .never: self.init(.unprocessableContent, detail, remedy: failure.remedy)
        }
    }

    /// Names the field.
    private init(_ wrong: DecodingError) {
        func place(_ path: [any CodingKey]) -> String {
            let names = path.map { key in key.intValue.map { "[\($0)]" } ?? key.stringValue }
            return names.isEmpty ? "The body" : names.joined(separator: ".").replacing(".[", with: "[")
        }
        switch wrong {
        case .keyNotFound(let key, let context): self = .malformed("\(place(context.codingPath + [key])) is missing.")
        case .valueNotFound(_, let context): self = .malformed("\(place(context.codingPath)) is null.")
        case .typeMismatch(_, let context): self = .malformed("\(place(context.codingPath)) is not of the type that it must have.")
        case .dataCorrupted(let context):
            self = .malformed(context.codingPath.isEmpty ? "The body is not JSON." : "\(place(context.codingPath)) has a value that it cannot have.")
        @unknown default: self = .malformed("The body is not what it must be.")
        }
    }
}
