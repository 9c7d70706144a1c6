import Synchronization
import TidemarkCore
import TidemarkTestSupport

/// A source whose transactions commit out of order, a target that loses what is not committed, and
/// faults at every step, all from one seed.
final class SimulatedWorld: Sendable {
    struct State: Equatable {
        /// Table 1: rows by key. Table 2: rows without a key, with their count.
        var keyed: [String: String] = [:]
        var keyless: [String: Int] = [:]
    }

    struct Entry {
        let id: Int64
        let xid: UInt64
        let capture: Int32
        let operation: Operation
        let key: String?
        let image: String?
    }

    struct Inner {
        var random: SeededRandom
        var faultsPerMille: Int
        var log: [Entry] = []
        var nextXid: UInt64 = 10
        var open: [UInt64: [Entry]] = [:]
        var committed: [(xid: UInt64, entries: [Entry])] = []
        var aborted: Set<UInt64> = []
        var ticks: Set<String> = ["start"]
        var stepsLeft: Int
        /// Rows that the source's tables hold, and the log does not.
        var initial = State()
        var target = State()
        /// The last value that each of the source's sequences gave: a row's `v` comes from the one that its remainder names.
        var given: [Int64: Int64] = [:]
        /// The target's sequences, which no rollback takes back.
        var targetGiven: [Int64: Int64] = [:]
        var cursor: Cursor
        var copies: [TableName: TableCopy] = [:]
        var faults = 0
        var commits = 0
        var violations: [String] = []
    }

    let inner: Mutex<Inner>
    /// The canary: moves the cursor in a transaction of its own, as many replicators do.
    let movesCursorApart: Bool

    /// - Parameter initialRows: how many rows the keyed table holds before it is captured.
    init(
        seed: UInt64, steps: Int = 60, faultsPerMille: Int = 60, movesCursorApart: Bool = false, initialRows: Int = 0
    ) {
        let start = TransactionSnapshot(xmin: 10, xmax: 10, inProgress: [])
        let snapshot = start.map { Snapshot.transactions($0) } ?? .change(0)
        inner = Mutex(
            Inner(
                random: SeededRandom(seed: seed), faultsPerMille: faultsPerMille, stepsLeft: steps,
                cursor: Cursor(source: "simulated", snapshot: snapshot, witness: "start", lastID: 0, epoch: 0)))
        self.movesCursorApart = movesCursorApart
        inner.withLock { world in
            for row in 0..<initialRows {
                world.initial.keyed["{\"id\":\(row)}"] = "{\"id\":0,\"v\":-\(row)}"
                world.initial.add(1, of: "{\"v\":\(row % 3)}")
            }
        }
    }

    /// What the source holds once everything has ended.
    var sourceState: State { inner.withLock { Self.state($0.committed.map(\.entries), from: $0.initial) } }
    var targetState: State { inner.withLock { $0.target } }
    var violations: [String] { inner.withLock { $0.violations } }
    var faults: Int { inner.withLock { $0.faults } }
    var commits: Int { inner.withLock { $0.commits } }

    /// From now on nothing goes wrong and no transaction is left open.
    func calm() {
        inner.withLock { world in
            world.faultsPerMille = 0
            world.stepsLeft = 0
            for xid in world.open.keys.sorted() { world.finish(xid, committing: true) }
        }
    }

    static func state(_ transactions: [[Entry]], from initial: State) -> State {
        var state = initial
        for entry in transactions.joined() { state.apply(entry) }
        return state
    }
}

extension SimulatedWorld.State {
    mutating func apply(_ entry: SimulatedWorld.Entry) {
        switch (entry.capture, entry.operation) {
        case (1, .truncate): keyed = [:]
        case (1, .delete): keyed[entry.key ?? ""] = nil
        case (1, _): keyed[entry.key ?? ""] = entry.image
        case (_, .delete): add(-1, of: entry.image ?? "")
        default: add(1, of: entry.image ?? "")
        }
    }

    mutating func add(_ count: Int, of image: String) {
        keyless[image, default: 0] += count
        if keyless[image] == 0 { keyless[image] = nil }
    }
}

