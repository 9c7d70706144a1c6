import ArgumentParser
import Foundation
import TidemarkService

struct Top: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows the pipelines of a running service at the terminal, live.",
        discussion: """
            Asks the API of tidemark serve every two seconds; the worst pipelines \
            come first, and the lines at the bottom say why the selected one is as \
            it is. Keys: j and k move, Enter shows tables, p pauses or resumes, r \
            runs now, / filters, ? shows all keys, q quits.

            Where standard output is no terminal, it prints one table, as with \
            --once. NO_COLOR turns colours off; they say nothing that the text does \
            not.

            EXAMPLE
              tidemark top
              tidemark top --url https://db1.example:7788 \\
                  --token-file /etc/tidemark/token
              tidemark top --once
              tidemark top --json
            """)
    @Option(help: ArgumentHelp("Where the service is: http://127.0.0.1:7788 unless said. Or TIDEMARK_URL.", valueName: "url"))
    var url: String?
    @Option(help: ArgumentHelp("File with the token to show. Or TIDEMARK_TOKEN, the token itself.", valueName: "file"), completion: .file())
    var tokenFile: String?
    @Flag(help: "Print one table, then exit.")
    var once = false
    @Flag(help: "Print the service and its pipelines as one JSON document, then exit.")
    var json = false

    func run() async throws {
        try await reportingErrors {
            let client = try client()
            if json { return OutputOptions().printJSON(Everything(service: try await client.service(), pipelines: try await client.pipelines())) }
            if once || !Terminal.isPresent { return print(TopScreen.plain(try await client.pipelines())) }
            // What cannot be reached at all is said before the screen is taken.
            _ = try await client.service()
            await TopSession(client).run()
        }
    }

    private func client() throws -> TopClient {
        let environment = ProcessInfo.processInfo.environment
        var token = environment["TIDEMARK_TOKEN"]
        if let tokenFile {
            guard let text = try FileHandle(forReadingAtPath: tokenFile)?.readToEnd() else {
                throw TopFailure("The token file \(tokenFile) cannot be read. Type: ls -l \(tokenFile)")
            }
            token = String(decoding: text, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        }
        return try TopClient(url ?? environment["TIDEMARK_URL"] ?? "http://127.0.0.1:7788", token: token)
    }
}

private struct Everything: Encodable {
    let service: ServiceView
    let pipelines: [PipelineView]
}
