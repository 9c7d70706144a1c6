import TidemarkCore

extension Pipeline {
    /// A table's copy from its first row on, as its rows travel now.
    func anew(_ copy: TableCopy, _ existing: TableCopy.Existing) -> TableCopy {
        settings.rules.shaped(copy.anew(existing))
    }

    /// What the target has of a table, and what the stream brings of it, have to be shaped alike: rows that were left out when it
    /// was copied never come by themselves, and those that are left out now would stay.
    func requireShapes() throws {
        for copy in shapedCopies where generations[copy.table] != nil && copy.state != .waiting && !reshaped.contains(copy.table) {
            let shape = settings.rules.shape(of: copy.table)
            guard copy.shape != shape else { continue }
            throw TidemarkError(
                "a table is shaped otherwise than it was when it was copied", pipeline: settings.name, table: copy.table,
                why: "its copy has \(Self.words(copy.shape)); the pipeline now takes \(Self.words(shape))",
                remedy: "Type tidemark copy --table \(copy.table) --existing empty …, with the same --config, which copies it anew; or run it with the"
                    + " configuration that it was copied with.")
        }
    }

    private static func words(_ shape: String?) -> String {
        shape.map { "[\($0.split(separator: "\n").joined(separator: "; "))]" } ?? "all of it, under its own name"
    }

    /// Asked for with each window: there are none to look at where nothing is shaped.
    private var shapedCopies: [TableCopy] {
        settings.rules.isShaping ? copies.values.sorted { $0.table < $1.table } : copies.values.filter { $0.shape != nil }.sorted { $0.table < $1.table }
    }
}