extension SimulatedWorld.Inner {
    /// Some activity of the application: begins, writes, commits and rolls back.
    mutating func live() {
        for _ in 0..<Int.random(in: 0...12, using: &random) {
            switch Int.random(in: 0..<10, using: &random) {
            case 0, 1:
                open[nextXid] = []
                nextXid += 1
            case 2...7:
                if let xid = open.keys.sorted().randomElement(using: &random) { write(in: xid) }
            default:
                guard let xid = open.keys.sorted().randomElement(using: &random) else { continue }
                finish(xid, committing: Int.random(in: 0..<5, using: &random) > 0)
            }
        }
    }

    /// Rows that another open transaction has touched are locked; ids are drawn at once.
    private mutating func write(in xid: UInt64) {
        let id = Int64(log.count + 1)
        let entry: SimulatedWorld.Entry
        if Int.random(in: 0..<4, using: &random) == 0 {
            let image = "{\"v\":\(Int.random(in: 0..<3, using: &random))}"
            let mine = SimulatedWorld.state(committed.map(\.entries) + [open[xid] ?? []], from: initial)
            let elsewhere = open.filter { $0.key != xid }.values.joined()
            let removable = (mine.keyless[image] ?? 0) > elsewhere.count
            entry = SimulatedWorld.Entry(
                id: id, xid: xid, capture: 2, operation: removable && Bool.random(using: &random) ? .delete : .insert,
                key: nil, image: image)
        } else {
            let key = "{\"id\":\(Int.random(in: 0..<8, using: &random))}"
            guard !open.contains(where: { $0.key != xid && $0.value.contains { $0.key == key } }) else { return }
            let isDelete = Int.random(in: 0..<4, using: &random) == 0
            entry = SimulatedWorld.Entry(
                id: id, xid: xid, capture: 1, operation: isDelete ? .delete : .update, key: key,
                image: isDelete ? nil : "{\"id\":0,\"v\":\(id)}")
            if !isDelete { given[id % Self.sequenceCount] = id }
        }
        log.append(entry)
        open[xid]?.append(entry)
    }

    static let sequenceCount: Int64 = 5

    var sequences: [SequenceState] {
        given.sorted { $0.key < $1.key }.map { number, value in
            SequenceState(
                SequenceState.Identity(columns: [], name: TableName(schema: nil, name: "\(number)")), lastValue: value, isCalled: true)
        }
    }

    mutating func advance(_ states: [SequenceState]) {
        for state in states {
            guard let number = state.identity.name.flatMap({ Int64($0.name) }) else { continue }
            targetGiven[number] = max(targetGiven[number] ?? 0, state.lastValue)
        }
    }

    /// The first row of the target whose value its sequence would give again.
    var rowBeforeSequence: String? {
        target.keyed.values.first { image in
            guard let value = Int64(image.drop { $0 != "v" }.dropFirst(3).dropLast()), value > 0 else { return false }
            return targetGiven[value % Self.sequenceCount] ?? 0 < value
        }
    }

    mutating func finish(_ xid: UInt64, committing: Bool) {
        guard let entries = open.removeValue(forKey: xid) else { return }
        if committing { committed.append((xid, entries)) } else { aborted.insert(xid) }
    }

    func state(at snapshot: TransactionSnapshot) -> SimulatedWorld.State {
        SimulatedWorld.state(committed.filter { snapshot.sees($0.xid) }.map(\.entries), from: initial)
    }

    var snapshot: TransactionSnapshot {
        let inProgress = open.keys.sorted()
        return TransactionSnapshot(xmin: inProgress.first ?? nextXid, xmax: nextXid, inProgress: inProgress)!
    }

    /// Throws, sometimes: a lost connection, or the death of the process.
    mutating func mayFail(_ place: String) throws {
        guard Int.random(in: 0..<1000, using: &random) < faultsPerMille else { return }
        faults += 1
        throw TidemarkError(
            "fault", why: place, remedy: "none", retry: Bool.random(using: &random) ? .later : .never)
    }
}
