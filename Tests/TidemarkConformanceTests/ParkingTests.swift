import Testing
import TidemarkApp
import TidemarkCore
import TidemarkPipeline
import TidemarkTestSupport

/// Transactions that the target refuses are set aside, and settled later.
@Suite("Set aside")
struct ParkingTests {
    static let schema = "create table account (id integer primary key, owner text, balance integer); create table note (body text)"
    static let columns = ["id", "owner", "balance"]

    /// The target refuses two accounts of one owner, and two equal notes.
    static func flow(_ direction: Direction, targetSchema: String? = nil) async throws -> Flow {
        let strict = schema + "; create unique index one_owner on account (owner); create unique index one_note on note (body)"
        var flow = try Flow(direction, schema, targetSchema: targetSchema ?? strict)
        flow.definition.failurePolicy = .setAside
        try flow.setUp()
        try flow.source.run("insert into account values (1, 'a', 1), (2, 'b', 2), (3, 'c', 3)")
        try await flow.follow()
        return flow
    }

    static func mend(_ flow: Flow) throws { try flow.target.run("drop index one_owner; drop index one_note") }

    static func expectEqual(_ flow: Flow, _ note: Comment = "") async throws {
        try flow.expectEqual("account", columns, note)
        try flow.expectEqual("note", ["body"], note)
        let verdicts = try await VerifyTests.verify(flow)
        #expect(verdicts.allSatisfy { $0.isEqual }, note)
    }

    static func failure(_ body: () async throws -> Void) async -> TidemarkError? {
        do {
            try await body()
            return nil
        } catch {
            return error as? TidemarkError
        }
    }

    @Test("one transaction of a window is set aside, the rest flows, and what comes later of its rows waits", arguments: Direction.all)
    func oneTransaction(direction: Direction) async throws {
        let flow = try await Self.flow(direction)
        let parking = Parking(flow.definition)
        // SQLite notes no transactions: there a change counts as one.
        let isWhole = direction.source == .postgres
        try flow.source.run("update account set balance = 10 where id = 1")
        try flow.source.run("begin; insert into account values (4, 'a', 4); insert into account values (5, 'e', 5); commit")
        try flow.source.run("begin; update account set balance = 20 where id = 2; update account set balance = 44 where id = 4; commit")
        try await flow.follow()
        let here = ["1|a|10", "2|b|20", "3|c|3"]
        #expect(try flow.target.rows("account", Self.columns) == here + (isWhole ? [] : ["5|e|5"]))

        let parked = try #require(try parking.list().first)
        #expect(try parking.list().count == 1 && parked.table == flow.name("account").description && parked.key?.contains("4") == true)
        #expect(parked.changes == (isWhole ? 3 : 2) && parked.waitingChanges == 1 && parked.reason.contains("parked retry"))
        var status = try StatusReport(of: flow.definition)
        #expect(status.state == .current && status.parkedTransactions == 1 && status.parkedChanges == parked.changes)
        #expect(status.notExactTables == [flow.name("account").description] && status.problem?.contains("tidemark parked list") == true)

        // Nothing was applied of it, and each process begins anew with what is held.
        try flow.source.run("update account set balance = 45 where id = 4; update account set balance = 11 where id = 1")
        try await flow.follow()
        let changes = try parking.changes(of: parked.id, limit: 10)
        #expect(changes.count == (isWhole ? 4 : 3) && changes.map(\.isWaiting) == (isWhole ? [false, false, true, true] : [false, true, true]))
        #expect(changes.last?.image?.contains("45") == true && changes.allSatisfy { $0.targetRow == nil })
        #expect(try parking.changes(of: parked.id, after: changes[0].changeID, limit: 1).map(\.changeID) == [changes[1].changeID])
        #expect(try flow.target.rows("account", Self.columns).first == "1|a|11")

        // The cause is still there.
        let refusal = await Self.failure { _ = try parking.retry(parked.id, by: "tester") }
        #expect(refusal?.remedy.contains("tidemark parked retry") == true && refusal?.remedy.contains("Nothing was changed") == true, "\(refusal as Any)")
        #expect(try parking.list().count == 1)

        try flow.target.run("drop index one_owner")
        let audit = try parking.retry(parked.id, by: "tester")
        #expect(audit.action == "retried" && audit.changes == (isWhole ? 4 : 3) && audit.by == "tester" && audit.parked == parked.id)
        try await flow.follow()
        try await Self.expectEqual(flow)
        status = try StatusReport(of: flow.definition)
        #expect(status.parkedTransactions == 0 && status.notExactTables.isEmpty && status.problem == nil)
        #expect(try parking.audit(limit: 10).map(\.action) == ["retried", "parked"])
        let unknown = await Self.failure { _ = try parking.retry(parked.id, by: "tester") }
        #expect(unknown?.remedy.contains("tidemark parked list") == true)
    }

