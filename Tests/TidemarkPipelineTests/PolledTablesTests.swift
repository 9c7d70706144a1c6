import Logging
import Synchronization
import Testing
import TidemarkCore
import TidemarkPipeline

@Suite("Passes over polled tables")
struct PolledTablesTests {
    private static let (a, b, c) = (SimulatedPolling.tables[0], SimulatedPolling.tables[1], SimulatedPolling.tables[2])
    private static let silent = Logger(label: "polled") { _ in SwiftLogNoOpLogHandler() }

    private static func reading(_ mode: SyncMode, _ schedule: SyncSchedule = .every(seconds: 60), onError: SyncErrorStrategy = .stop) -> PolledReading {
        var reading = PolledReading(mode)
        (reading.schedule, reading.batchRows, reading.onError) = (schedule, 4, onError)
        if mode == .incremental {
            reading.incremental = IncrementalReading(columns: ["m"])
            reading.incremental?.deletesEverySeconds = 120
        }
        return reading
    }

    private static func rules(_ readings: [TableName: PolledReading]) -> TableRules {
        TableRules(readings.sorted { $0.key < $1.key }.map { TableRule(TablePattern($0.key.name), polled: $0.value) })
    }

    private static func polled(
        _ world: SimulatedPolling, _ rules: TableRules, worker: String = "w", jobs: Int = 1, as standing: PolledTables.Standing = .worker
    ) -> PolledTables {
        var settings = PolledTables.Settings(name: "main", worker: worker)
        (settings.rules, settings.jobs) = (rules, jobs)
        return PolledTables(settings, world.connections, as: standing, clock: world.clock, log: silent)
    }

    /// Runs until so many seconds of the world's time are over.
    private static func run(_ polled: PolledTables, _ world: SimulatedPolling, seconds: Int64, _ onWait: (@Sendable (inout SimulatedPolling.Inner) -> Void)? = nil) async throws {
        let end = world.update { $0.now.later(bySeconds: seconds) }
        world.update {
            $0.onWait = { inner in
                onWait?(&inner)
                if inner.now >= end { polled.stop() }
            }
        }
        try await polled.run()
    }

    @Test("faults at every step and writers beside it, then calm: every mode has what its source has", arguments: [1, 3])
    func faultsThenCalm(jobs: Int) async throws {
        var faults = 0
        let rules = Self.rules([Self.a: Self.reading(.full), Self.b: Self.reading(.incremental), Self.c: Self.reading(.skipCompleted)])
        for seed in UInt64(0)..<20 {
            let world = SimulatedPolling(seed: seed, rows: 15)
            world.update { $0.faultsPerMille = 60 }
            for process in 0..<4 {
                try await Self.run(Self.polled(world, rules, worker: "w\(process)", jobs: jobs), world, seconds: 200) { $0.live() }
            }
            let completed = world.update { inner in
                (inner.faultsPerMille, inner.onWait) = (0, nil)
                while !inner.open.isEmpty { inner.commit(0) }
                // Keys are to be compared once more.
                inner.now = inner.now.later(bySeconds: 400)
                return inner.units[Self.c]?.state == .done ? inner.units[Self.c]?.rowsDone : nil
            }
            _ = try await Self.polled(world, rules, worker: "calm", jobs: jobs).runOnce()
            faults += world.update { inner in
                for table in [Self.a, Self.b] {
                    let isEqual = inner.target[table] == inner.tables[table]
                    let keys = Set(inner.target[table, default: [:]].keys).union(inner.tables[table, default: [:]].keys).sorted()
                    let differing = keys.filter { inner.target[table]?[$0] != inner.tables[table]?[$0] }.map {
                        "\($0): \(String(describing: inner.tables[table]?[$0])) at the source, \(String(describing: inner.target[table]?[$0]))"
                    }
                    #expect(isEqual, "seed \(seed) \(table): \(differing), \(String(describing: inner.units[table]))")
                }
                #expect(inner.units[Self.c]?.state == .done && (completed == nil || inner.units[Self.c]?.rowsDone == completed), "seed \(seed)")
                return inner.faults
            }
        }
        #expect(faults > 20)
    }

