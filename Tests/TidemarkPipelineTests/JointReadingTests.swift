import Foundation
import Synchronization
import Testing
import TidemarkCore
import TidemarkTestSupport

@testable import TidemarkPipeline

/// A log of change 1, 2, 3 …, of generations 1 to 3 in turn, as all connections see it.
private final class SimulatedLog: Sendable {
    struct State {
        var lastID: Int64 = 0
        var catalog = 0
        /// Looks that wrote a tick, and changes that were read.
        var looks = 0
        var read = 0
        var random: SeededRandom
    }

    let state: Mutex<State>
    let faultsPerMille: Int
    let provesWholeWindows: Bool
    /// A change that somebody has deleted from the log.
    let missing: Int64

    init(seed: UInt64 = 0, faultsPerMille: Int = 0, provesWholeWindows: Bool = false, missing: Int64 = 0) {
        (self.provesWholeWindows, self.missing) = (provesWholeWindows, missing)
        state = Mutex(State(random: SeededRandom(seed: seed)))
        self.faultsPerMille = faultsPerMille
    }

    func write(_ changes: Int64) { state.withLock { $0.lastID += changes } }
    static func capture(_ id: Int64) -> Int32 { Int32(id % 3) + 1 }

    func mayFail() throws {
        let fails = state.withLock { $0.faultsPerMilleRoll(faultsPerMille) }
        if fails { throw TidemarkError("the connection was lost", why: "", remedy: "", retry: .later) }
    }
}

extension SimulatedLog.State {
    fileprivate mutating func faultsPerMilleRoll(_ perMille: Int) -> Bool { Int.random(in: 0..<1_000, using: &random) < perMille }
}

/// One connection to it.
private final class SimulatedConnection: ChangeSource {
    private let log: SimulatedLog
    private var proven: Int?
    /// The state of the catalogue from which on this reader's own look refuses to go on.
    var refusedCatalog = Int.max

    init(_ log: SimulatedLog) { self.log = log }

    func identity() throws -> String { "simulated" }
    func logName() throws -> String? { "simulated" }
    var provesWholeWindows: Bool { log.provesWholeWindows }
    var provenCatalog: String? { proven.map { "\($0)" } }
    func capturedTables() throws -> [CapturedTable] { [] }
    func selection(of pipeline: String) throws -> TableSelection { TableSelection() }

    func windows(after cursor: Cursor, taking taken: TakenTables, upTo end: Snapshot?) throws -> [Window] {
        try log.mayFail()
        guard case .change(let start) = cursor.snapshot else { return [] }
        let (last, catalog, cuts) = log.state.withLock { state in
            var last = state.lastID
            if case .change(let id) = end { last = id }
            guard last > start else { return (start, state.catalog, [Int64]()) }
            state.looks += 1
            let cuts = (0..<Int.random(in: 0...2, using: &state.random)).map { _ in Int64.random(in: start...last, using: &state.random) }
            return (last, state.catalog, Set(cuts + [last]).subtracting([start]).sorted())
        }
        guard last > start else { return [] }
        if catalog >= refusedCatalog { throw TidemarkError("rows may have changed unseen", why: "", remedy: "") }
        proven = catalog
        var from = start
        return cuts.map { cut in
            defer { from = cut }
            return Window(start: .change(from), end: .change(cut), witness: "w\(last)", afterID: from, throughID: cut)
        }
    }

    func read(_ window: Window, captures: [Int32], _ receive: (ChangePage) throws -> Void) throws {
        guard case .change(let end) = window.end else { return }
        var page = ChangePage()
        for id in window.afterID + 1..<max(end, window.afterID) + 1 where captures.contains(SimulatedLog.capture(id)) && id != log.missing {
            page.append(id: id, capture: SimulatedLog.capture(id), operation: .insert, key: nil, image: nil)
            guard page.changes.count == 5 else { continue }
            try log.mayFail()
            log.state.withLock { $0.read += page.changes.count }
            try receive(page)
            page = ChangePage()
        }
        log.state.withLock { $0.read += page.changes.count }
        if !page.changes.isEmpty { try receive(page) }
        try log.mayFail()
        if provesWholeWindows, window.afterID < log.missing, log.missing <= end { throw TidemarkError("changes are missing from the log", why: "", remedy: "") }
    }

    func sequences(_ selection: TableSelection) throws -> [SequenceState] { [] }
    func now() throws -> SourceTime { SourceTime(microseconds: 0) }
    func mark() throws {}
    func reach(after cursor: Cursor, within limit: StreamLimit) throws -> StreamReach { StreamReach(end: nil, markedAt: nil, isFinal: false) }
    func heartbeat() throws -> SourceHeartbeat { SourceHeartbeat(appliedAt: nil, seenID: nil, seenAt: nil) }
    func confirm(_ cursor: Cursor, of pipeline: String) throws -> LogStanding { LogStanding() }
}

