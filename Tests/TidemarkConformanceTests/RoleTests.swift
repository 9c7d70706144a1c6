import TidemarkApp
import Testing
import TidemarkCore
import TidemarkPipeline

/// What a change of roles does to one database, whichever engine keeps it.
@Suite("Roles")
struct RoleTests {
    private static let schema = "create table \"odd \"\"na'me\" (id integer primary key, v text unique); create table b (id integer primary key, v text);"
    private static let replica = Standing(.replica, epoch: 1, cause: .setup)

    private func roles(_ address: String) throws -> any RoleAdministration {
        let roles = try Engines.accepting(address, of: "target").roleAdministration(address, side: "target")
        try roles.installRoles()
        return roles
    }

    private func target(_ flow: Flow) throws -> any ChangeTarget {
        try Engines.accepting(flow.target.address, of: "target").target(flow.target.address, pipeline: "main")
    }

    private func tables(_ database: any ScratchDatabase) -> [TableName] {
        ["odd \"na'me", "b"].map { TableName(schema: database is ScratchPostgres ? "public" : nil, name: $0) }
    }

    private func refusal(_ database: any ScratchDatabase, _ sql: String) -> String {
        do {
            try database.run(sql)
            Issue.record("not refused: \(sql)")
            return ""
        } catch { return "\(error)" }
    }

    @Test("a guard refuses every write but the pipeline's, and lets all in again", arguments: Direction.all)
    func guarded(direction: Direction) async throws {
        let flow = try Flow(direction, Self.schema)
        try flow.setUp()
        try flow.source.run("insert into \"odd \"\"na'me\" values (1, 'a'), (2, 'b')")
        try await flow.follow()
        let roles = try roles(flow.target.address)
        #expect(try roles.unguarded(tables(flow.target), of: "main") == tables(flow.target))
        #expect(try roles.planGuard(on: tables(flow.target), of: "main").count >= 4)
        #expect(try roles.guardedTables(of: "main").isEmpty)
        let gone = TableName(schema: tables(flow.target)[0].schema, name: "gone")
        try roles.raiseGuard(on: tables(flow.target) + [gone], of: "main", noting: Self.replica, waitMs: 5_000)
        #expect(try roles.guardedTables(of: "main") == Set(tables(flow.target)))
        #expect(try roles.unguarded(tables(flow.target), of: "main").isEmpty)
        #expect(try roles.planGuard(on: tables(flow.target), of: "main").isEmpty)
        for sql in ["insert into b values (1, 'x')", "update \"odd \"\"na'me\" set v = 'x'", "delete from \"odd \"\"na'me\""] {
            let said = refusal(flow.target, sql)
            #expect(said.contains("this database is a replica of pipeline main"), "\(said)")
        }
        try flow.source.run("update \"odd \"\"na'me\" set v = v || '!'; delete from \"odd \"\"na'me\" where id = 2; insert into b values (7, 'q')")
        try await flow.follow()
        try flow.expectEqual("\"odd \"\"na'me\"", ["id", "v"])
        try flow.expectEqual("b", ["id", "v"])
        try roles.liftGuard(of: "main", noting: Standing(.primary, epoch: 2, cause: .failover), closing: nil)
        #expect(try roles.guardedTables(of: "main").isEmpty)
        try flow.target.run("insert into b values (1, 'x'); update \"odd \"\"na'me\" set v = 'x'")
    }

    @Test("a copy and a repair pass the guard", arguments: Direction.all)
    func rowsPass(direction: Direction) async throws {
        let flow = try Flow(direction, Self.schema)
        try flow.source.run("insert into b values (1, 'a'), (2, 'b')")
        try flow.target.run("insert into b values (9, 'stranger')")
        try flow.setUp()
        let roles = try roles(flow.target.address)
        try roles.raiseGuard(on: tables(flow.target), of: "main", noting: Self.replica, waitMs: 5_000)
        try await flow.follow(.empty)
        try flow.expectEqual("b", ["id", "v"])
        try roles.liftGuard(of: "main", noting: Self.replica, closing: nil)
        try flow.target.run("update b set v = 'wrong' where id = 1; insert into b values (3, 'extra'); delete from b where id = 2")
        try roles.raiseGuard(on: tables(flow.target), of: "main", noting: Self.replica, waitMs: 5_000)
        var request = VerifyRequest(startedAt: "2026-01-01T00:00:00Z")
        request.repair = .apply
        try await flow.pipeline(flow.definition).verify(request, lag: { (0, 0) }, report: { _ in })
        try flow.expectEqual("b", ["id", "v"])
    }

    @Test("standings are kept with the place where they start, and the time since when", arguments: ScratchEngine.allCases)
    func standings(engine: ScratchEngine) throws {
        let database = try engine.database("roles")
        let address = database.address
        let bare = try Engines.accepting(address, of: "target").roleAdministration(address, side: "target")
        #expect(try bare.standing(of: "main") == nil)
        let roles = try roles(address)
        #expect(try roles.standing(of: "main") == nil)
        var standing = Standing(.primary, epoch: 3, cause: .switchover)
        standing.start = Cursor(source: "here", snapshot: .change(7), witness: "w", lastID: 7, epoch: 0)
        try roles.note(standing, of: "main")
        let first = try #require(try roles.standing(of: "main"))
        try roles.note(standing, of: "main")
        #expect(try roles.standing(of: "main") == first)
        standing.since = first.since
        #expect(first == standing)
        #expect(try roles.standing(of: "other") == nil)
    }

