import Synchronization
import Testing
import TidemarkApp
import TidemarkCore
import TidemarkPipeline
import TidemarkTestSupport

@Suite("Verify and repair")
struct VerifyTests {
    /// One look at a pipeline's tables, beside whatever else works on it.
    static func verify(
        _ flow: Flow, repair: VerifyRequest.Repair = .none, settings: Pipeline.Settings = CopyTests.settings(worker: "verify"),
        lag: @escaping Lag = { (0, 0) }, asking change: (inout VerifyRequest) -> Void = { _ in }
    ) async throws -> [TableVerdict] {
        var request = VerifyRequest(startedAt: "2026-01-01T00:00:00Z")
        (request.repair, request.listedMax) = (repair, 1000)
        change(&request)
        let verdicts = Mutex<[TableVerdict]>([])
        try await flow.pipeline(flow.definition, settings).verify(request, lag: lag) { verdict in
            verdicts.withLock { $0.append(verdict) }
        }
        return verdicts.withLock { $0 }
    }

    private static func verdict(_ verdicts: [TableVerdict], _ table: String) throws -> TableVerdict {
        try #require(verdicts.first { $0.proof.table.name == table })
    }

    private static func replica(_ direction: Direction, rows: Int) async throws -> Flow {
        let flow = try CopyTests.flow(direction, rows: rows)
        _ = try await flow.pipeline(flow.definition, CopyTests.settings()).runOnce()
        return flow
    }

    /// Keys as the value of their first column, whatever encoding they travel in.
    private static func keys(_ verdict: TableVerdict, _ kind: RowDifference.Kind) -> Set<String> {
        Set(verdict.listed.filter { $0.kind == kind }.map { $0.key.filter(\.isNumber) })
    }

    @Test("planted differences of every kind are all found, and nothing else, under write load", arguments: Direction.all)
    func plantedUnderLoad(direction: Direction) async throws {
        let flow = try await Self.replica(direction, rows: 1200)
        // Far from what the load touches.
        try flow.source.run("insert into account values (1000001, 'p', 1), (1000002, 'q', 2), (1000003, 'r', 3), (1000004, null, 4)")
        _ = try await flow.pipeline(flow.definition, CopyTests.settings()).runOnce()
        try flow.target.run(
            """
            update account set balance = 77 where id = 1000001; update account set owner = null, balance = 3 where id = 1000002;
            update account set owner = '' where id = 1000004;
            delete from account where id = 1000003; insert into account values (1000009, 's', 1);
            insert into entry values (12345, 'planted'); insert into entry values (12345, 'planted')
            """)
        try await flow.besideWorker {
            let transactions = try await WriteLoad.during(on: flow.source, seed: 3, CopyTests.transaction(1200)) {
                for _ in 0..<3 { try await Self.expectPlanted(in: flow) }
            }
            #expect(transactions > 0)
        }
        #expect(try StatusReport(of: flow.definition).differing.count == 2)
    }

    private static func expectPlanted(in flow: Flow) async throws {
        let verdicts = try await Self.verify(flow)
        let account = try Self.verdict(verdicts, "account")
        #expect(Self.keys(account, .missing) == ["1000003"] && Self.keys(account, .extra) == ["1000009"])
        #expect(Self.keys(account, .different) == ["1000001", "1000002", "1000004"])
        #expect(account.proof.differences == 5)
        let columns = Dictionary(uniqueKeysWithValues: account.listed.map { ($0.key.filter(\.isNumber), $0.columns) })
        #expect(columns["1000001"] == ["balance"] && columns["1000002"] == ["owner", "balance"] && columns["1000004"] == ["owner"])
        let entry = try Self.verdict(verdicts, "entry")
        #expect(entry.listed.count == 1 && entry.listed.first?.kind == .extra && entry.listed.first?.count == 2)
        #expect(try Self.verdict(verdicts, "line").isEqual)
    }

    @Test("repair under write load ends equal, and is logged", arguments: Direction.all)
    func repairUnderLoad(direction: Direction) async throws {
        let flow = try await Self.replica(direction, rows: 800)
        try flow.target.run(
            """
            update account set balance = balance + 1 where id % 5 = 0; delete from account where id % 7 = 0;
            insert into account values (-1, 'extra', 1), (-2, 'owner -2', 1);
            update line set amount = 1 where place % 11 = 0; delete from line where place > 760;
            insert into line values ('nobody', -1, 1)
            """)
        var repaired: [TableVerdict] = []
        try await flow.besideWorker {
            try await WriteLoad.during(on: flow.source, seed: 5, CopyTests.transaction(800)) {
                repaired = try await Self.verify(flow, repair: .apply, asking: { $0.tables = [flow.name("account"), flow.name("line")] })
            }
        }
        // The writers may have put right what they write to, but not the rows that only the target has.
        #expect(repaired.allSatisfy { $0.isEqual && $0.proof.differences > 0 }, "\(repaired.map { ($0.proof.table, $0.isEqual, $0.proof.differences) })")
        _ = try await flow.pipeline(flow.definition, CopyTests.settings()).runOnce()
        try CopyTests.expectEqual(flow)
        let log = direction.target == .postgres ? "tidemark.repair" : "tidemark_repair"
        #expect(try flow.target.rows(log, ["kind"]).count == repaired.map { Int($0.proof.differences) }.reduce(0, +))
    }

