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
    var definition: PipelineDefinition

    /// - Parameters:
    ///   - schema: SQL that both engines take; runs on both sides before setup.
    ///   - targetSchema: what the target gets instead.
    init(_ direction: Direction, _ schema: String, targetSchema: String? = nil) throws {
        source = try direction.source.database("source")
        target = try direction.target.database("target")
        definition = PipelineDefinition(name: "main", source: source.address, target: target.address)
        try source.run(schema)
        try target.run(targetSchema ?? schema)
    }

    func setUp() throws { _ = try Installation(definition).setUp() }

    @discardableResult
    func follow(worker: String = "conformance") async throws -> Cursor {
        try await pipeline(definition, worker: worker).runOnce()
    }

    func pipeline(_ definition: PipelineDefinition, worker: String = "conformance") throws -> Pipeline {
        try Pipeline(definition, worker: worker, log: Logger(label: "conformance") { _ in SwiftLogNoOpLogHandler() })
    }

    func expectEqual(_ table: String, _ columns: [String], _ note: Comment = "") throws {
        let (expected, found) = (try source.rows(table, columns), try target.rows(table, columns))
        #expect(found == expected, "\(table) \(note)")
    }
}