    @Test("a captured table takes no notice of its guard: no new generation, no gap, and the worker goes on", arguments: Direction.all)
    func captured(direction: Direction) async throws {
        let flow = try Flow(direction, Self.schema)
        try flow.setUp()
        try flow.source.run("insert into b values (1, 'a')")
        try await flow.follow()
        let source = try Engines.accepting(flow.source.address, of: "source").source(flow.source.address)
        let generations = try source.capturedTables()
        let roles = try roles(flow.source.address)
        let fenced = Standing(.fenced, epoch: 1, cause: .switchover)
        for _ in 1...2 {
            try roles.raiseGuard(on: tables(flow.source), of: "main", noting: fenced, waitMs: 5_000)
            let said = refusal(flow.source, "insert into b values (2, 'b')")
            #expect(said.contains("this database is fenced"), "\(said)")
            #expect(try Installation(flow.definition).check().filter { $0.finding.severity == .problem }.isEmpty)
            try await flow.follow()
            try roles.liftGuard(of: "main", noting: Standing(.primary, epoch: 1, cause: .switchover), closing: nil)
            try flow.source.run("update b set v = v || '+'")
            try await flow.follow()
            try flow.setUp()
            #expect(try source.capturedTables() == generations)
        }
        try roles.raiseGuard(on: tables(flow.source), of: "main", noting: fenced, waitMs: 5_000)
        try flow.setUp()
        #expect(try source.capturedTables() == generations)
        try await flow.follow()
        try flow.expectEqual("b", ["id", "v"])
    }

    @Test("who holds the pipeline keeps others from it, and a worker of before stops", arguments: Direction.all)
    func held(direction: Direction) async throws {
        let flow = try Flow(direction, Self.schema)
        try flow.setUp()
        let roles = try roles(flow.target.address)
        let (worker, other) = (try target(flow), try target(flow))
        let cursor = try worker.takeOver(worker: "one")
        let held = try roles.hold("main", for: .switchover, by: "changer")
        #expect(held.epoch == cursor.epoch + 1)
        let late = #expect(throws: TidemarkError.self) { try worker.cursor() }
        #expect(late?.retry == .takenOver)
        let refused = #expect(throws: TidemarkError.self) { try other.takeOver(worker: "two") }
        #expect(refused?.why.contains("changer") == true && refused?.remedy.contains("tidemark switchover") == true)
        #expect(throws: TidemarkError.self) { try other.cursor() }
        #expect(throws: TidemarkError.self) { try roles.hold("main", for: .paused, by: "somebody") }
        let own = try other.takeOver(worker: "changer")
        #expect(own.epoch == held.epoch + 1)
        #expect(try other.cursor() == own)
        #expect(try roles.hold("main", for: .switchover, by: "again").epoch == own.epoch + 1)
        try roles.release("main")
        #expect(try worker.takeOver(worker: "one").epoch == own.epoch + 2)
    }

