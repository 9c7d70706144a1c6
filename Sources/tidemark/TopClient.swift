import Foundation
import FoundationNetworking
import TidemarkApp
import TidemarkService

/// The API of a running service, as `tidemark top` uses it.
struct TopClient: Sendable {
    let base: String
    let token: String?
    private let session: URLSession

    init(_ address: String, token: String?) throws {
        guard let url = URL(string: address), ["http", "https"].contains(url.scheme), url.host?.isEmpty == false else {
            throw TopFailure("“\(address)” is no address of a service. Give it as http://127.0.0.1:7788 or https://host:port.")
        }
        base = address.hasSuffix("/") ? String(address.dropLast()) : address
        self.token = token
        let settings = URLSessionConfiguration.ephemeral
        settings.timeoutIntervalForRequest = 5
        session = URLSession(configuration: settings)
    }

    func service() async throws -> ServiceView { try await get("/service") }

    func pipelines() async throws -> [PipelineView] { try await all("/pipelines") }

    func tables(of pipeline: String) async throws -> [StatusReport.Table] { try await all("/pipelines/\(encoded(pipeline))/tables") }

    /// pause, resume or run
    func send(_ action: String, _ pipeline: String) async throws {
        _ = try await answer("POST", "/pipelines/\(encoded(pipeline))/\(action)")
    }

    private struct Page<Item: Decodable>: Decodable {
        let items: [Item]
        let next: String?
    }

    private func all<Item: Decodable>(_ path: String) async throws -> [Item] {
        var (found, after): ([Item], String?) = ([], nil)
        repeat {
            let page: Page<Item> = try await get("\(path)?limit=500\(after.map { "&after=\(encoded($0))" } ?? "")")
            found += page.items
            after = page.next
        } while after != nil
        return found
    }

    private func get<Value: Decodable>(_ path: String) async throws -> Value {
        let data = try await answer("GET", path)
        do {
            return try JSONDecoder().decode(Value.self, from: data)
        } catch {
            throw TopFailure("\(base)\(path) does not answer as a service of this version does. Is it tidemark serve, and of the same version? Type: curl \(base)/service")
        }
    }

    private func encoded(_ text: String) -> String {
        text.addingPercentEncoding(withAllowedCharacters: CharacterSet.alphanumerics.intersection(CharacterSet(charactersIn: "\u{0}"..."\u{7F}"))) ?? text
    }

    private struct Problem: Decodable {
        let title: String
        let detail: String?
        let remedy: String?
    }

    private func answer(_ method: String, _ path: String) async throws -> Data {
        guard let url = URL(string: base + path) else { throw TopFailure("“\(base)” is no address of a service.") }
        var request = URLRequest(url: url)
        request.httpMethod = method
        if let token { request.setValue("Bearer \(token)", forHTTPHeaderField: "Authorization") }
        if method != "GET" {
            request.setValue("application/json", forHTTPHeaderField: "Content-Type")
            request.setValue("1", forHTTPHeaderField: "X-Tidemark")
        }
        let (data, response): (Data, URLResponse)
        do {
            (data, response) = try await session.answer(to: request)
        } catch {
            throw TopFailure(error, base)
        }
        let status = (response as? HTTPURLResponse)?.statusCode ?? 0
        guard !(200..<300).contains(status) else { return data }
        let problem = try? JSONDecoder().decode(Problem.self, from: data)
        let told = problem.map { [$0.title + ($0.detail.map { ": \($0)" } ?? ""), $0.remedy].compactMap(\.self).joined(separator: " ") } ?? "it answered with status \(status)"
        throw switch status {
        case 401: TopFailure("The service at \(base) wants a token (\(told)). Give one with --token-file FILE or TIDEMARK_TOKEN; its configuration has them under service: tokens.")
        case 403: TopFailure("The token may not do that at \(base) (\(told)). Give one with a larger role, with --token-file or TIDEMARK_TOKEN.")
        default: TopFailure("\(base)\(path): \(told)")
        }
    }
}

extension URLSession {
    /// As `data(for:)`. Who is cancelled meanwhile goes, and the request ends by itself: to cancel one that is just answered ends the process
    /// (swift-corelibs-foundation, “a behaviour for a task that in not in the registry”).
    fileprivate func answer(to request: URLRequest) async throws -> (Data, URLResponse) {
        let (answers, continuation) = AsyncThrowingStream.makeStream(of: (Data, URLResponse).self)
        dataTask(with: request) { data, response, error in
            if let data, let response { continuation.yield((data, response)) }
            continuation.finish(throwing: error)
        }.resume()
        for try await answer in answers { return answer }
        throw CancellationError()
    }
}

/// What kept `tidemark top` from its figures, and what to type.
struct TopFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }

    init(_ error: any Error, _ base: String) {
        switch (error as? URLError)?.code {
        case let code? where base.hasPrefix("https:") && ![.cannotConnectToHost, .cannotFindHost, .dnsLookupFailed, .timedOut].contains(code):
            description = "The certificate of \(base) is not trusted by this machine, or it does not speak TLS. Copy the certificate of the authority that signed it to /usr/local/share/ca-certificates/NAME.crt, then type: update-ca-certificates"
        case .cannotFindHost, .dnsLookupFailed: description = "The host of \(base) is not known. Say where the service is with --url or TIDEMARK_URL."
        case .timedOut: description = "\(base) has not answered within 5 s. Its log says what it does: journalctl -u tidemark"
        default:
            description = "No service answers at \(base). Does it run? Type: systemctl status tidemark, or tidemark serve --config FILE; or say where it is with --url or TIDEMARK_URL."
        }
    }
}
