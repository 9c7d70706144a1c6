import Foundation
import Testing
import TidemarkApp
import TidemarkCore
import TidemarkPipeline
import TidemarkTestSupport

@testable import TidemarkArchive

/// An archive of a scratch source, and backups of it.
struct ArchiveScene {
    let flow: Flow
    let directory: String
    let definition: PipelineDefinition

    static let schema = """
        create table account (id integer primary key, owner text unique, balance integer not null);
        create table entry (a integer, b text);
        """
    static let tables = ["account": ["id", "owner", "balance"], "entry": ["a", "b"]]

    init(_ direction: Direction, schema: String = Self.schema) throws {
        flow = try Flow(direction, schema)
        directory = FileManager.default.temporaryDirectory.path + "/tidemark-archive-\(UUID().uuidString)"
        definition = PipelineDefinition(name: "archive", source: flow.source.address, target: "").archived(in: directory)
        _ = try Installation(definition).setUp()
    }

    func pipeline() throws -> Pipeline {
        var settings = Pipeline.Settings(name: "archive", worker: "archiver")
        settings.existing = .keep
        return try flow.pipeline(definition, settings)
    }

    /// A writer of before lets its lock go when its thread has ended, which may take a moment.
    func archive() async throws {
        for _ in 0..<1000 {
            do {
                _ = try await pipeline().runOnce()
                return
            } catch let failure as TidemarkError where failure.what == "the archive has a writer already" {
                await Task.yield()
                usleep(1000)
            }
        }
        Issue.record("the archive's lock stays")
    }

    /// Everything of the source, as text.
    func state(_ database: any ScratchDatabase) throws -> [String: [String]] {
        try Self.tables.reduce(into: [:]) { $0[$1.key] = try database.rows($1.key, $1.value) }
    }

    /// Swaps of unique values, rows without a key, changes of keys: what makes applying twice go wrong.
    func write(_ random: inout SeededRandom, _ count: Int) throws {
        for _ in 0..<count {
            let (id, value) = (Int.random(in: 1...40, using: &random), Int.random(in: 0...9, using: &random))
            try flow.source.run(
                """
                begin;
                insert into account values (\(id), 'owner \(id)', 0) on conflict do nothing;
                update account set balance = balance + \(value) where id between \(id) and \(id) + 5;
                update account set owner = 'moved ' || owner || \(value) where id = \(id) + 1;
                delete from account where id = \(id) + 7;
                insert into entry values (\(value), 'it''s "\(id)"');
                delete from entry where a = \((value + 5) % 10);
                \(value == 3 ? "rollback" : "commit")
                """)
        }
    }

    func replay(onto database: any ScratchDatabase, until: LogPlace? = nil, pipeline: String = "main", from: Snapshot? = nil) async throws -> LimitedPlace? {
        let log = flow.silent
        let replay = Replay(directory, onto: database.address, pipeline: pipeline, log: log)
        let pipeline = try replay.pipeline(until: until, from: from, worker: "replay")
        _ = try await pipeline.runOnce()
        return await pipeline.limitedPlace
    }

    /// A copy of the source's database, as its tools make it, in a database of its own.
    func backUpSource() throws -> any ScratchDatabase {
        guard let source = flow.source as? ScratchPostgres else { return try (flow.source as! ScratchSQLite).copied() }
        let backup = try ScratchEngine.postgres.database("backup")
        let dump = Shell.run("\(ScratchCluster.binaries())/pg_dump", ["-Fc", "-f", directory + ".dump", "-d", source.address])
        #expect(dump.status == 0, "\(dump.output)")
        let restore = Shell.run("\(ScratchCluster.binaries())/pg_restore", ["-d", backup.address, directory + ".dump"])
        #expect(restore.status == 0, "\(restore.output)")
        return backup
    }

    var source: ArchiveSource { get throws { try ArchiveSource(path: directory) } }
    var files: [String] { get throws { try source.windows.map { directory + "/" + $0.file } } }
}

@Suite("Archive")
struct ArchiveTests {
    /// The target engine plays no part where a backup of the source is restored.
    private static let sources = ScratchEngine.allCases.map { Direction(source: $0, target: $0) }

