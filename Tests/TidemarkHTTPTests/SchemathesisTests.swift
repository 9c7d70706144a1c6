import Foundation
import TidemarkTestSupport
import Testing

/// The document is held against the server by a tool that knows neither: it makes up requests that the document allows, and
/// ones that it does not.
@Suite("OpenAPI document against the server", .ownThreads)
struct SchemathesisTests {
    private static let tool = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { "\($0)/schemathesis" }
        .first { FileManager.default.isExecutableFile(atPath: $0) }

    @Test("holds for all requests that schemathesis makes up", .enabled(if: tool != nil, "schemathesis is not on the PATH: pip install schemathesis==4.32.5"))
    func schemathesis() async throws {
        let tool = try #require(Self.tool)
        try await RunningServer.with { running in
            let folder = FileManager.default.temporaryDirectory.appendingPathComponent("tidemark-schemathesis-\(UUID().uuidString)")
            defer { try? FileManager.default.removeItem(at: folder) }
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            let run = try await Client.blocking {
                Shell.run(
                    "/bin/sh",
                    [
                        "-c", #"cd "$0" && exec timeout -s KILL 300 "$@""#, folder.path, tool, "run", "http://127.0.0.1:\(running.port)/openapi.json", "--checks", "all",
                        "--phases", "examples,coverage,fuzzing,stateful", "--max-examples", "10", "--seed", "1", "--generation-database", "none",
                        "--header", "Authorization: Bearer admin-secret", "--exclude-path", "/events", "--request-timeout", "20", "--no-color",
                    ])
            }
            #expect(run.status == 0, "\(run.output)")
        }
    }
}