    @Test("a repair that the target interrupts goes on, and leaves and forgets no difference", arguments: ScratchEngine.allCases)
    func interruptedRepair(source: ScratchEngine) async throws {
        let flow = try await Self.replica(Direction(source: source, target: .postgres), rows: 4_500)
        // As a deadlock does, once, when most rows are repaired and committed.
        try flow.target.run(
            """
            delete from line;
            create sequence repair_number;
            create function interrupt() returns trigger language plpgsql as $$ begin
                if nextval('public.repair_number') = 4200 then raise deadlock_detected; end if;
                return null;
            end $$;
            create trigger interrupt after insert on tidemark.repair for each row execute function interrupt();
            alter table tidemark.repair enable always trigger interrupt
            """)
        var settings = CopyTests.settings(worker: "verify")
        settings.comparedRows = 1_000_000
        let line = try Self.verdict(try await Self.verify(flow, repair: .apply, settings: settings), "line")
        #expect(line.isEqual && line.proof.differences == 4_500 && line.counts == [.missing: 4_500])
        try CopyTests.expectEqual(flow)
        #expect(try flow.target.rows("tidemark.repair", ["kind"]).count == 4_500)
        #expect(try flow.target.rows("repair_number", ["last_value"]) == ["4700"])
        let status = try StatusReport(of: flow.definition)
        #expect(status.differing.isEmpty)
    }

    @Test("rows without a key are repaired as often as they are missing or too many", arguments: ScratchEngine.allCases)
    func repairWholeRows(engine: ScratchEngine) async throws {
        let flow = try await Self.replica(Direction(source: engine, target: engine), rows: 500)
        try flow.target.run("delete from entry where a = 3; insert into entry values (1, 'w'), (1, 'w'), (null, null)")
        let found = try await Self.verify(flow, asking: { $0.tables = [flow.name("entry")] })
        #expect(found[0].counts[.extra] == 3 && (found[0].counts[.missing] ?? 0) > 0)
        let repaired = try await Self.verify(flow, repair: .apply, asking: { $0.tables = [flow.name("entry")] })
        #expect(repaired[0].isEqual)
        try CopyTests.expectEqual(flow)
    }

    @Test("a plan of the repair, run by hand, repairs", arguments: ScratchEngine.allCases)
    func plan(engine: ScratchEngine) async throws {
        let flow = try await Self.replica(Direction(source: engine, target: engine), rows: 100)
        try flow.target.run(
            "delete from account where id = 30; update account set owner = 'it''s' where id = 33; insert into account values (1, 'x', 1)")
        let planned = try await Self.verify(flow, repair: .plan, asking: { $0.tables = [flow.name("account")] })
        #expect(planned[0].plan.count == 3 && !planned[0].isEqual)
        #expect(try flow.target.rows("account where id = 30", ["id"]).isEmpty)
        for statement in planned[0].plan { try flow.target.run(statement) }
        #expect(try await Self.verify(flow).allSatisfy(\.isEqual))
    }

    @Test("a verify of a pipeline that is behind waits, or says so", arguments: Direction.all)
    func behind(direction: Direction) async throws {
        let flow = try await Self.replica(direction, rows: 100)
        try flow.source.run("update account set balance = 8")
        let refused = try await #require(throws: TidemarkError.self) {
            try await Self.verify(flow, lag: { (100, 3600) }, asking: { $0.waitMaxSeconds = 0 })
        }
        #expect(refused.what == "the pipeline is behind" && refused.remedy.contains("tidemark run"))
        // It catches up while verify waits.
        let looks = Mutex(0)
        let verdicts = try await Self.verify(flow, lag: { looks.withLock { $0 += 1; return $0 < 2 ? (100, 3600) : (1, 1) } })
        #expect(verdicts.allSatisfy { $0.proof.differences == 0 } && verdicts.count == 3)
    }

    @Test("an interrupted verify is resumed where it was", arguments: Direction.all)
    func resumed(direction: Direction) async throws {
        let flow = try await Self.replica(direction, rows: 1200)
        var settings = CopyTests.settings(worker: "verify")
        settings.jobs = 1
        let first = try flow.pipeline(flow.definition, settings)
        var request = VerifyRequest(startedAt: "2026-02-02T00:00:00Z")
        request.rowsPerSecond = 2000
        let watching = Task.detached {
            while first.meter.readings.map(\.rows).reduce(0, +) < 600 { try await Task.sleep(for: .milliseconds(1)) }
            first.stop()
        }
        let throttled = request
        await #expect(throws: TidemarkError.self) { try await first.verify(throttled, lag: { (0, 0) }) { _ in } }
        try await watching.value
        let verdicts = try await Self.verify(flow, asking: { $0.resumes = true })
        for verdict in verdicts { #expect(verdict.isEqual && verdict.proof.startedAt?.hasPrefix("2026-02-02") == true, "\(verdict)") }
        #expect(try StatusReport(of: flow.definition).tables.first { $0.table.hasSuffix("account") }?.verifiedRows == 1200)
    }

    @Test("tables that the pipeline has not are refused by name", arguments: Direction.all)
    func unknownTable(direction: Direction) async throws {
        let flow = try await Self.replica(direction, rows: 10)
        let refused = try await #require(throws: TidemarkError.self) {
            try await Self.verify(flow, asking: { $0.tables = [TableName(schema: nil, name: "nosuch")] })
        }
        #expect(refused.table?.name == "nosuch")
        #expect(throws: TidemarkError.self) { try flow.definition.recordedTables(["nosuch"]) }
        #expect(try flow.definition.recordedTables(["*account"]).map(\.name) == [flow.name("account")])
    }
}