    @Test("what is skipped stays as the target has it, and the table not exact until that is made good", arguments: Direction.all)
    func skip(direction: Direction) async throws {
        let flow = try await Self.flow(direction)
        let parking = Parking(flow.definition)
        try flow.source.run("begin; update account set owner = 'a', balance = 9 where id = 3; commit")
        try await flow.follow()
        let parked = try #require(try parking.list().first)
        let change = try #require(try parking.changes(of: parked.id, limit: 10).first)
        #expect(change.targetRow?.contains("\"c\"") == true && change.image != nil && change.operation == "update")
        try Self.mend(flow)
        #expect(try parking.skip(parked.id, by: "tester").action == "skipped")
        try await flow.follow()
        #expect(try flow.target.rows("account", Self.columns).last == "3|c|3")
        var status = try StatusReport(of: flow.definition)
        #expect(status.parkedTransactions == 0 && status.notExactTables == [flow.name("account").description])
        #expect(status.problem?.contains("tidemark verify --repair") == true)
        // Later changes of the row flow again.
        try flow.source.run("update account set balance = 10 where id = 3")
        try await flow.follow()
        #expect(try flow.target.rows("account", Self.columns).last == "3|a|10")
        try flow.target.run("update account set balance = 0 where id = 3")
        #expect(try await VerifyTests.verify(flow).contains { !$0.isEqual })
        #expect(try !StatusReport(of: flow.definition).notExactTables.isEmpty)
        _ = try await VerifyTests.verify(flow, repair: .apply)
        try await Self.expectEqual(flow)
        status = try StatusReport(of: flow.definition)
        #expect(status.notExactTables.isEmpty && status.problem == nil)
    }

    @Test("a table or a column that is not there holds its table, and no other", arguments: Direction.all)
    func missing(direction: Direction) async throws {
        let flow = try await Self.flow(direction, targetSchema: "create table account (id integer primary key, owner text, balance integer)")
        try flow.source.run("begin; insert into note values ('x'); update account set balance = 10 where id = 1; commit")
        try flow.source.run("begin; insert into note values ('y'); update account set balance = 20 where id = 2; commit")
        try await flow.follow()
        let isWhole = direction.source == .postgres
        #expect(try flow.target.rows("account", Self.columns) == ["1|a|\(isWhole ? 1 : 10)", "2|b|20", "3|c|3"])
        try flow.source.run("insert into note values ('z')")
        try await flow.follow()
        let parking = Parking(flow.definition)
        #expect(try parking.list().map(\.changes) == [isWhole ? 4 : 3], "the table waits behind the first that needed it")
        try flow.target.run("create table note (other text)")
        let refusal = await Self.failure { _ = try parking.retryAll(by: "tester") }
        #expect(refusal?.what.contains("lacks a column") == true)
        try flow.target.run("drop table note; create table note (body text)")
        #expect(try parking.retryAll(by: "tester").count == 1)
        try flow.source.run("insert into note values ('z')")
        try await flow.follow()
        try await Self.expectEqual(flow)
    }

    @Test("a table without a key waits as a whole", arguments: Direction.all)
    func wholeTable(direction: Direction) async throws {
        let flow = try await Self.flow(direction)
        try flow.source.run("insert into note values ('x')")
        try await flow.follow()
        try flow.source.run("insert into note values ('x')")
        try flow.source.run("insert into note values ('y'); delete from note; insert into note values ('x')")
        try flow.source.run("update account set balance = 10 where id = 1")
        try await flow.follow()
        #expect(try flow.target.rows("note", ["body"]) == ["x"] && flow.target.rows("account", ["balance"]).contains("10"))
        try Self.mend(flow)
        _ = try Parking(flow.definition).retryAll(by: "tester")
        try await flow.follow()
        try await Self.expectEqual(flow)
    }

