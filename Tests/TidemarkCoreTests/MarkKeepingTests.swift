import Testing
import TidemarkCore
import TidemarkTestSupport

/// A table whose rows carry a number that grows with each change, and whose transactions commit in any order.
private struct MarkedTable {
    struct Write { var key, mark, value: Int }
    struct Transaction {
        /// Nil until it writes its first row.
        var xid: Int?
        var drawn: Int?
        var writes: [Write] = []
    }

    var random: SeededRandom
    var rows: [Int: Write] = [:]
    var open: [Transaction] = []
    var nextMark = 1
    var nextXid = 1
    var nextValue = 1

    mutating func live(_ steps: Int) {
        for _ in 0..<steps {
            switch Int.random(in: 0..<8, using: &random) {
            case 0, 1: open.append(Transaction())
            case 2, 3, 4:
                guard let index = open.indices.randomElement(using: &random) else { continue }
                // Between drawing the number and writing the row there is a moment in which nobody sees the transaction.
                open[index].drawn = open[index].drawn ?? nextMark
                nextMark = max(nextMark, (open[index].drawn ?? 0) + 1)
                if Bool.random(using: &random) { write(index) }
            default:
                guard let index = open.indices.randomElement(using: &random) else { continue }
                if Int.random(in: 0..<4, using: &random) > 0 { commit(index) } else { open.remove(at: index) }
            }
        }
    }

    /// What a reader's pause is for: whoever has drawn a number has written its row.
    mutating func endMoments() { for index in open.indices where open[index].drawn != nil { write(index) } }

    private mutating func write(_ index: Int) {
        guard let drawn = open[index].drawn else { return }
        let locked = Set(open.flatMap(\.writes).map(\.key))
        let key = Int.random(in: 0..<12, using: &random)
        open[index].drawn = nil
        guard !locked.contains(key) else { return }
        if open[index].xid == nil { (open[index].xid, nextXid) = (nextXid, nextXid + 1) }
        open[index].writes.append(Write(key: key, mark: drawn, value: nextValue))
        nextValue += 1
    }

    private mutating func commit(_ index: Int) {
        for write in open.remove(at: index).writes { rows[write.key] = write }
    }

    mutating func endAll() {
        endMoments()
        while !open.isEmpty { commit(0) }
    }

    var reach: ChangeMark? { rows.values.map(\.mark).max().map { ChangeMark(json: String($0)) } }
    var horizon: String { String(nextXid) }
    func isPast(_ horizon: String) -> Bool { (open.compactMap(\.xid).min() ?? nextXid) >= Int(horizon) ?? 0 }
    func read(_ range: (after: ChangeMark?, through: ChangeMark)) -> [Write] {
        rows.values.filter { $0.mark > range.after.flatMap { Int($0.json) } ?? 0 && $0.mark <= Int(range.through.json) ?? 0 }
    }
}

@Suite("Marks of tables that are read incrementally")
struct MarkKeepingTests {
    private static let table = TableName(schema: nil, name: "t")

