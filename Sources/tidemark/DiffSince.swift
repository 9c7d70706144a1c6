import ArgumentParser
import Foundation
import TidemarkApp
import TidemarkCore

struct DiffSince: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Lists what changed in the source since a moment, by table and key.",
        discussion: """
            Reads the source's log, and needs no target. A row that was changed many \
            times is listed once, and one that came and went not at all. With setup \
            --image both it also says what each column was. The log leads back only \
            as far as setup --retain keeps it.

            The place is the newest tick at or before the moment, or before the \
            change; everything that committed behind it is listed.

            EXAMPLE
              tidemark diff-since 2h --source postgresql://db1/shop
              tidemark diff-since '2026-01-02 14:05:00' --table public.orders \\
                  --limit 100 --config /etc/tidemark.yaml
              tidemark diff-since 48211 --json --source sqlite:shop.db
            """)
    @Argument(help: ArgumentHelp("Since when: \(LogPlace.forms).", valueName: "place"))
    var since: LogPlace
    @OptionGroup var options: PipelineOptions
    @Option(help: ArgumentHelp("Rows to list of each table, 0 for all; all are counted.", valueName: "number"))
    var limit = 20
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if limit < 0 { throw ValidationError("--limit takes a number of rows.") }
    }

    func run() async throws {
        try reportingErrors {
            var whole = options
            whole.tables = []
            let definition = try whole.definitions(needingTarget: false).only()
            let found = try SourceDifference(definition, since: PlaceName(since, now: Clock.time), tables: options.tables, listedMax: limit == 0 ? nil : limit)
            output.printDifference(found, of: definition)
        }
    }
}

extension HistoryPlace {
    var words: String { "\(time), change \(lastID)" }
}

extension OutputOptions {
    func printDifference(_ found: SourceDifference, of definition: PipelineDefinition) {
        if json {
            printJSON(DifferenceJSON(definition.name, found))
            return
        }
        print("pipeline \(definition.name): what changed since \(found.place.words), up to change \(found.lastID)")
        if found.tables.isEmpty { print("nothing") }
        for table in found.tables {
            let counts = [SourceDifference.Kind.inserted, .updated, .deleted].map { "\(table.counts[$0] ?? 0) \($0.rawValue)" }
            print("\ntable \(table.name): \(counts.joined(separator: ", "))")
            if table.lacksOldImages { print("  (some rows were logged without what they were before: setup --image both)") }
            for row in table.rows {
                let columns = row.columns.map { column in
                    switch (column.old, column.new) {
                    case (let old?, let new?): "\(column.name): \(old) → \(new)"
                    case (let one, let other): "\(column.name): \(one ?? other ?? "")"
                    }
                }
                let times = row.count > 1 ? " \(row.count) times" : ""
                print("  \(row.kind.rawValue)\(times) \([row.key ?? "", columns.joined(separator: ", ")].filter { !$0.isEmpty }.joined(separator: "  "))")
            }
            let left = table.counts.values.reduce(0, +) - table.rows.reduce(0) { $0 + $1.count }
            if left > 0 { print("  and \(left) more: --limit 0 lists all") }
        }
    }
}

private struct DifferenceJSON: Encodable {
    struct Table: Encodable {
        let table: String
        let inserted, updated, deleted: Int64
        let rows: [Row]
    }

    struct Row: Encodable {
        let kind: String
        let key: String?
        let count: Int64
        let columns: [String: Values]
    }

    struct Values: Encodable {
        let old: String?
        let new: String?
    }

    let pipeline: String
    let since: String
    let sinceChangeID: Int64
    let throughChangeID: Int64
    let tables: [Table]

    init(_ pipeline: String, _ found: SourceDifference) {
        (self.pipeline, since, sinceChangeID, throughChangeID) = (pipeline, found.place.time, found.place.lastID, found.lastID)
        tables = found.tables.map { table in
            Table(
                table: table.name.description, inserted: table.counts[.inserted] ?? 0, updated: table.counts[.updated] ?? 0,
                deleted: table.counts[.deleted] ?? 0,
                rows: table.rows.map { row in
                    Row(
                        kind: row.kind.rawValue, key: row.key, count: row.count,
                        columns: Dictionary(row.columns.map { ($0.name, Values(old: $0.old, new: $0.new)) }, uniquingKeysWith: { $1 }))
                })
        }
    }
}