    @Test("a worker that runs goes on while what is parked is settled", .ownThreads, arguments: Direction.all)
    func besideWorker(direction: Direction) async throws {
        let flow = try await Self.flow(direction)
        let parking = Parking(flow.definition)
        try await flow.besideWorker {
            try flow.source.run("insert into account values (4, 'a', 4)")
            try await Self.until { try !parking.list().isEmpty }
            try flow.source.run("update account set balance = 44 where id = 4")
            try await Self.until { try parking.list().first?.changes == 2 }
            try flow.source.run("insert into account values (6, 'f', 6)")
            try await Self.until { try flow.target.rows("account", ["id"]).contains("6") }
            try Self.mend(flow)
            _ = try parking.retryAll(by: "tester")
            try flow.source.run("update account set balance = 45 where id = 4")
            try await Self.until { try flow.target.rows("account", Self.columns).contains("4|a|45") }
        }
        try await Self.expectEqual(flow)
    }

    static func until(_ isSo: () throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while try !isSo() {
            guard ContinuousClock.now < deadline else {
                Issue.record("it did not come about")
                throw CancellationError()
            }
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    @Test("random histories: rows that nothing parked holds are the source's, and all are once that is settled", arguments: Direction.all, 1...3)
    func randomHistories(direction: Direction, seed: Int) async throws {
        var random = SeededRandom(seed: UInt64(seed))
        let flow = try await Self.flow(direction)
        let parking = Parking(flow.definition)
        for round in 0..<6 {
            for _ in 0..<Int.random(in: 2...12, using: &random) {
                let statements = (0..<Int.random(in: 1...4, using: &random)).map { _ in Self.statement(&random) }
                try flow.source.run("begin; \(statements.joined(separator: "; ")); commit")
            }
            try await flow.follow()
            try Self.expectFreeRowsEqual(flow, "seed \(seed), round \(round)")
            if round == 3, let some = try parking.list().randomElement(using: &random) { _ = try? parking.retry(some.id, by: "tester") }
            try Self.expectFreeRowsEqual(flow, "seed \(seed), round \(round), after a retry")
        }
        #expect(try !parking.list().isEmpty, "the history parks something")
        try Self.mend(flow)
        if Bool.random(using: &random) {
            for one in try parking.list().shuffled(using: &random) where try parking.list().contains(where: { $0.id == one.id }) {
                _ = try parking.retry(one.id, by: "tester")
            }
        } else {
            _ = try parking.retryAll(by: "tester")
        }
        try await flow.follow()
        try await Self.expectEqual(flow, "seed \(seed)")
    }

    private static func statement(_ random: inout SeededRandom) -> String {
        let (id, owner, balance) = (Int.random(in: 1...30, using: &random), Int.random(in: 1...60, using: &random), Int.random(in: 1...99, using: &random))
        return switch Int.random(in: 0..<10, using: &random) {
        case 0..<5: "insert into account values (\(id), 'o\(owner)', \(balance)) on conflict (id) do update set owner = excluded.owner, balance = excluded.balance"
        case 5..<7: "update account set balance = \(balance) where id = \(id)"
        case 7: "update account set id = \(id + 100) where id = \(id) and not exists (select 1 from account where id = \(id + 100))"
        default: "delete from account where id = \(id)"
        }
    }

    /// Unless its whole table waits.
    private static func expectFreeRowsEqual(_ flow: Flow, _ note: Comment) throws {
        let target = try Connections(flow.definition).target()
        let scope = try #require(try target.parkedScope())
        let held = scope.tables[flow.name("account")]
        guard held?.whole == nil else { return }
        let keys = Set((held?.holders.keys.map { String($0) } ?? []).compactMap { Int($0.filter(\.isNumber)) })
        func free(_ rows: [String]) -> [String] { rows.filter { !keys.contains(Int($0.prefix { $0 != "|" }) ?? 0) } }
        #expect(free(try flow.target.rows("account", columns)) == free(try flow.source.rows("account", columns)), note)
    }
}
