import ArgumentParser
import Foundation
import TidemarkApp
import TidemarkCore

struct ParkedCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "parked",
        abstract: "Shows transactions that were set aside, and applies them or gives them up.",
        discussion: """
            With run --on-failure set-aside a transaction that cannot be applied is \
            parked in the target, with all later changes of the rows that it \
            touched, and the rest flows. The tables are not exact until each is \
            settled: retried once its cause is mended, or skipped.

            EXAMPLE
              tidemark parked list --source postgresql://db1/shop \\
                  --target postgresql://db2/shop
              tidemark parked show 3 --config /etc/tidemark.yaml --pipeline shop
              tidemark parked retry 3 --config /etc/tidemark.yaml --pipeline shop
            """,
        subcommands: [ParkedList.self, ParkedShow.self, ParkedRetry.self, ParkedSkip.self])
}

struct ParkedList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Lists the transactions that are set aside, each with its cause.",
        discussion: """
            EXAMPLE
              tidemark parked list --source postgresql://db1/shop \\
                  --target postgresql://db2/shop
              tidemark parked list --json --config /etc/tidemark.yaml
              tidemark parked list --audit --config /etc/tidemark.yaml
            """)
    @OptionGroup var options: PipelineOptions
    @Flag(help: "List what was done about parked transactions instead, and by whom; the newest first.")
    var audit = false
    @Option(help: ArgumentHelp("With --audit: how many lines, at most.", valueName: "number"))
    var limit = 100
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if limit < 1 { throw ValidationError("--limit takes a number above 0.") }
    }

    func run() async throws {
        try reportingErrors {
            let definitions = try options.definitions()
            if audit {
                return output.printParkedAudit(try definitions.map { ($0.name, try Parking($0).audit(limit: limit)) })
            }
            output.printParked(try definitions.map { ($0.name, try Parking($0).list()) })
        }
    }
}

struct ParkedShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Shows the changes of a parked transaction, beside the rows as the target has them.",
        discussion: """
            EXAMPLE
              tidemark parked show 3 --source postgresql://db1/shop \\
                  --target postgresql://db2/shop
              tidemark parked show 3 --after 48151623 --limit 20 --json \\
                  --config /etc/tidemark.yaml --pipeline shop
            """)
    @OptionGroup var options: PipelineOptions
    @Argument(help: ArgumentHelp("The number that tidemark parked list gives it.", valueName: "id"))
    var id: Int64
    @Option(help: ArgumentHelp("Only changes behind this one.", valueName: "change id"))
    var after: Int64 = 0
    @Option(help: ArgumentHelp("How many changes, at most.", valueName: "number"))
    var limit = 100
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if limit < 1 { throw ValidationError("--limit takes a number above 0.") }
    }

    func run() async throws {
        try reportingErrors {
            let parking = Parking(try options.definitions().only())
            let changes = try parking.changes(of: id, after: after, limit: limit)
            output.printParkedChanges(changes, of: try parking.list().first { $0.id == id }, isCut: changes.count == limit)
        }
    }
}

/// Which parked transactions are settled.
struct ParkedChoice: ParsableArguments {
    @Argument(help: ArgumentHelp("The number that tidemark parked list gives it.", valueName: "id"))
    var id: Int64?
    @Flag(help: "All that are parked, in one transaction of the target.")
    var all = false

    func validate() throws {
        guard (id == nil) == all else { throw ValidationError("Give the number of a parked transaction, or --all.") }
    }
}

struct ParkedRetry: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retry",
        abstract: "Applies a parked transaction, and all changes that wait for it, in their order.",
        discussion: """
            In one transaction of the target: where it cannot be applied still, \
            nothing is changed, and the cause is said. A worker that runs goes on.

            EXAMPLE
              tidemark parked retry 3 --source postgresql://db1/shop \\
                  --target postgresql://db2/shop
              tidemark parked retry --all --config /etc/tidemark.yaml --pipeline shop
            """)
    @OptionGroup var options: PipelineOptions
    @OptionGroup var choice: ParkedChoice
    @OptionGroup var output: OutputOptions

    func run() async throws {
        try reportingErrors {
            let parking = Parking(try options.definitions().only())
            output.printSettled(
                try choice.id.map { [try parking.retry($0, by: ThisProcess.operator)] } ?? parking.retryAll(by: ThisProcess.operator))
        }
    }
}