    @Test("a backup of the source and the archive bring back every recorded moment, without the source", arguments: sources, [1, 2, 3] as [UInt64])
    func backupOfSource(direction: Direction, seed: UInt64) async throws {
        let scene = try ArchiveScene(direction)
        var random = SeededRandom(seed: seed)
        for _ in 0..<3 {
            try scene.write(&random, 10)
            try await scene.archive()
        }
        // Not archived yet, and in the backup.
        try scene.write(&random, 5)
        let backups = try (0..<4).map { _ in try scene.backUpSource() }
        var states: [(id: Int64, state: [String: [String]])] = []
        for _ in 0..<5 {
            try scene.write(&random, 10)
            try await scene.archive()
            states.append((try StreamLimitTests.lastID(scene.flow), try scene.state(scene.flow.source)))
        }
        try scene.source.verify()
        for (backup, place) in zip(backups, [nil, 0, 2, 4] as [Int?]) {
            guard let place else {
                _ = try await scene.replay(onto: backup)
                #expect(try scene.state(backup) == states[4].state, "seed \(seed)")
                // Again is a no-op.
                _ = try await scene.replay(onto: backup)
                #expect(try scene.state(backup) == states[4].state)
                continue
            }
            let reached = try await scene.replay(onto: backup, until: .change(states[place].id + 1))
            #expect(try scene.state(backup) == states[place].state, "seed \(seed), place \(place)")
            #expect(try #require(reached).isFinal == (place < 4))
            // Interrupted there, it goes on.
            _ = try await scene.replay(onto: backup)
            #expect(try scene.state(backup) == states[4].state, "seed \(seed), after place \(place)")
        }
    }

    @Test("a backup of a target goes on from its own cursor", arguments: Direction.all)
    func backupOfTarget(direction: Direction) async throws {
        let scene = try ArchiveScene(direction)
        try scene.flow.setUp()
        var random = SeededRandom(seed: 7)
        try scene.write(&random, 10)
        try await scene.flow.follow()
        try await scene.archive()
        try scene.write(&random, 10)
        let state = try scene.state(scene.flow.source)
        let last = try StreamLimitTests.lastID(scene.flow)
        try await scene.archive()
        try scene.write(&random, 10)
        try await scene.archive()
        // The target stands at a place of its own ticks, where nothing was committed since the archive's.
        let place = try await scene.replay(onto: scene.flow.target, until: .change(last + 1))
        #expect(try #require(place).isFinal)
        #expect(try scene.state(scene.flow.target) == state)
        _ = try await scene.replay(onto: scene.flow.target)
        for (table, columns) in ArchiveScene.tables { try scene.flow.expectEqual(table, columns) }
        // And what is said of the tables' copies is what the target's own pipeline wants: it follows the source again.
        try scene.write(&random, 5)
        try await scene.flow.follow()
        for (table, columns) in ArchiveScene.tables { try scene.flow.expectEqual(table, columns) }
    }

    @Test("a target that stands within a window gets the rest of it, also in tables without a key", arguments: Direction.all)
    func withinWindow(direction: Direction) async throws {
        let scene = try ArchiveScene(direction)
        try scene.flow.setUp()
        var random = SeededRandom(seed: 11)
        try scene.write(&random, 10)
        try await scene.flow.follow()
        try scene.write(&random, 10)
        try await scene.archive()
        #expect(try scene.source.windows.count == 1)
        _ = try await scene.replay(onto: scene.flow.target)
        for (table, columns) in ArchiveScene.tables { try scene.flow.expectEqual(table, columns) }
    }

    @Test("a time names the last window that had ended by then, and one before the backup is refused", arguments: sources)
    func times(direction: Direction) async throws {
        let scene = try ArchiveScene(direction)
        for id in 1...4 {
            try scene.flow.source.run("insert into account values (\(id), 'o\(id)', 0)")
            try await scene.archive()
        }
        let windows = try scene.source.windows
        #expect(windows.count == 4)
        let ends = windows.compactMap { $0.endedAt.flatMap { SourceTime($0) } }
        #expect(ends.count == 4 && ends == ends.sorted())
        let (source, history) = (try scene.source, try scene.source.history)
        for (place, end) in ends.enumerated() {
            let reach = try source.reach(after: source.cursor(at: history[0]), within: StreamLimit(until: .time(end)))
            let expected = ends.lastIndex(of: end) ?? place
            #expect(reach.end == history[expected + 1].snapshot)
        }
        let backup = try scene.backUpSource()
        await #expect(throws: TidemarkError.self) { try await scene.replay(onto: backup, until: .change(2)) }
        await #expect(throws: TidemarkError.self) { try await scene.replay(onto: backup, until: .time(ends[0])) }
    }

