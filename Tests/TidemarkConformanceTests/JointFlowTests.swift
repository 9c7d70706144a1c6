import Logging
import Testing
import TidemarkApp
import TidemarkCore
import TidemarkPipeline
import TidemarkTestSupport

/// Pipelines of one process that read one log for targets of their own.
@Suite("Many targets, read once", .ownThreads, .timeLimit(.minutes(5)))
struct JointFlowTests {
    private static let schema = "create table t (id int not null primary key, v text); create table w (id int not null primary key, v text)"

    /// One source with several targets.
    private struct FanOut {
        let source: any ScratchDatabase
        let targets: [any ScratchDatabase]
        let definitions: [PipelineDefinition]
        let logs = JointLogs()
        let figures: [PipelineMeter]
        private let silent = Logger(label: "fan-out") { _ in SwiftLogNoOpLogHandler() }

        /// - Parameter taking: the tables of each; nil for all.
        init(_ direction: Direction, taking tables: [String?]) throws {
            let source = try direction.source.database("source")
            try source.run(JointFlowTests.schema)
            self.source = source
            targets = try tables.map { _ in
                let target = try direction.target.database("target")
                try target.run(JointFlowTests.schema)
                return target
            }
            definitions = zip(tables, targets).enumerated().map { number, each in
                var definition = PipelineDefinition(name: "p\(number)", source: source.address, target: each.1.address)
                definition.include = each.0.map { [TablePattern("*\($0)")] }
                return definition
            }
            figures = tables.map { _ in PipelineMeter() }
            for definition in definitions { _ = try Installation(definition).setUp() }
        }

        func pipeline(_ number: Int) throws -> Pipeline {
            // Setup may have widened it since.
            var definition = definitions[number]
            definition.include = nil
            var settings = Pipeline.Settings(name: definitions[number].name, worker: "worker")
            (settings.existing, settings.idleLooksMs, settings.jointLogs) = (.keep, 100, logs)
            return try Pipeline(definition, settings, log: silent, figures: figures[number])
        }

        func rows(_ number: Int, _ table: String) throws -> [String] { try targets[number].rows(table, ["id", "v"]) }
        func sourceRows(_ table: String) throws -> [String] { try source.rows(table, ["id", "v"]) }

        /// Runs the pipelines of all targets beside `body`.
        func besideAll(_ body: () async throws -> Void) async throws {
            let pipelines = try targets.indices.map(pipeline)
            try await running(
                {
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        for pipeline in pipelines { group.addTask { try await pipeline.run() } }
                        try await group.waitForAll()
                    }
                }, until: { pipelines.forEach { $0.stop() } }, body)
        }

        struct Late: Error, CustomStringConvertible { let description: String }

        func wait(_ what: String, _ isSo: () throws -> Bool) async throws {
            let deadline = ContinuousClock.now + .seconds(60)
            while try !isSo() {
                guard ContinuousClock.now < deadline else {
                    throw Late(description: "not in a minute: \(what)")
                }
                try await Task.sleep(for: .milliseconds(10))
            }
        }
    }

    @Test("each target gets what its own reading would have brought, of all tables or of some", arguments: Direction.all)
    func equal(direction: Direction) async throws {
        let fan = try FanOut(direction, taking: [nil, nil, "t", "w"])
        try await fan.besideAll {
            try await WriteLoad.during(
                on: fan.source, seed: 11,
                { random in
                    let (id, table) = (Int.random(in: 0..<400, using: &random), Bool.random(using: &random) ? "t" : "w")
                    return switch Int.random(in: 0..<4, using: &random) {
                    case 0: "delete from \(table) where id = \(id)"
                    case 1: "begin; update t set v = v || '+' where id < \(id) and id > \(id - 20); update w set v = v || '-' where id = \(id); commit"
                    default: "insert into \(table) values (\(id), '\(random.next() % 1_000)') on conflict (id) do update set v = excluded.v"
                    }
                }
            ) {
                try await fan.wait("they take from each other") { fan.figures.allSatisfy { $0.reading.windows >= 20 && $0.reading.changesReadByOthers > 0 } }
            }
            try await fan.wait("all have come to the end") {
                for number in 0..<2 {
                    for table in ["t", "w"] where try fan.rows(number, table) != fan.sourceRows(table) { return false }
                }
                return try fan.rows(2, "t") == fan.sourceRows("t") && fan.rows(3, "w") == fan.sourceRows("w")
            }
        }
        for (number, table) in [(2, "w"), (3, "t")] { #expect(try fan.rows(number, table) == []) }
    }

    @Test("what capture may have missed stops who takes the table, and nobody else", arguments: ScratchEngine.allCases)
    func unseen(engine: ScratchEngine) async throws {
        let fan = try FanOut(Direction(source: engine, target: .sqlite), taking: ["t", nil])
        let (lenient, strict) = (try fan.pipeline(0), try fan.pipeline(1))
        try await running({ try await lenient.run() }, until: lenient.stop) {
            let failed = Task { try await strict.run() }
            try fan.source.run("insert into t values (1, 'a')")
            try await fan.wait("both are there") { try fan.rows(0, "t").count == 1 && fan.rows(1, "t").count == 1 }
            // Who is there later finds what was read already; where each time one of them has gone on by then, they share nothing.
            var rows = 1
            try await fan.wait("they read together") {
                rows += 1
                try fan.source.run("insert into t values (\(rows), 'a')")
                return fan.figures.contains { $0.reading.changesReadByOthers > 0 }
            }
            try await fan.wait("both have all rows") { try fan.rows(0, "t").count == rows && fan.rows(1, "t").count == rows }
            switch engine {
            case .postgres: try fan.source.run("alter table w disable trigger all")
            case .sqlite: try fan.source.run("alter table w rename to gone; create table w (id int not null primary key, v text)")
            }
            try fan.source.run("insert into w values (1, 'unseen'); insert into t values (-1, 'a')")
            try await fan.wait("who does not take the table goes on") { try fan.rows(0, "t").count == rows + 1 }
            let failure = await #expect(throws: TidemarkError.self) { try await failed.value }
            #expect(failure?.table?.name == "w", "\(String(describing: failure))")
            #expect(try fan.rows(1, "t").count == rows)
        }
    }

    @Test("a table that setup adds to two pipelines is not missed by the one that does not look", arguments: ScratchEngine.allCases)
    func widened(engine: ScratchEngine) async throws {
        let fan = try FanOut(Direction(source: engine, target: engine), taking: ["t", "t"])
        try await fan.besideAll {
            for id in 1..<8 {
                try fan.source.run("insert into t values (\(id), 'a')")
                try await fan.wait("both have row \(id)") { try fan.rows(0, "t").count == id && fan.rows(1, "t").count == id }
            }
            for var definition in fan.definitions {
                definition.include = [TablePattern("*t"), TablePattern("*w")]
                _ = try Installation(definition).setUp()
            }
            for id in 1..<8 {
                try fan.source.run("insert into w values (\(id), 'b'); insert into t values (\(id + 100), 'b')")
                try await fan.wait("both have the row of the added table") { try fan.rows(0, "w").count == id && fan.rows(1, "w").count == id }
            }
            // The two rows are two transactions in SQLite.
            try await fan.wait("both have all of both tables") {
                try (0..<2).allSatisfy { number in try ["t", "w"].allSatisfy { try fan.rows(number, $0) == fan.sourceRows($0) } }
            }
        }
    }
}
