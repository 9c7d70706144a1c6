import Testing
import TidemarkTestSupport

@testable import TidemarkCore

/// A source in small: transactions that draw an id, write changes and end in any order, and a
/// snapshot at any moment.
private struct SimulatedSource {
    private(set) var log: [(id: Int64, xid: UInt64)] = []
    private(set) var ticks: [Tick] = []
    /// The worker's ticks: their own xid, and the last id drawn before it.
    private(set) var floors: [(xid: UInt64, lowID: Int64)] = []
    private var open: [UInt64] = []
    private var aborted: Set<UInt64> = []
    private var nextXID: UInt64 = 100
    private var ended: UInt64 = 100

    var snapshot: TransactionSnapshot {
        TransactionSnapshot(
            xmin: open.min() ?? ended, xmax: ended, inProgress: open.filter { $0 < ended })
            ?? TransactionSnapshot(xmin: ended, xmax: ended, inProgress: [])!
    }

    var committed: [Int64] { log.filter { !open.contains($0.xid) && !aborted.contains($0.xid) }.map(\.id) }
    var lastID: Int64 { log.last?.id ?? 0 }

    mutating func step(_ random: inout SeededRandom) {
        switch Int.random(in: 0..<10, using: &random) {
        case 0, 1:
            open.append(nextXID)
            nextXID += 1
        case 2, 3:
            guard let xid = open.randomElement(using: &random) else { return }
            open.removeAll { $0 == xid }
            ended = max(ended, xid + 1)
            if Int.random(in: 0..<4, using: &random) == 0 { aborted.insert(xid) }
        case 4:
            guard let xid = open.randomElement(using: &random) else { return }
            // The trigger draws its id first and takes the snapshot after it.
            log.append((lastID + 1, xid))
            ticks.append(Tick(token: "\(lastID)", snapshot: snapshot, writer: xid, lastID: lastID))
        default:
            guard let xid = open.randomElement(using: &random) else { return }
            log.append((lastID + 1, xid))
        }
    }

    mutating func tickOfWorker() {
        floors.append((nextXID, lastID))
        nextXID += 1
        ended = nextXID
    }

    func window(from a: TransactionSnapshot, to b: TransactionSnapshot) -> [Int64] {
        log.filter { !a.sees($0.xid) && b.sees($0.xid) && !aborted.contains($0.xid) }.map(\.id)
    }
}

@Suite("Windows")
struct WindowProperties {
    @Test("every committed change is delivered exactly once, in whole transactions", arguments: 0..<200)
    func exactlyOnce(seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        var source = SimulatedSource()
        var cursor = source.snapshot
        var cursorID: Int64 = 0
        var delivered: [Int64] = []
        for _ in 0..<12 {
            for _ in 0..<Int.random(in: 0..<60, using: &random) { source.step(&random) }
            let end = source.snapshot
            let ends = WindowCut.ends(
                from: cursor, startID: cursorID, to: end, ticks: source.ticks, changesMax: 5)
            #expect(ends.last == end)
            for next in ends {
                #expect(cursor.isContained(in: next))
                let changes = source.window(from: cursor, to: next)
                delivered += changes
                let whole = Set(source.log.filter { changes.contains($0.id) }.map(\.xid))
                #expect(source.log.filter { whole.contains($0.xid) }.allSatisfy { changes.contains($0.id) })
                cursor = next
            }
            cursorID = source.lastID
            #expect(delivered.sorted() == source.committed)
        }
    }

    @Test("a backlog is cut at ticks into windows of bounded size")
    func bounded() throws {
        let start = try #require(TransactionSnapshot("100:100:"))
        let ticks = (1...50).map { step in
            Tick(
                token: "\(step)", snapshot: TransactionSnapshot("\(100 + step):\(100 + step):")!,
                writer: UInt64(100 + step), lastID: Int64(step * 1_000))
        }
        let end = try #require(TransactionSnapshot("160:160:"))
        let ends = WindowCut.ends(from: start, startID: 0, to: end, ticks: ticks, changesMax: 10_000)
        #expect(ends.map(\.xmax) == [110, 120, 130, 140, 150, 160])
    }

    @Test("no change of a window lies at or below the floor that the worker's ticks give", arguments: 0..<200)
    func floor(seed: Int) {
        var random = SeededRandom(seed: UInt64(seed))
        var source = SimulatedSource()
        var snapshots = [source.snapshot]
        for _ in 0..<300 {
            source.step(&random)
            if Int.random(in: 0..<8, using: &random) == 0 { source.tickOfWorker() }
            if Int.random(in: 0..<4, using: &random) == 0 { snapshots.append(source.snapshot) }
        }
        var windows = 0
        for start in snapshots.indices {
            for end in snapshots.indices[start...] {
                let (a, b) = (snapshots[start], snapshots[end])
                let oldest = a.oldestUnseen(endedIn: b)
                let floor = source.floors.filter { $0.xid < oldest }.map(\.lowID).max() ?? 0
                guard let lowest = source.window(from: a, to: b).min() else { continue }
                #expect(floor < lowest)
                windows += floor > 0 ? 1 : 0
            }
        }
        #expect(windows > 0)
    }
}