    @Test("a database that says nothing is refused, unless its exact place is given", arguments: sources)
    func silent(direction: Direction) async throws {
        let scene = try ArchiveScene(direction)
        for id in 1...3 {
            try scene.flow.source.run("insert into account values (\(id), 'o\(id)', 0)")
            try await scene.archive()
        }
        let target = scene.flow.target
        try target.run("insert into account values (1, 'o1', 0)")
        await #expect(throws: TidemarkError.self) { try await scene.replay(onto: target) }
        await #expect(throws: TidemarkError.self) { try await scene.replay(onto: target, from: .change(999)) }
        let place = try #require(Snapshot(try scene.source.windows[0].end))
        _ = try await scene.replay(onto: target, from: place)
        try scene.flow.expectEqual("account", ["id", "owner", "balance"])
    }

    @Test("an altered, truncated, missing or exchanged file is named before anything is applied", arguments: sources)
    func damage(direction: Direction) async throws {
        let scene = try ArchiveScene(direction)
        let backup = try scene.backUpSource()
        for id in 1...3 {
            try scene.flow.source.run("insert into account values (\(id), 'o\(id)', 0)")
            try await scene.archive()
        }
        let files = try scene.files
        let manifest = scene.directory + "/MANIFEST"
        func refused(_ name: String, _ damage: (inout Data) -> Void) async throws {
            let whole = try Data(contentsOf: URL(fileURLWithPath: name))
            var bytes = whole
            damage(&bytes)
            if bytes.isEmpty { try FileManager.default.removeItem(atPath: name) } else { try bytes.write(to: URL(fileURLWithPath: name)) }
            do {
                _ = try await scene.replay(onto: backup)
                Issue.record("\(name) was taken")
            } catch let failure as TidemarkError {
                #expect(failure.what == "the archive is damaged" && failure.why.contains(name), "\(failure)")
            }
            #expect(try backup.rows("account", ["id"]).isEmpty)
            try whole.write(to: URL(fileURLWithPath: name))
        }
        for file in files {
            try await refused(file) { $0[$0.count / 2] ^= 1 }
            try await refused(file) { $0.removeLast() }
            try await refused(file) { $0.removeAll() }
            try await refused(file) { $0.append(contentsOf: $0) }
        }
        let second = try Data(contentsOf: URL(fileURLWithPath: files[1]))
        try await refused(files[0]) { $0 = second }
        let lines = try String(contentsOfFile: manifest, encoding: .utf8).split(separator: "\n").map(String.init)
        try await refused(manifest) { $0 = Data((lines[0...1] + [lines[3]]).joined(separator: "\n").utf8 + [10]) }
        try await refused(manifest) { $0 = Data(lines[0...2].joined(separator: "\n").utf8 + [10]) }
        try await refused(manifest) { $0 = Data(lines.joined(separator: "\n").replacingOccurrences(of: "\"changes\":1", with: "\"changes\":2").utf8 + [10]) }
        _ = try await scene.replay(onto: backup)
        #expect(try scene.state(backup) == scene.state(scene.flow.source))
    }

    @Test("a second writer is refused, and the first one goes on", arguments: sources)
    func twoWriters(direction: Direction) async throws {
        let scene = try ArchiveScene(direction)
        let first = ArchiveTarget(path: scene.directory, pipeline: "archive")
        let cursor = try first.takeOver(worker: "first")
        try scene.flow.source.run("insert into account values (1, 'a', 1)")
        do {
            _ = try await scene.pipeline().runOnce()
            Issue.record("a second writer was let in")
        } catch let failure as TidemarkError {
            #expect(failure.what == "the archive has a writer already")
        }
        #expect(try first.cursor() == cursor)
        try first.record(failure: "a test", epoch: cursor.epoch)
        #expect(try ArchiveAdministration(path: scene.directory).cursor(of: "archive")?.failure == "a test")
    }

    @Test("a writer that is killed at any step goes on, with nothing lost and nothing twice", arguments: sources, ArchiveTarget.Step.allCases)
    func killed(direction: Direction, step: ArchiveTarget.Step) async throws {
        struct Killed: Error {}
        let scene = try ArchiveScene(direction)
        let backup = try scene.backUpSource()
        for round in 1...3 {
            try scene.flow.source.run("insert into account values (\(round), 'o\(round)', 0); insert into entry values (\(round), 'x')")
            let (definition, directory) = (scene.definition, scene.directory)
            var connections = try Connections(definition)
            connections.target = {
                let target = ArchiveTarget(path: directory, pipeline: "archive")
                target.fault = { if $0 == step { throw Killed() } }
                return target
            }
            var settings = Pipeline.Settings(name: "archive", worker: "killed")
            settings.existing = .keep
            let pipeline = Pipeline(settings, connections, expecting: nil, log: scene.flow.silent)
            var isKilled = false
            while !isKilled {
                do {
                    _ = try await pipeline.runOnce()
                    Issue.record("it was not killed")
                    isKilled = true
                } catch is Killed {
                    isKilled = true
                } catch let failure as TidemarkError where failure.what == "the archive has a writer already" {
                    usleep(1000)
                }
            }
        }
        try await scene.archive()
        try scene.source.verify()
        #expect(try scene.source.windows.map(\.changes).reduce(0, +) == 6)
        let names = try FileManager.default.contentsOfDirectory(atPath: scene.directory)
        #expect(names.filter { $0.hasSuffix(".gz") }.count == (try scene.source.windows.count) && !names.contains("incoming"))
        _ = try await scene.replay(onto: backup)
        #expect(try scene.state(backup) == scene.state(scene.flow.source))
    }