    @Test("a promoted target takes no row any more, from nobody", arguments: Direction.all)
    func closed(direction: Direction) async throws {
        let flow = try Flow(direction, Self.schema)
        try flow.setUp()
        try flow.source.run("insert into b values (1, 'a')")
        let reached = try await flow.follow()
        let engine = try Engines.accepting(flow.target.address, of: "target")
        let roles = try roles(flow.target.address)
        try roles.raiseGuard(on: tables(flow.target), of: "main", noting: Self.replica, waitMs: 5_000)
        var stale = reached
        stale.epoch -= 1
        let promoted = Standing(.primary, epoch: 2, cause: .failover)
        let overtaken = #expect(throws: TidemarkError.self) { try roles.liftGuard(of: "main", noting: promoted, closing: stale) }
        #expect(overtaken?.retry == .takenOver)
        #expect(try roles.guardedTables(of: "main") == Set(tables(flow.target)))
        #expect(try roles.standing(of: "main")?.role == .replica)
        try roles.liftGuard(of: "main", noting: promoted, closing: reached)
        let administration = try engine.targetAdministration(flow.target.address)
        let stored = try #require(try administration.cursor(of: "main"))
        #expect(stored.closedAt != nil && stored.cursor.epoch == reached.epoch + 1)

        let refused = #expect(throws: TidemarkError.self) { try target(flow).takeOver(worker: "late") }
        #expect(refused?.what.contains("promoted") == true)
        #expect(throws: TidemarkError.self) { try target(flow).cursor() }
        // What a worker of before, and one that read the cursor as it is now, would do.
        let table = try #require(
            try Engines.accepting(flow.source.address, of: "source").source(flow.source.address).capturedTables().first { $0.name.name == "b" })
        var page = ChangePage()
        Array(#"{"id":1}"#.utf8).withUnsafeBytes { page.append(id: 1, capture: table.capture, operation: .delete, key: $0, image: nil) }
        for cursor in [reached, stored.cursor] {
            let rows = try engine.rowTarget(flow.target.address, pipeline: "main")
            let copy = TableCopy(table.name, .empty)
            let window = Window(start: cursor.snapshot, end: cursor.snapshot, witness: "w", afterID: 0, throughID: .max)
            #expect(throws: TidemarkError.self) { try rows.begin(copy, of: table, at: cursor) }
            #expect(throws: TidemarkError.self) { try rows.save(copy, at: cursor, changesStream: false) }
            #expect(throws: TidemarkError.self) { try rows.save(copy, at: cursor, changesStream: true) }
            #expect(throws: TidemarkError.self) { try rows.repair([], of: table, with: page, at: cursor) }
            #expect(throws: TidemarkError.self) { try rows.finish(table.name, running: ["create index late on b (v)"], at: cursor) }
            var pages: [RowPage] = [.changes(page)]
            #expect(throws: TidemarkError.self) {
                try rows.load(table, as: .changes, order: .paged, at: cursor, saving: nil) { pages.popLast() }
            }
            var changes = [page]
            #expect(throws: TidemarkError.self) {
                try target(flow).apply(window, tables: [table.capture: table], moving: cursor, order: .paged) { changes.popLast() }
            }
        }
        #expect(try flow.target.rows("b", ["id", "v"]) == ["1|a"])
        try flow.target.run("create index late on b (v)")
    }

    @Test("a database that follows another from a place on needs no copy, and its epoch goes on rising", arguments: Direction.all)
    func follows(direction: Direction) async throws {
        let flow = try Flow(direction, Self.schema)
        try flow.source.run("insert into b values (1, 'a')")
        try flow.target.run("insert into b values (1, 'a')")
        try flow.setUp()
        try await flow.follow()
        let source = try Engines.accepting(flow.source.address, of: "source")
        let roles = try roles(flow.target.address)
        let held = try roles.hold("main", for: .failback, by: "changer")
        let start = try source.sourceAdministration(flow.source.address).startCursor(of: "main")
        let generations = try source.source(flow.source.address).capturedTables().filter { !$0.isRetired }
        try roles.follow(start, tables: Dictionary(uniqueKeysWithValues: generations.map { ($0.name, $0.capture) }), of: "main")
        let administration = try Engines.accepting(flow.target.address, of: "target").targetAdministration(flow.target.address)
        let stored = try #require(try administration.cursor(of: "main"))
        #expect(stored.cursor.epoch == held.epoch + 1 && stored.hold == nil && stored.cursor.snapshot == start.snapshot)
        #expect(try administration.proofs(of: "main").isEmpty)
        let copies = try administration.copies(of: "main")
        #expect(copies.count == 2 && copies.allSatisfy { $0.state == .done && $0.existing == .keep && $0.capture > 0 })
        try flow.source.run("insert into b values (2, 'b')")
        try await flow.follow(.refuse)
        try flow.expectEqual("b", ["id", "v"])
        // A database that never followed any.
        let fresh = try direction.target.database("fresh")
        try Engines.accepting(fresh.address, of: "target").targetAdministration(fresh.address).install()
        try self.roles(fresh.address).follow(start, tables: [:], of: "main")
        #expect(try Engines.accepting(fresh.address, of: "target").targetAdministration(fresh.address).cursor(of: "main")?.cursor.epoch == 1)
    }

    @Test("teardown leaves nothing of a guard, on either side", arguments: Direction.all)
    func tornDown(direction: Direction) async throws {
        let flow = try Flow(direction, Self.schema)
        let before = (try flow.source.schema(), try flow.target.schema())
        try flow.setUp()
        for database in [flow.source, flow.target] {
            let roles = try roles(database.address)
            try roles.raiseGuard(on: tables(database), of: "main", noting: Self.replica, waitMs: 5_000)
        }
        #expect(try Installation(flow.definition).planTearDown().filter { $0.statement.sql.lowercased().contains("drop trigger") }.count >= 4)
        try Installation(flow.definition).tearDown()
        #expect(try flow.source.schema() == before.0)
        #expect(try flow.target.schema() == before.1)
        try flow.source.run("insert into b values (1, 'a')")
        try flow.target.run("insert into b values (1, 'a')")
    }

    @Test("a table that one pipeline guards is not another's to guard", arguments: ScratchEngine.allCases)
    func twoPipelines(engine: ScratchEngine) throws {
        let database = try engine.database("roles")
        try database.run(Self.schema)
        let roles = try roles(database.address)
        try roles.raiseGuard(on: tables(database), of: "main", noting: Self.replica, waitMs: 5_000)
        #expect(throws: TidemarkError.self) {
            try roles.raiseGuard(on: tables(database), of: "other", noting: Self.replica, waitMs: 5_000)
        }
        #expect(try roles.standing(of: "other") == nil)
        try roles.liftGuard(of: "other", noting: Self.replica, closing: nil)
        #expect(try roles.guardedTables(of: "main").count == 2)
    }
}
