import ArgumentParser
import Foundation
import TidemarkApp
import TidemarkCore

struct ConflictsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "conflicts",
        abstract: "Shows rows that both ends changed, how that was decided, and puts one back.",
        discussion: """
            A pipeline with conflict: goes to a target that others write to, too. \
            Where a row was changed at both ends, the target decides by the rule, \
            and keeps what there was: the row before, both changes of it, and what \
            became of them. For 90 days.

            EXAMPLE
              tidemark conflicts list --config /etc/tidemark.yaml
              tidemark conflicts show 12 --config /etc/tidemark.yaml --pipeline shop
              tidemark conflicts restore 12 --image target \\
                  --config /etc/tidemark.yaml --pipeline shop
            """,
        subcommands: [ConflictsList.self, ConflictsShow.self, ConflictsRestore.self])
}

struct ConflictsList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Lists conflicts, the newest first.",
        discussion: """
            EXAMPLE
              tidemark conflicts list --config /etc/tidemark.yaml
              tidemark conflicts list --of public.stock --limit 20 --json \\
                  --config /etc/tidemark.yaml --pipeline shop
              tidemark conflicts list --before 4711 \\
                  --config /etc/tidemark.yaml --pipeline shop
            """)
    @OptionGroup var options: PipelineOptions
    @Option(name: .customLong("of"), help: ArgumentHelp("Of this table only, as the target calls it.", valueName: "table"))
    var table: String?
    @Option(help: ArgumentHelp("Only those before this one: the next page.", valueName: "id"))
    var before: Int64?
    @Option(help: ArgumentHelp("How many of each pipeline, at most.", valueName: "number"))
    var limit = 100
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if limit < 1 { throw ValidationError("--limit takes a number above 0.") }
    }

    func run() async throws {
        try reportingErrors {
            let definitions = try options.definitions()
            let found = try definitions.map { ($0.name, try Conflicts($0).list(table: table, before: before, limit: limit)) }
            output.printConflicts(found, limit: limit)
        }
    }
}

struct ConflictsShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Shows one conflict: what the row was, and what each end made of it, side by side.",
        discussion: """
            EXAMPLE
              tidemark conflicts show 12 --config /etc/tidemark.yaml --pipeline shop
            """)
    @OptionGroup var options: PipelineOptions
    @Argument(help: ArgumentHelp("The number that tidemark conflicts list gives it.", valueName: "id"))
    var id: Int64
    @OptionGroup var output: OutputOptions

    func run() async throws {
        try reportingErrors {
            let definition = try options.definitions().only()
            guard let conflict = try Conflicts(definition).find(id) else { throw try definition.naming { Conflicts.isUnknown(id) } }
            if output.json { return output.printJSON(conflict) }
            print(conflict.text)
        }
    }
}

struct ConflictsRestore: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Writes an image of a conflict to the target again.",
        discussion: """
            As an ordinary write of the target, which its triggers see, and which \
            goes to every other end like any change. Where the image is none, the \
            row is deleted. Who did it is noted with the conflict.

            EXAMPLE
              tidemark conflicts restore 12 --image target \\
                  --config /etc/tidemark.yaml --pipeline shop
              tidemark conflicts restore 12 --image before --yes \\
                  --config /etc/tidemark.yaml --pipeline shop
            """)
    @OptionGroup var options: PipelineOptions
    @Argument(help: ArgumentHelp("The number that tidemark conflicts list gives it.", valueName: "id"))
    var id: Int64
    @Option(
        help: ArgumentHelp(
            "source: what came. target: what stood there. before: what the source's change was made from.", valueName: "source|target|before"))
    var image: ConflictImage
    @Flag(help: "Do not ask.")
    var yes = false
    @OptionGroup var output: OutputOptions

    func run() async throws {
        try reportingErrors {
            let conflicts = Conflicts(try options.definitions().only())
            guard let conflict = try conflicts.find(id) else { throw Conflicts.isUnknown(id) }
            if !yes { try confirm(conflict) }
            let restored = try conflicts.restore(image, of: id, by: ThisProcess.operator)
            if output.json { return output.printJSON(restored) }
            print("conflict \(id): the row of \(restored.table) \(restored.key) is the image of \(image.rawValue) again")
        }
    }

    private func confirm(_ conflict: DecidedConflict) throws {
        guard isatty(STDIN_FILENO) == 1 else {
            throw UsageError("restore writes to the target: give --yes where nobody can be asked.")
        }
        print(conflict.text)
        print("Write the image of \(image.rawValue) to the target, \(conflict.table) \(conflict.key)? [y/N] ", terminator: "")
        fflush(nil)
        guard ["y", "yes"].contains(readLine()?.lowercased()) else { throw UsageError("Nothing was changed.") }
    }
}

extension ConflictImage: ExpressibleByArgument {}

extension OutputOptions {
    func printConflicts(_ found: [(pipeline: String, conflicts: [DecidedConflict])], limit: Int) {
        if json { return printJSON(found.flatMap(\.conflicts)) }
        for (pipeline, conflicts) in found {
            if conflicts.isEmpty { print("pipeline \(pipeline): no conflicts") }
            for one in conflicts {
                let restored = one.restoredAt.map { ", put back at \($0) by \(one.restoredBy ?? "?")" } ?? ""
                print("conflict \(one.id)  pipeline \(pipeline), \(one.at)")
                print("  \(one.table) \(one.key): \(one.kind), by \(one.strategy): \(one.resultInWords)\(restored)")
            }
            if conflicts.count == limit, let last = conflicts.last { print("and maybe more: --before \(last.id)") }
        }
    }
}

extension DecidedConflict {
    var resultInWords: String {
        switch result {
        case "source": "the source's counts"
        case "target": "the target's counts"
        default: "both were merged"
        }
    }

    /// For a terminal.
    var text: String {
        let from = origin.map { ", first made at \($0)" } ?? ""
        var lines = [
            "conflict \(id)  pipeline \(pipeline), \(at)", "  \(table) \(key), change \(changeID)\(from)", "  \(kind), by \(strategy): \(resultInWords)",
        ]
        if let restoredAt { lines.append("  put back at \(restoredAt) by \(restoredBy ?? "?")") }
        let head = ["", "", "before", "source", "target", "now"]
        let absent = [before, source, target, outcome].map { $0 == nil }
        let rows = self.lines.map { line in [line.differs ? "≠" : "", line.column] + line.values.map { $0 ?? "" } }
        let missing = absent.contains(true) ? [["", ""] + absent.map { $0 ? "(no row)" : "" }] : []
        let table = [head] + missing + rows
        let widths = head.indices.map { column in min(40, table.map { $0[column].count }.max() ?? 0) }
        for row in table {
            let cells = zip(row, widths).map { cell, width in
                let cut = cell.count > width ? cell.prefix(width - 1) + "…" : cell
                return cut + String(repeating: " ", count: width - cut.count)
            }
            var line = "  " + cells.joined(separator: "  ")
            while line.hasSuffix(" ") { line.removeLast() }
            lines.append(line)
        }
        return lines.joined(separator: "\n")
    }
}