    @Test("sequences come with the windows: the next number is what the source would have given", arguments: sources)
    func sequences(direction: Direction) async throws {
        let scene = try ArchiveScene(direction, schema: SequenceTests.schema(direction.source))
        try scene.flow.source.run("insert into item (v) values (1); insert into entry (v) values (1)")
        try await scene.archive()
        let backup = try scene.backUpSource()
        try scene.flow.source.run("insert into item (v) values (1), (2), (3); delete from item where id > 1")
        try await scene.archive()
        // Another writer begins with where all of them stand; this window moves one of the two.
        try scene.flow.source.run("insert into entry (v) values (2), (3); delete from entry where id > 2")
        try await scene.archive()
        _ = try await scene.replay(onto: backup)
        for table in ["item", "entry"] {
            let (found, expected) = (try backup.nextID(table), try scene.flow.source.nextID(table))
            #expect(found == expected, "\(table)")
        }
    }

    @Test("what a window without changes tells of sequences is in the next file")
    func sequencesOfEmptyWindow() async throws {
        let scene = try ArchiveScene(Direction(source: .postgres, target: .postgres))
        let target = ArchiveTarget(path: scene.directory, pipeline: "archive")
        var cursor = try target.takeOver(worker: "one")
        guard case .transactions(let start) = cursor.snapshot else { throw CancellationError() }
        let ends = try (1...3).map { try #require(TransactionSnapshot(xmin: start.xmax + $0, xmax: start.xmax + $0, inProgress: [])) }
        func state(_ name: String, _ last: Int64) -> SequenceState {
            let table = TableName(schema: "public", name: "account")
            return SequenceState(
                .init(columns: [.init(table, name)], name: TableName(schema: "public", name: name)), lastValue: last, isCalled: last > 1, increment: -2)
        }
        let told = [[state("a", 5), state("b", 1)], [state("a", 7)], []]
        var page = ChangePage()
        page.append(id: 1, capture: 1, operation: .truncate, key: nil, image: nil, transaction: start.xmax)
        for (index, end) in ends.enumerated() {
            let window = Window(
                start: cursor.snapshot, end: .transactions(end), witness: "w\(index)", afterID: 0, throughID: 1, sequences: told[index])
            var pages = index == 0 ? [] : [page]
            cursor = try target.apply(window, tables: [:], moving: cursor, order: .paged) { pages.popLast() }
        }
        let source = try scene.source
        let first = try source.cursor(at: #require(source.history.first))
        let windows = try source.windows(after: first, taking: TakenTables(TableSelection(), settledThrough: [:]), upTo: nil)
        #expect(windows.map { Set($0.sequences) } == [[state("a", 7), state("b", 1)], []])
    }

    @Test("a directory has no role, and nothing is made where it is given one")
    func noRole() throws {
        let flow = try Flow(Direction(source: .sqlite, target: .sqlite), ArchiveScene.schema)
        let directory = FileManager.default.temporaryDirectory.path + "/tidemark-archive-\(UUID().uuidString)"
        var definition = PipelineDefinition(name: "archive", source: flow.source.address, target: "")
        definition.role = .replica
        #expect(definition.archived(in: directory).role == nil)
        definition.target = ArchiveEngine.address(directory)
        let failure = #expect(throws: TidemarkError.self) { try Installation(definition).setUp() }
        #expect(failure?.what == "an archive has no role")
        #expect(!FileManager.default.fileExists(atPath: directory))
    }

    @Test("a table that was altered behind the log's back ends the archive, and not silently")
    func altered() async throws {
        let scene = try ArchiveScene(Direction(source: .postgres, target: .postgres))
        try scene.flow.source.run("insert into account values (1, 'a', 1)")
        try await scene.archive()
        try scene.flow.source.run("alter table account add column more integer; insert into account values (2, 'b', 2, 3)")
        await #expect(throws: TidemarkError.self) { try await scene.archive() }
        #expect(try scene.source.windows.count == 1)
    }
}
