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

    /// A table as the source calls it.
    func name(_ table: String) -> TableName {
        TableName(schema: source is ScratchPostgres ? "public" : nil, name: table)
    }

    func setUp() throws { _ = try Installation(definition).setUp() }

    /// Applies what the log holds. Unless it is told otherwise, the stream alone has to bring the rows.
    @discardableResult
    func follow(worker: String = "conformance", _ existing: TableCopy.Existing = .keep) async throws -> Cursor {
        try await pipeline(definition, worker: worker, existing).runOnce()
    }

    func pipeline(
        _ definition: PipelineDefinition, worker: String = "conformance", _ existing: TableCopy.Existing = .keep
    ) throws -> Pipeline {
        var settings = Pipeline.Settings(name: definition.name, worker: worker)
        settings.existing = existing
        settings.startedAt = "2026-01-01T00:00:00Z"
        return try pipeline(definition, settings)
    }

    func pipeline(_ definition: PipelineDefinition, _ settings: Pipeline.Settings) throws -> Pipeline {
        try Pipeline(definition, settings, log: silent)
    }

    var silent: Logger { Logger(label: "conformance") { _ in SwiftLogNoOpLogHandler() } }

    func expectEqual(_ table: String, _ columns: [String], _ note: Comment = "") throws {
        let (expected, found) = (try source.rows(table, columns), try target.rows(table, columns))
        #expect(found == expected, "\(table) \(note)")
    }
}