    /// Passes beside writers.
    /// - Parameters:
    ///   - heedsHorizon: false for readers that take the highest number for the truth, as many do.
    /// - Returns: the rows that are wrong in the end, and how often a row was read.
    private static func lost(seed: UInt64, heedsHorizon: Bool = true, takesHorizonLater: Bool = true) -> (lost: Int, read: Int) {
        var source = MarkedTable(random: SeededRandom(seed: seed))
        var target: [Int: Int] = [:]
        var unit = SyncUnit(table, .incremental)
        var read = 0
        func pass() {
            var marks = MarkKeeping(unit)
            let seen = source.reach
            if takesHorizonLater { source.endMoments() }
            marks.begin(seen, horizon: source.horizon)
            source.live(Int.random(in: 0...6, using: &source.random))
            if let awaited = marks.awaited { marks.settle(!heedsHorizon || source.isPast(awaited)) }
            source.live(Int.random(in: 0...6, using: &source.random))
            for range in marks.ranges {
                for row in source.read(range) { (target[row.key], read) = (row.value, read + 1) }
                source.live(Int.random(in: 0...3, using: &source.random))
            }
            // A process that dies here has read in vain, and nothing more.
            guard Int.random(in: 0..<5, using: &source.random) > 0 else { return }
            marks.finish()
            unit = marks.noted(in: unit)
        }
        for _ in 0..<40 {
            source.live(12)
            pass()
        }
        source.endAll()
        source.random = SeededRandom(seed: 1)
        for _ in 0..<3 {
            var marks = MarkKeeping(unit)
            marks.begin(source.reach, horizon: source.horizon)
            marks.settle(true)
            for range in marks.ranges { for row in source.read(range) { target[row.key] = row.value } }
            marks.finish()
            unit = marks.noted(in: unit)
        }
        return (source.rows.values.count { target[$0.key] != $0.value }, read)
    }

    @Test("no row is lost under any order of late commits, and most are read once")
    func lateCommits() {
        var read = 0
        for seed in UInt64(0)..<600 {
            let (lost, count) = Self.lost(seed: seed)
            #expect(lost == 0, "seed \(seed)")
            read += count
        }
        #expect(read > 600 * 20)
    }

    @Test("canaries: without the horizon, or with one taken at once, the same writers lose rows")
    func canaries() {
        #expect((UInt64(0)..<200).contains { Self.lost(seed: $0, heedsHorizon: false).lost > 0 })
        #expect((UInt64(0)..<600).contains { Self.lost(seed: $0, takesHorizonLater: false).lost > 0 })
    }

    @Test("a mark waits for its own horizon, while newer rows are read; then the next one waits")
    func stages() {
        func mark(_ number: Int) -> ChangeMark { ChangeMark(json: "\(number)") }
        var unit = SyncUnit(Self.table, .incremental)
        var marks = MarkKeeping(unit)
        marks.begin(mark(10), horizon: "x10")
        #expect(marks.awaited == "x10")
        marks.settle(false)
        marks.finish()
        unit = marks.noted(in: unit)
        #expect((unit.mark, unit.nextMark, unit.nextMarkHorizon) == (nil, mark(10), "x10"))
        marks = MarkKeeping(unit)
        marks.begin(mark(12), horizon: "x12")
        #expect(marks.awaited == "x10")
        marks.settle(true)
        #expect(marks.ranges.map(\.after) == [nil, mark(10)] && marks.ranges.map(\.through) == [mark(10), mark(12)])
        marks.finish()
        unit = marks.noted(in: unit)
        #expect((unit.mark, unit.nextMark, unit.nextMarkHorizon) == (mark(10), mark(12), "x12"))
    }

    @Test("a pass by key that is interrupted counts only what had settled when it began")
    func resumed() {
        var unit = SyncUnit(Self.table, .incremental)
        (unit.nextMark, unit.nextMarkHorizon, unit.doneThrough) = (ChangeMark(json: "7"), "x", "{}")
        var open = MarkKeeping(unit)
        open.resume()
        open.finish()
        #expect(open.mark == nil)
        unit.nextMarkHorizon = nil
        var settled = MarkKeeping(unit)
        settled.resume()
        settled.finish()
        #expect(settled.mark == ChangeMark(json: "7"))
    }

    @Test("without a horizon, as in SQLite, a mark counts at once; an empty table has none")
    func withoutHorizon() {
        var marks = MarkKeeping(SyncUnit(Self.table, .incremental))
        marks.begin(nil, horizon: nil)
        marks.settle(true)
        #expect(marks.ranges.isEmpty)
        marks.finish()
        marks.begin(ChangeMark(json: "3"), horizon: nil)
        marks.settle(true)
        marks.finish()
        #expect(marks.mark == ChangeMark(json: "3") && marks.next == nil)
    }
}