/// A pipeline as far as its source sees it: it has what whole windows held, and after a failure begins anew where it was.
private final class SimulatedReader {
    private let open: () -> SimulatedConnection
    private let logs: JointLogs
    private let captures: [Int32]
    private var source: JointSource?
    private(set) var cursor = Cursor(source: "simulated", snapshot: .change(0), witness: "w0", lastID: 0, epoch: 1)
    private(set) var applied: [Int64] = []
    let figures = PipelineMeter()
    var onPage: (() throws -> Void)?

    init(_ logs: JointLogs, taking captures: [Int32] = [1, 2, 3], _ open: @escaping () -> SimulatedConnection) {
        (self.logs, self.captures, self.open) = (logs, captures, open)
    }

    convenience init(_ log: SimulatedLog, _ logs: JointLogs, taking captures: [Int32] = [1, 2, 3]) {
        self.init(logs, taking: captures) { SimulatedConnection(log) }
    }

    /// - Returns: was there anything?
    @discardableResult
    func step() throws -> Bool {
        do {
            let source = source ?? JointSource(open(), in: logs, shapedBy: TableRules(), figures: figures)
            self.source = source
            let windows = try source.windows(after: cursor, taking: TakenTables(TableSelection()), upTo: nil)
            for window in windows {
                var changes: [Int64] = []
                try source.read(window, captures: captures) { page in
                    try onPage?()
                    changes += page.changes.map(\.id)
                }
                #expect(window.start == cursor.snapshot)
                applied += changes
                cursor = cursor.moved(over: window)
                if case .change(let id) = window.end { cursor.lastID = id }
            }
            return !windows.isEmpty
        } catch {
            source = nil
            throw error
        }
    }

    func follow(to id: Int64) throws {
        while cursor.snapshot != .change(id) { try step() }
    }

    var hasAll: Bool {
        guard case .change(let last) = cursor.snapshot else { return false }
        return applied == (1..<last + 1).filter { captures.contains(SimulatedLog.capture($0)) }
    }
}

@Suite("Reading together", .ownThreads, .timeLimit(.minutes(2)))
struct JointReadingTests {
    @Test("at any pace and with any failure, each has every change once and in order", arguments: 0..<UInt64(ProcessInfo.processInfo.environment["TIDEMARK_HISTORIES"] ?? "40")!)
    func histories(seed: UInt64) throws {
        let log = SimulatedLog(seed: seed, faultsPerMille: 20, provesWholeWindows: seed % 3 == 0)
        // Half of them keep so little that readers fall out of it all the time.
        let (logs, total) = (JointLogs(bytesMax: seed % 2 == 0 ? 32 << 20 : 2_000), Int64(2_000))
        let done = DispatchSemaphore(value: 0)
        let found = Mutex<[Bool]>([])
        let takes: [[Int32]] = [[1, 2, 3], [1, 2, 3], [2], [1, 3], [1, 2, 3]]
        for (number, captures) in takes.enumerated() {
            Thread.detachNewThread {
                var random = SeededRandom(seed: seed * 100 + UInt64(number))
                let reader = SimulatedReader(log, logs, taking: captures)
                reader.onPage = {
                    switch Int.random(in: 0..<200, using: &random) {
                    case 0: throw TidemarkError("the target was lost", why: "", remedy: "", retry: .later)
                    // Slower than others wait for, now and then.
                    case 1 where number == 1: usleep(120_000)
                    case 2...10: usleep(500)
                    default: break
                    }
                }
                while reader.cursor.snapshot != .change(total) { _ = try? reader.step() }
                found.withLock { $0.append(reader.hasAll) }
                done.signal()
            }
        }
        var random = SeededRandom(seed: seed)
        var written: Int64 = 0
        while written < total {
            let some = min(total - written, Int64.random(in: 1...60, using: &random))
            log.write(some)
            written += some
            if Int.random(in: 0..<20, using: &random) == 0 { log.state.withLock { $0.catalog += 1 } }
            usleep(UInt32.random(in: 0...1_500, using: &random))
        }
        for _ in takes { done.wait() }
        #expect(found.withLock { $0 } == takes.map { _ in true })
    }

    @Test("eight at one place look and read once")
    func once() throws {
        let (log, logs) = (SimulatedLog(), JointLogs())
        let readers = (0..<8).map { _ in SimulatedReader(log, logs) }
        log.write(10)
        // The first look of each is its own, and a second one brings those together that came apart.
        for reader in readers { try reader.follow(to: 10) }
        log.write(10)
        for reader in readers { try reader.follow(to: 20) }
        let before = log.state.withLock { ($0.looks, $0.read) }
        for round in 0..<20 {
            log.write(10)
            for reader in readers { try reader.follow(to: Int64(30 + round * 10)) }
        }
        let after = log.state.withLock { ($0.looks, $0.read) }
        #expect(after.0 - before.0 == 20)
        #expect(after.1 - before.1 == 200)
        #expect(readers.map(\.hasAll) == readers.map { _ in true })
        #expect(readers.map { Int($0.figures.reading.changesReadByOthers) }.reduce(0, +) >= 7 * 200)
    }

