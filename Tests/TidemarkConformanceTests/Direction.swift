import Foundation
import Logging
import Testing
import TidemarkApp
import TidemarkCore
import TidemarkPipeline

/// From which engine to which; every scenario runs in all of them.
struct Direction: CustomTestStringConvertible, Sendable {
    let source: ScratchEngine
    let target: ScratchEngine
    var testDescription: String { "\(source.rawValue) to \(target.rawValue)" }

    static let all = ScratchEngine.allCases.flatMap { source in
        ScratchEngine.allCases.map { Direction(source: source, target: $0) }
    }
}

/// A pipeline between two scratch databases.
struct Flow {
    let source: any ScratchDatabase
    let target: any ScratchDatabase
    let definition: PipelineDefinition

    /// - Parameters:
    ///   - schema: SQL that both engines take; runs on both sides before setup.
    ///   - targetSchema: what the target gets instead.
    init(_ direction: Direction, _ schema: String, targetSchema: String? = nil, exclude: [String] = []) throws {
        source = try direction.source.database("source")
        target = try direction.target.database("target")
        definition = PipelineDefinition(
            source: source.address, target: target.address,
            request: CaptureRequest(
                pipeline: "main", selection: TableSelection(exclude: exclude.map { TablePattern($0) })),
            saysTables: false)
        try source.run(schema)
        try target.run(targetSchema ?? schema)
    }

    func setUp() throws { _ = try Installation(definition).setUp() }

    @discardableResult
    func follow(worker: String = "conformance") async throws -> Cursor {
        try await Pipeline(definition, worker: worker, log: Logger(label: "conformance") { _ in SwiftLogNoOpLogHandler() })
            .runOnce()
    }

    func expectEqual(_ table: String, _ columns: [String], _ note: Comment = "") throws {
        let (expected, found) = (try source.rows(table, columns), try target.rows(table, columns))
        #expect(found == expected, "\(table) \(note)")
    }
}