struct ParkedSkip: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "skip",
        abstract: "Gives a parked transaction up, with all changes that wait for it.",
        discussion: """
            The rows stay as the target has them, and later changes of them flow \
            again. The tables stay not exact until tidemark verify --repair, or a \
            copy, has made that good.

            EXAMPLE
              tidemark parked skip 3 --source postgresql://db1/shop \\
                  --target postgresql://db2/shop
              tidemark parked skip --all --config /etc/tidemark.yaml --pipeline shop
            """)
    @OptionGroup var options: PipelineOptions
    @OptionGroup var choice: ParkedChoice
    @OptionGroup var output: OutputOptions

    func run() async throws {
        try reportingErrors {
            let parking = Parking(try options.definitions().only())
            output.printSettled(try choice.id.map { [try parking.skip($0, by: ThisProcess.operator)] } ?? parking.skipAll(by: ThisProcess.operator))
        }
    }
}

extension OutputOptions {
    func printParked(_ parked: [(pipeline: String, transactions: [ParkedTransaction])]) {
        if json { return printJSON(parked.flatMap(\.transactions)) }
        for (pipeline, transactions) in parked {
            if transactions.isEmpty { print("pipeline \(pipeline): nothing is parked") }
            for one in transactions {
                print("parked \(one.id)  pipeline \(pipeline), transaction \(one.transaction), since \(one.parkedAt)")
                print("  \(Amount.text(one.changes, "change")), \(one.waitingChanges) of them of later transactions, in \(one.tables.joined(separator: ", "))")
                let place = [one.table.map { "table \($0)" }, one.key.map { "key \($0)" }, one.changeID.map { "change \($0)" }].compactMap(\.self)
                print("  \(place.isEmpty ? "" : place.joined(separator: ", ") + ": ")\(one.reason)")
                if !one.together.isEmpty { print("  settled together with \(one.together.map(String.init).joined(separator: ", "))") }
            }
        }
    }

    func printParkedChanges(_ changes: [ParkedChange], of parked: ParkedTransaction?, isCut: Bool) {
        if json { return printJSON(changes) }
        if let parked { printParked([(parked.pipeline, [parked])]) }
        for change in changes {
            print("change \(change.changeID)  \(change.operation) of \(change.table)\(change.key.map { " \($0)" } ?? "")\(change.isWaiting ? ", which waits" : "")")
            if let image = change.image { print("  parked  \(image)") }
            if change.key != nil { print("  target  \(change.targetRow ?? "no such row")") }
        }
        if isCut, let last = changes.last { print("and maybe more: --after \(last.changeID)") }
    }

    func printParkedAudit(_ lines: [(pipeline: String, audit: [ParkedAudit])]) {
        if json { return printJSON(lines.flatMap(\.audit)) }
        for (pipeline, audit) in lines {
            if audit.isEmpty { print("pipeline \(pipeline): nothing was ever parked") }
            for one in audit {
                print("\(one.at)  \(one.by)  \(one.action) \(one.parked): \(Amount.text(one.changes, "change")) in \(one.tables.joined(separator: ", "))\(one.detail.map { " (\($0))" } ?? "")")
            }
        }
    }

    func printSettled(_ audit: [ParkedAudit]) {
        if json { return printJSON(audit) }
        if audit.isEmpty { print("nothing is parked") }
        for one in audit { print("\(one.action) \(one.parked): \(Amount.text(one.changes, "change")) in \(one.tables.joined(separator: ", "))") }
        if audit.contains(where: { $0.action == "skipped" }) { print("The tables are not exact. Next: tidemark verify --repair …") }
    }
}