    @Test("one whose target stands still in the middle of a window holds nobody up")
    func standstill() throws {
        let (log, logs) = (SimulatedLog(), JointLogs())
        let (stuck, others) = (SimulatedReader(log, logs), (0..<3).map { _ in SimulatedReader(log, logs) })
        log.write(10)
        for reader in [stuck] + others { try reader.follow(to: 10) }
        log.write(500)
        let (isInside, goOn, isDone) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        var pages = 0
        stuck.onPage = {
            pages += 1
            guard pages == 3 else { return }
            isInside.signal()
            goOn.wait()
        }
        let reader = UncheckedReader(reader: stuck)
        Thread.detachNewThread {
            while reader.reader.cursor.snapshot != .change(510) { _ = try? reader.reader.step() }
            isDone.signal()
        }
        isInside.wait()
        for other in others { try other.follow(to: 510) }
        #expect(others.map(\.hasAll) == [true, true, true])
        goOn.signal()
        isDone.wait()
        #expect(stuck.hasAll)
    }

    /// Handed over to one thread, and read once that has ended.
    private struct UncheckedReader: @unchecked Sendable {
        let reader: SimulatedReader
    }

    @Test("another one's look is not followed where one's own would refuse what the catalogue shows")
    func refused() throws {
        let (log, logs) = (SimulatedLog(), JointLogs())
        let lenient = SimulatedReader(log, logs)
        let strict = SimulatedReader(logs) {
            let connection = SimulatedConnection(log)
            connection.refusedCatalog = 1
            return connection
        }
        for last in [Int64(10), 20, 30] {
            log.write(10)
            for reader in [lenient, strict] { try reader.follow(to: last) }
        }
        #expect(strict.figures.reading.changesReadByOthers > 0)
        log.state.withLock { $0.catalog = 1 }
        log.write(10)
        try lenient.follow(to: 40)
        #expect(throws: TidemarkError.self) { try strict.step() }
        #expect(strict.cursor.snapshot == .change(30) && strict.hasAll)
    }

    @Test("where only a whole reading proves that nothing is missing, nobody goes on in the middle of another one's")
    func missing() throws {
        let (log, logs) = (SimulatedLog(provesWholeWindows: true, missing: 25), JointLogs())
        let readers = (0..<3).map { _ in SimulatedReader(log, logs) }
        for last in [Int64(10), 20] {
            log.write(10)
            for reader in readers { try reader.follow(to: last) }
        }
        log.write(20)
        for reader in readers {
            #expect(throws: TidemarkError.self) { try reader.follow(to: 40) }
            #expect(reader.hasAll && reader.cursor.lastID < 25)
        }
    }

    @Test("a window that is larger than what is kept is read by who is late himself")
    func large() throws {
        var pages = JointPages(bytesMax: 32 << 20)
        let window = JointPages.Key(start: .change(0), end: .change(9), form: JointForm())
        guard case .forAll = pages.step(of: 1, in: window, at: 0, taking: [1], JointPlaces.Need(number: 1, others: [2])) else { throw Unexpected() }
        var page = ChangePage()
        let image = [UInt8](repeating: 0x20, count: 8 << 20)
        image.withUnsafeBytes { page.append(id: 1, capture: 1, operation: .insert, key: nil, image: $0) }
        for _ in 0..<3 { pages.add(page, to: window, by: 1) }
        guard case .page = pages.step(of: 2, in: window, at: 0, taking: [1], JointPlaces.Need()) else { throw Unexpected() }
        for _ in 0..<3 { pages.add(page, to: window, by: 1) }
        guard case .alone = pages.step(of: 2, in: window, at: 1, taking: [1], JointPlaces.Need()) else { throw Unexpected() }
        guard case .page = pages.step(of: 2, in: window, at: 5, taking: [1], JointPlaces.Need()) else { throw Unexpected() }
        // Who was not there from its first page on has pages of another reading.
        guard case .alone = pages.step(of: 4, in: window, at: 5, taking: [1], JointPlaces.Need()) else { throw Unexpected() }
        pages.end(window, by: 1, isWhole: true)
        guard case .end = pages.step(of: 2, in: window, at: 6, taking: [1], JointPlaces.Need()) else { throw Unexpected() }
        // Nobody needs it any more.
        pages.finish(window, by: 1)
        pages.finish(window, by: 2)
        guard case .alone = pages.step(of: 3, in: window, at: 0, taking: [1], JointPlaces.Need()) else { throw Unexpected() }
    }

    private struct Unexpected: Error {}
}
