import TidemarkCore
import TidemarkPipeline

/// Writes what never left an old source to the new primary, once more.
struct LostChangesReplay {
    private let pipeline: PipelineDefinition
    private let lost: LostChanges
    private let tables: PairedTables
    private let lastPlace: Cursor

    /// - Parameters:
    ///   - pipeline: as it flowed before, from the old source.
    ///   - lastPlace: how far the new primary had come in the old source's log.
    init(_ pipeline: PipelineDefinition, _ lost: LostChanges, _ tables: PairedTables, after lastPlace: Cursor) {
        (self.pipeline, self.lost, self.tables, self.lastPlace) = (pipeline, lost, tables, lastPlace)
    }

    /// The rows that the new primary's applications have changed as well, by its names of tables.
    /// - Throws: where there are some and the policy is to stop, or where it cannot be told which rows they are.
    func conflicts(since start: Cursor, on new: PipelineSide, policy: Failback.ConflictPolicy) throws -> [TableName: [String]] {
        let touched = lost.touched.renamed(tables)
        if let table = touched.whole.sorted().first {
            throw TidemarkError(
                "lost changes cannot be replayed", table: table,
                why: "its rows have no key, or it was truncated or altered: which rows were meant cannot be told",
                remedy: "Take the changes back (--lost undo --export FILE), and enter those of the export that still count.")
        }
        if let table = lost.uncertainKeys.sorted().first {
            throw TidemarkError(
                "lost changes cannot be replayed", table: table,
                why: "its key has a type of which equal values can be written differently: whether a row was changed on both sides cannot be told",
                remedy: "Take the changes back (--lost undo --export FILE), and enter those of the export that still count.")
        }
        var found: [TableName: Set<String>] = [:]
        try LostChanges.read(of: pipeline.name, in: new.address, after: start) { page, known in
            for change in page.changes {
                guard let table = known[change.capture]?.name, let lost = touched.keys[table] else { continue }
                let key = change.key.map { String(decoding: page.bytes[$0], as: UTF8.self) }
                // A truncation has met them all.
                found[table, default: []].formUnion(key.map { lost.contains($0) ? [$0] : [] } ?? lost)
            }
        }
        let conflicts = found.filter { !$0.value.isEmpty }.mapValues { $0.sorted() }
        guard policy == .stop, let first = conflicts.keys.sorted().first, let keys = conflicts[first] else { return conflicts }
        throw TidemarkError(
            "rows were changed on both sides", table: first, key: keys[0],
            why: "rows were changed on the new primary as well that never left the old source: \(conflicts.values.reduce(0) { $0 + $1.count })",
            remedy: "Choose what counts: --on-conflict keep (the new primary's) or overwrite (the old source's). Nothing was replayed.")
    }

    func run(on new: PipelineSide, sparing kept: [TableName: [String]]) throws {
        let names = Dictionary(zip(tables.onPrimary, tables.onReplica), uniquingKeysWith: { first, _ in first })
        let spared = kept.mapValues { Set($0) }
        let target = try Engines.accepting(new.address, of: "target").replayTarget(new.address, pipeline: pipeline.name)
        var captured: [Int32: CapturedTable] = [:]
        try LostChanges.read(of: pipeline.name, in: pipeline.source, after: lastPlace) { _, known in captured = known }
        try target.replay(tables: captured) { receive in
            try LostChanges.read(of: pipeline.name, in: pipeline.source, after: lastPlace) { page, known in
                var taken = ChangePage()
                page.bytes.withUnsafeBytes { bytes in
                    for change in page.changes {
                        let table = known[change.capture].map { names[$0.name] ?? $0.name }
                        let key = change.key.map { String(decoding: page.bytes[$0], as: UTF8.self) }
                        if let table, let key, spared[table]?.contains(key) == true { continue }
                        taken.append(
                            id: change.id, capture: change.capture, operation: change.operation,
                            key: change.key.map { UnsafeRawBufferPointer(rebasing: bytes[$0]) },
                            image: change.image.map { UnsafeRawBufferPointer(rebasing: bytes[$0]) })
                    }
                }
                if !taken.changes.isEmpty { try receive(taken) }
            }
        }
    }
}