    @Test("every:, cron: and on demand, by a clock that comes from outside")
    func schedules() async throws {
        let world = SimulatedPolling(rows: 5)
        let rules = Self.rules([
            Self.a: Self.reading(.full, .every(seconds: 600)), Self.b: Self.reading(.full, .cron("0 23 * * *")), Self.c: Self.reading(.full, .onDemand),
        ])
        let polled = Self.polled(world, rules, jobs: 1)
        let asked = Mutex(false)
        let half = world.update { $0.now.later(bySeconds: 3_600) }
        try await Self.run(polled, world, seconds: 7_200) { inner in
            guard inner.now >= half, !asked.withLock({ was in defer { was = true }; return was }) else { return }
            Task { await polled.ask(for: [TablePattern("c")]) }
        }
        world.update { inner in
            #expect((11...13).contains(inner.begun[Self.a]?.count ?? 0), "\(inner.begun[Self.a]?.count ?? 0)")
            #expect(inner.begun[Self.b]?.count == 2)
            #expect(inner.begun[Self.b]?.last?.description.contains("T23:00:0") == true, "\(inner.begun[Self.b] ?? [])")
            #expect(inner.begun[Self.c]?.count == 2)
        }
    }

    @Test("one pass reads every table once, or those that are named, whatever the schedule says")
    func once() async throws {
        let world = SimulatedPolling(rows: 10)
        let rules = Self.rules([Self.a: Self.reading(.full, .onDemand), Self.b: Self.reading(.incremental), Self.c: Self.reading(.skipCompleted)])
        let first = try await Self.polled(world, rules).runOnce()
        #expect(first.map(\.table) == [Self.a, Self.b, Self.c] && first.allSatisfy { $0.failure == nil && $0.unit.state == .done && $0.unit.rowsDone == 10 })
        world.update { #expect($0.target == $0.tables) }
        let again = try await Self.polled(world, rules).runOnce([Self.a, Self.c])
        #expect(again.map(\.table) == [Self.a, Self.c])
        world.update { inner in
            #expect(inner.rowsRead[Self.a] == 20)
            // What is done is not done again.
            #expect(inner.rowsRead[Self.c] == 10)
        }
        _ = try await Self.polled(world, rules).runOnce([Self.c], anew: true)
        world.update { #expect($0.rowsRead[Self.c] == 20) }
    }

    @Test("what is killed between two batches goes on behind the last one", arguments: [SyncMode.skipCompleted, .incremental])
    func resumed(mode: SyncMode) async throws {
        let world = SimulatedPolling(rows: 20)
        let rules = Self.rules([Self.a: Self.reading(mode)])
        // A process that dies: nothing of it comes any more once half is in the target.
        let dying = Self.polled(world, rules)
        world.update { $0.onRead = { inner in if inner.rowsRead[Self.a] ?? 0 >= 8 { dying.stop() } } }
        await #expect(throws: TidemarkError.self) { try await dying.runOnce() }
        world.update { $0.onRead = nil }
        let (done, read) = world.update { ($0.units[Self.a]?.rowsDone ?? 0, $0.rowsRead[Self.a] ?? 0) }
        let unit = world.update { $0.units[Self.a] }
        #expect(done == 8 && unit?.state == .running && unit?.doneThrough != nil)
        let outcome = try await Self.polled(world, rules).runOnce()
        world.update { inner in
            #expect(inner.target[Self.a] == inner.tables[Self.a])
            if mode == .skipCompleted { #expect(Int64((inner.rowsRead[Self.a] ?? 0) - read) == 20 - done) }
        }
        #expect(outcome.first?.unit.rowsDone == 20)
    }

    @Test("a table that fails stops the pipeline, is skipped, or is tried again", arguments: SyncErrorStrategy.allCases)
    func strategies(strategy: SyncErrorStrategy) async throws {
        let world = SimulatedPolling(rows: 5)
        world.update { $0.broken = [Self.a] }
        let rules = Self.rules([Self.a: Self.reading(.full, .every(seconds: 600), onError: strategy), Self.b: Self.reading(.full)])
        let polled = Self.polled(world, rules, jobs: 1)
        if strategy == .stop {
            let failure = try await #require(throws: TidemarkError.self) { try await Self.run(polled, world, seconds: 700) }
            #expect(failure.table == Self.a && failure.pipeline == "main")
            #expect(world.update { $0.units[Self.a]?.state } == .failed)
            return
        }
        try await Self.run(polled, world, seconds: 500)
        world.update { inner in
            #expect(inner.units[Self.a]?.state == .failed && inner.units[Self.a]?.failure?.contains("Mend it.") == true)
            #expect(inner.units[Self.a]?.failures == (strategy == .skip ? 1 : 9), "\(inner.units[Self.a]?.failures ?? 0)")
            #expect(inner.target[Self.b] == inner.tables[Self.b])
            inner.broken = []
        }
        try await Self.run(Self.polled(world, rules, jobs: 1), world, seconds: 50)
        #expect(world.update { $0.units[Self.a]?.failures } == 0)
        let outcomes = try await Self.polled(world, rules).runOnce()
        #expect(outcomes.count == 2)
    }

    @Test("one pass says which table failed, and why")
    func onceFailing() async throws {
        let world = SimulatedPolling(rows: 5)
        world.update { $0.broken = [Self.b] }
        let rules = Self.rules([Self.a: Self.reading(.full), Self.b: Self.reading(.full, onError: .skip), Self.c: Self.reading(.full)])
        let outcomes = try await Self.polled(world, rules).runOnce()
        #expect(outcomes.map { $0.failure?.what } == [nil, "the table cannot be read", nil])
    }

    @Test("a worker whose pipeline was taken over stops; one that was paused waits, and goes on")
    func holding() async throws {
        let world = SimulatedPolling(rows: 5)
        let rules = Self.rules([Self.a: Self.reading(.full, .every(seconds: 10))])
        let taken = Self.polled(world, rules)
        let at = world.update { $0.now.later(bySeconds: 30) }
        let failure = try await #require(throws: TidemarkError.self) {
            try await Self.run(taken, world, seconds: 100) { inner in
                if inner.now >= at, inner.worker == "w" { (inner.epoch, inner.worker) = (inner.epoch + 1, "another") }
            }
        }
        #expect(failure.retry == .takenOver)
        let (pause, resume) = world.update { ($0.now.later(bySeconds: 30), $0.now.later(bySeconds: 60)) }
        try await Self.run(Self.polled(world, rules), world, seconds: 120) { inner in
            if inner.now >= pause, inner.now < resume, inner.pausedBy == nil { (inner.pausedBy, inner.epoch) = ("somebody", inner.epoch + 1) }
            if inner.now >= resume { inner.pausedBy = nil }
        }
        world.update { inner in
            let begun = inner.begun[Self.a] ?? []
            #expect(!begun.contains { $0 > pause.later(bySeconds: 1) && $0 < resume })
            #expect(begun.contains { $0 >= resume })
        }
    }

    @Test("beside a stream the tables go by its epoch, and wait while it has none")
    func besideStream() async throws {
        let world = SimulatedPolling(rows: 5)
        let rules = Self.rules([Self.a: Self.reading(.full, .every(seconds: 10))])
        let polled = Self.polled(world, rules, as: .stream(Tenure()))
        try await Self.run(polled, world, seconds: 60)
        #expect(world.update { $0.begun.isEmpty && $0.epoch == 0 })
    }

    @Test("a table that is made later is found, and one that is told otherwise begins anew")
    func tablesChange() async throws {
        let world = SimulatedPolling(rows: 5)
        let rules = TableRules([TableRule(TablePattern("*"), polled: Self.reading(.full, .every(seconds: 600)))])
        let made = world.update { $0.now.later(bySeconds: 30) }
        let late = TableName(schema: nil, name: "late")
        try await Self.run(Self.polled(world, rules), world, seconds: 200) { inner in
            if inner.now >= made, inner.tables[late] == nil { inner.tables[late] = [1: SimulatedPolling.Row(value: 1, mark: 1)] }
        }
        world.update { #expect($0.target[late] == $0.tables[late]) }
        let others = Self.rules([Self.a: Self.reading(.incremental)])
        try await Self.run(Self.polled(world, others), world, seconds: 20)
        world.update { inner in
            #expect(inner.units.keys.sorted() == [Self.a])
            #expect(inner.units[Self.a]?.mode == .incremental && inner.units[Self.a]?.mark != nil)
        }
    }
}
