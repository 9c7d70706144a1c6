import TidemarkCore
import TidemarkTestSupport
import Testing

@testable import TidemarkPostgres

@Suite("PostgreSQL polled tables, in rounds")
struct PolledRoundTests {
    @Test("whatever writers do between any two steps, the target ends equal", arguments: 0..<UInt64(12))
    func interleavings(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let bench = try PolledBench(PolledIncrementalTests.schema + "create unique index on t (id, version);")
        let table = try bench.table()
        let strategies = PolledIncrementalTests.strategies.filter { $0.strategy != .autoIncrement }
        let reading = strategies[Int(seed) % strategies.count]
        // Each with rows of its own, so that none waits for another.
        var writers = try (0..<3).map { RandomWriter(number: $0, session: try PolledBench.connect(bench.sourceURL)) }
        func write(_ steps: Int) throws {
            for _ in 0..<steps { try writers[Int.random(in: 0..<writers.count, using: &random)].step(&random) }
        }
        for _ in 0..<12 {
            try write(Int.random(in: 0...12, using: &random))
            try bench.pass(table, reading, batch: Int.random(in: 1...5, using: &random)) { try write(Int.random(in: 0...2, using: &random)) }
            if Int.random(in: 0..<4, using: &random) == 0 {
                // A row that comes while keys are compared may be missed by the source's list, and stand here only later.
                try bench.deletes(table, rows: Int.random(in: 1...6, using: &random)) { try write(Int.random(in: 0...1, using: &random)) }
            }
        }
        for place in writers.indices { try writers[place].commit() }
        for _ in 0..<2 { try bench.pass(table, reading) }
        try bench.deletes(table)
        try bench.expectEqual("t", "seed \(seed), \(reading.columns)")
    }

    @Test("deletes are found range by range, at both ends and beyond what the source has")
    func deletes() throws {
        let bench = try PolledBench("create table t (a int, b text collate \"C\", primary key (b, a)); insert into t select g % 7, 'k' || g / 7 from generate_series(1, 60) g")
        let table = try bench.table()
        try bench.looker.run("insert into t values (-1, ''), (9, 'zz'), (10, 'zz'); delete from t where b = 'k3'")
        try bench.writer.run("delete from t where a = 3 or b = 'k5'")
        let unit = try bench.deletes(table)
        #expect(unit.rowsDeleted > 10 && unit.deletesAt != nil && unit.rowsWritten == 0)
        try bench.writer.run("delete from t where b = 'k3'")
        try bench.expectEqual()
        try bench.writer.run("delete from t")
        try bench.deletes(table)
        try bench.expectEqual()
    }

    @Test("a connection that is gone in the middle costs nothing", arguments: ["target", "source"])
    func killed(side: String) throws {
        let bench = try PolledBench("create table t (id int primary key, v text); insert into t select g, repeat('x', 100) from generate_series(1, 20000) g", here: "create table t (id int primary key, v text)")
        let table = try bench.table()
        func kill(_ session: PostgresSession) throws {
            try session.run("select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and state <> 'idle'")
        }
        // Some of it is there already.
        var unit = SyncUnit(table.name, .skipCompleted)
        unit.doneThrough = try bench.source.key(in: TablePart(table), afterRows: 5000)
        var pages: [ChangePage] = []
        try bench.source.read(TablePart(table, through: unit.doneThrough)) { pages.append($0) }
        _ = try bench.target.apply(unit, of: table, epoch: 7) { pages.isEmpty ? nil : pages.removeFirst() }
        let part = TablePart(table, after: unit.doneThrough)
        let error = #expect(throws: TidemarkError.self) {
            try bench.source.read(part) { page in
                if side == "source" { return try kill(bench.writer) }
                var waiting: ChangePage? = page
                unit.doneThrough = nil
                _ = try bench.target.apply(unit, of: table, epoch: 7) {
                    if waiting == nil { try kill(bench.looker) }
                    defer { waiting = nil }
                    return waiting
                }
            }
        }
        #expect(error?.retry == .later, "\(String(describing: error))")
        try bench.reconnect()
        let stored = try #require(try bench.target.units().first)
        #expect(stored.doneThrough == #"{"id":"5000"}"# && stored.rowsDone == 5000)
        try bench.source.read(TablePart(try bench.table(), after: stored.doneThrough)) { page in
            var waiting: ChangePage? = page
            _ = try bench.target.apply(stored, of: table, epoch: 7) {
                defer { waiting = nil }
                return waiting
            }
        }
        try bench.expectEqual()
    }
}

/// One session that begins, writes, and ends transactions at random, in rows that nobody else has.
private struct RandomWriter {
    let number: Int
    let session: PostgresSession
    private var isOpen = false
    private var next = 0

    init(number: Int, session: PostgresSession) { (self.number, self.session) = (number, session) }

    mutating func step(_ random: inout SeededRandom) throws {
        let own = next == 0 ? -1 : number + 3 * Int.random(in: 0..<next, using: &random)
        switch Int.random(in: 0..<10, using: &random) {
        case 0 where !isOpen:
            try session.run("begin")
            isOpen = true
        case 1 where !isOpen:
            // Its time is drawn long before it writes.
            try session.run("begin; select now()")
            isOpen = true
        case 0, 1: try commit()
        case 2 where isOpen:
            try session.run("rollback")
            isOpen = false
        case 3, 4: try session.run("delete from t where id = \(own)")
        case 5, 6, 7:
            try session.run(
                """
                update t set v = v || 'x', at = now(), moment = now(), version = nextval('versions'), number = currval('versions') where id = \(own)
                """)
        default:
            try session.run("insert into t (id, v) values (\(number + 3 * next), 'n')")
            next += 1
        }
    }

    mutating func commit() throws {
        if isOpen { try session.run("commit") }
        isOpen = false
    }
}
