import Foundation
package import TidemarkCore

extension PipelineDefinition {
    package func openHistory() throws -> any SourceHistory {
        try naming { try Engines.accepting(source, of: "source").history(source) }
    }
}

/// What changed in a source since a place, by table and key.
package struct SourceDifference: Sendable {
    package enum Kind: String, Sendable, Encodable { case inserted, updated, deleted }

    package struct Row: Sendable {
        package var kind: Kind
        /// Nil where rows are known by all their values.
        package var key: String?
        package var count: Int64
        /// What differs, or all there is of a row that has no counterpart.
        package var columns: [(name: String, old: String?, new: String?)]
    }

    package struct Table: Sendable {
        package var name: TableName
        package var counts: [Kind: Int64] = [:]
        /// The first of them.
        package var rows: [Row] = []
        /// Were some of its rows logged without their old images?
        package var lacksOldImages = false
    }

    package var place: HistoryPlace
    package var lastID: Int64
    package var tables: [Table] = []

    /// - Parameters:
    ///   - patterns: the tables to look at; none for all that the pipeline takes.
    ///   - listedMax: rows to list of each table; nil for all.
    package init(_ definition: PipelineDefinition, since name: PlaceName, tables patterns: [String], listedMax: Int?) throws {
        let names = patterns.isEmpty ? nil : Set(try definition.recordedTables(patterns).map(\.name))
        (place, lastID, tables) = try definition.naming {
            let history = try definition.openHistory()
            let captured = try history.capturedTables().filter { !$0.isRetired }
            guard let selection = try history.selection(of: definition.name) else {
                throw TidemarkError(
                    "the pipeline is not set up", why: "the source does not know it", remedy: "Type: tidemark setup --source … --target …")
            }
            let place = try history.place(name)
            let lastID = try history.holdNow()
            let found = try captured.filter { names?.contains($0.name) ?? selection.takes($0.name) }.sorted { $0.name < $1.name }.map { table in
                var difference = Table(name: table.name)
                try history.changes(of: table, since: place) { row in
                    difference.add(row, of: table, listedMax: listedMax)
                }
                return difference
            }
            return (place, lastID, found.filter { !$0.counts.isEmpty })
        }
    }
}

extension SourceDifference.Table {
    mutating func add(_ history: RowHistory, of table: CapturedTable, listedMax: Int?) {
        let old: String? = if case .image(let image) = history.before { image } else { nil }
        let kind: SourceDifference.Kind
        switch (history.before, history.after) {
        case (.absent, nil): return
        case (.unknown, nil) where history.wasInserted: return
        case (.absent, _): kind = .inserted
        case (_, nil): kind = .deleted
        case (.unknown, _) where history.wasInserted: kind = .inserted
        case (.image(let before), .some(let after)) where before == after: return
        default: kind = .updated
        }
        if history.before == .unknown { lacksOldImages = true }
        counts[kind, default: 0] += history.count
        guard rows.count < listedMax ?? .max else { return }
        let (before, after) = (old.map(FlatObject.members) ?? [], history.after.map(FlatObject.members) ?? [])
        let columns = table.columns.compactMap { column -> (name: String, old: String?, new: String?)? in
            let one = before.first { $0.name == column.name }?.value
            let other = after.first { $0.name == column.name }?.value
            guard one != other else { return nil }
            return (column.name, one.map(FlatObject.shown), other.map(FlatObject.shown))
        }
        rows.append(SourceDifference.Row(kind: kind, key: history.key, count: history.count, columns: columns))
    }
}
