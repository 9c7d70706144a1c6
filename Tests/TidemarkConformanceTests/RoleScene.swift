import Foundation
import Logging
import Synchronization
import Testing
import TidemarkApp
import TidemarkCore
import TidemarkPipeline
import TidemarkPostgres

/// Two databases that change their roles.
struct RoleScene {
    let flow: Flow
    var definition: PipelineDefinition { flow.definition }

    /// A table with a key that counts, one with a key of texts, and one without.
    init(_ direction: Direction, rows: Int = 50) throws {
        flow = try Flow(direction, Self.schema(direction.source), targetSchema: Self.schema(direction.target))
        for row in 1...rows { try flow.source.run("insert into account (owner, balance) values ('owner \(row)', \(row))") }
        try flow.source.run("insert into rate values ('a', 1), ('b', 300); insert into note values ('same'), ('same'), (null)")
        try flow.setUp()
    }

    static func schema(_ engine: ScratchEngine) -> String {
        """
        create table account (id \(engine == .postgres ? "serial primary key" : "integer primary key autoincrement"),
            owner varchar(40) unique, balance int not null default 0);
        create table rate (code varchar(10) not null primary key, value int);
        create table note (body text);
        """
    }

    static let tables: [(name: String, columns: [String])] = [
        ("account", ["id", "owner", "balance"]), ("rate", ["code", "value"]), ("note", ["body"]),
    ]

    func expectEqual(_ note: Comment = "") throws {
        for table in Self.tables { try flow.expectEqual(table.name, table.columns, note) }
    }

    /// Runs the worker once, in the direction in which the pipeline flows now.
    func follow(_ existing: TableCopy.Existing = .refuse) async throws {
        _ = try await flow.pipeline(definition.oriented(), existing).runOnce()
    }

    func switchover(_ options: Switchover.Options = Switchover.Options(), worker: String = "switchover") -> Switchover {
        Switchover(definition, options, worker: worker, log: Self.silent) { _ in }
    }

    @discardableResult
    func switchRoles(back: Bool = false) async throws -> Switchover.Outcome {
        var options = Switchover.Options()
        options.back = back
        return try await switchover(options).run()
    }

    func failover(_ options: Failover.Options = Failover.Options(), others: [PipelineDefinition] = []) -> Failover {
        Failover(definition, others: others, options, worker: "failover", log: Self.silent) { _ in }
    }

    func failback(
        _ lost: Failback.Choice? = nil, onConflict policy: Failback.ConflictPolicy = .stop, exportingTo file: String? = nil
    ) async throws -> Failback.Outcome {
        var options = Failback.Options()
        (options.lost, options.onConflict) = (lost, policy)
        return try await Failback(definition, options, worker: "failback", log: Self.silent) { _ in }.run(exportingTo: file)
    }

    static let silent = Logger(label: "roles") { _ in SwiftLogNoOpLogHandler() }

    /// Is a write refused, and does the refusal say why?
    func expectRefused(_ database: any ScratchDatabase, _ sql: String = "update account set balance = balance + 1") {
        #expect { try database.run(sql) } throws: { error in "\(error)".contains("tidemark") && "\(error)".contains("main") }
    }
}

extension RoleScene {
    /// What a comparison of all tables says, in the direction in which the pipeline flows now.
    func verify() async throws -> [TableVerdict] {
        let verdicts = Mutex<[TableVerdict]>([])
        try await flow.pipeline(definition.oriented()).verify(VerifyRequest(startedAt: "2026-01-02T00:00:00Z"), lag: { (0, 0) }) { verdict in
            verdicts.withLock { $0.append(verdict) }
        }
        return verdicts.withLock { $0 }
    }

    func run() throws -> PipelineRun {
        var settings = Pipeline.Settings(name: definition.name, worker: "worker")
        settings.reconnectWaitMaxMs = 200
        return try PipelineRun(definition.oriented(), settings, log: Self.silent)
    }

    /// Looks again until it is so, for a minute at most.
    func wait(_ isSo: () throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while try !isSo() {
            guard ContinuousClock.now < deadline else {
                Issue.record("it did not come about in a minute")
                return
            }
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    /// A worker that has read a window and is late with applying it.
    func lateWindow(_ sql: String) throws -> LateWindow {
        let (sourceEngine, targetEngine) = (
            try Engines.accepting(definition.source, of: "source"), try Engines.accepting(definition.target, of: "target"))
        let (source, target) = (try sourceEngine.source(definition.source), try targetEngine.target(definition.target, pipeline: definition.name))
        let cursor = try target.takeOver(worker: "late")
        try flow.source.run(sql)
        let selection = try source.selection(of: definition.name)
        let window = try #require(try source.windows(after: cursor, taking: TakenTables(selection), upTo: nil).first)
        let tables = Dictionary(uniqueKeysWithValues: try source.capturedTables().map { ($0.capture, $0) })
        var pages: [ChangePage] = []
        try source.read(window, captures: tables.keys.sorted()) { pages.append($0) }
        return LateWindow(target: target, window: window, tables: tables, cursor: cursor, pages: pages)
    }

    /// As a switchover leaves it that died after its fence.
    func raiseFence() throws {
        let engine = try Engines.accepting(definition.source, of: "source")
        let roles = try engine.roleAdministration(definition.source, side: "source")
        try roles.installRoles()
        let tables = try engine.sourceAdministration(definition.source).tables(TableSelection()).map(\.name)
        try roles.raiseGuard(on: tables, of: definition.name, noting: Standing(.fenced, epoch: 2, cause: .switchover), waitMs: 5_000)
    }
}

struct LateWindow {
    let target: any ChangeTarget
    let window: Window
    let tables: [Int32: CapturedTable]
    let cursor: Cursor
    let pages: [ChangePage]

    func apply() throws {
        var left = pages[...]
        _ = try target.apply(window, tables: tables, moving: cursor, order: .paged) { left.popFirst() }
    }
}

/// A PostgreSQL session with a transaction that is not ended.
struct OpenTransaction {
    private let session: PostgresSession

    init(on database: any ScratchDatabase, _ sql: String) throws {
        session = try PostgresSession(database.address)
        try session.run("set search_path = public; begin; \(sql)")
    }

    func commit() throws { try session.run("commit") }
}
