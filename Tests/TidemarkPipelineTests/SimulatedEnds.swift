import Synchronization
import TidemarkCore

/// The source side of a simulated world.
final class SimulatedSource: ChangeSource {
    private let world: SimulatedWorld
    private var following = SequenceFollowing()
    init(_ world: SimulatedWorld) { self.world = world }

    func identity() throws -> String { "simulated" }

    func capturedTables() throws -> [CapturedTable] { Self.tables }

    static let tables = [
            CapturedTable(
                capture: 1, name: TableName(schema: nil, name: "keyed"),
                columns: [CapturedColumn(name: "id", type: "integer"), CapturedColumn(name: "v", type: "integer")],
                keyColumns: ["id"], encoding: .typedText),
            CapturedTable(
                capture: 2, name: TableName(schema: nil, name: "keyless"),
                columns: [CapturedColumn(name: "v", type: "integer")], keyColumns: [], encoding: .typedText),
    ]

    func selection(of pipeline: String) throws -> TableSelection { TableSelection() }

    func windows(after cursor: Cursor, taking taken: TakenTables, upTo end: Snapshot?) throws -> [Window] {
        try world.inner.withLock { inner in
            try inner.mayFail("looking")
            guard case .transactions(let start) = cursor.snapshot, inner.ticks.contains(cursor.witness) else {
                inner.violations.append("the cursor names no tick of the source")
                return []
            }
            var ends: [TransactionSnapshot] = []
            if case .transactions(let end) = end {
                ends = [end]
            } else {
                for _ in 0..<Int.random(in: 1...3, using: &inner.random) {
                    if inner.stepsLeft > 0 { inner.live() }
                    ends.append(inner.snapshot)
                }
            }
            inner.stepsLeft -= 1
            // The simulation ends as a stop does: from outside, between two windows.
            if inner.stepsLeft < 0, inner.faultsPerMille > 0 {
                throw TidemarkError("the simulated time is over", why: "", remedy: "")
            }
            let witness = "tick-\(inner.ticks.count)"
            inner.ticks.insert(witness)
            try inner.mayFail("after the tick")
            let sequences = following.carried(inner.sequences, after: cursor, witness: witness)
            var from = start
            return ends.filter { $0 != start }.map { end in
                defer { from = end }
                return Window(start: .transactions(from), end: .transactions(end), witness: witness, afterID: 0, throughID: .max,
                    sequences: sequences)
            }
        }
    }

    func sequences(_ selection: TableSelection) throws -> [SequenceState] {
        try world.inner.withLock { inner in
            try inner.mayFail("reading the sequences")
            return inner.sequences
        }
    }

    func now() throws -> SourceTime { SourceTime(microseconds: 0) }
    func mark() throws {}
    func reach(after cursor: Cursor, within limit: StreamLimit) throws -> StreamReach {
        StreamReach(end: nil, markedAt: nil, isFinal: false)
    }

    func read(_ window: Window, captures: [Int32], _ receive: (ChangePage) throws -> Void) throws {
        guard case .transactions(let start) = window.start, case .transactions(let end) = window.end else { return }
        let rows = world.inner.withLock { inner in
            let committed = Set(inner.committed.map(\.xid))
            return inner.log.filter { captures.contains($0.capture) && committed.contains($0.xid) && end.sees($0.xid) && !start.sees($0.xid) }
        }
        var page = ChangePage()
        for row in rows {
            page.append(row)
            if page.changes.count == 3 {
                try world.inner.withLock { try $0.mayFail("reading") }
                try receive(page)
                page = ChangePage()
            }
        }
        if !page.changes.isEmpty { try receive(page) }
    }

    func heartbeat() throws -> SourceHeartbeat { SourceHeartbeat(appliedAt: nil, seenID: nil, seenAt: nil) }

    func confirm(_ cursor: Cursor, of pipeline: String) throws -> LogStanding {
        try world.inner.withLock { try $0.mayFail("confirming") }
        return LogStanding()
    }
}

extension ChangePage {
    mutating func append(_ entry: SimulatedWorld.Entry) {
        let (key, image) = (entry.key.map { Array($0.utf8) }, entry.image.map { Array($0.utf8) })
        (key ?? []).withUnsafeBytes { keyBytes in
            (image ?? []).withUnsafeBytes { imageBytes in
                append(
                    id: entry.id, capture: entry.capture, operation: entry.operation,
                    key: key == nil ? nil : keyBytes, image: image == nil ? nil : imageBytes)
            }
        }
    }
}

/// The target side: what is not committed is lost with the connection.
final class SimulatedTarget: ChangeTarget {
    private let world: SimulatedWorld
    init(_ world: SimulatedWorld) { self.world = world }

    func takeOver(worker: String) throws -> Cursor {
        try world.inner.withLock { inner in
            try inner.mayFail("taking over")
            inner.cursor.epoch += 1
            return inner.cursor
        }
    }

    func cursor() throws -> Cursor {
        try world.inner.withLock { inner in
            try inner.mayFail("reading the cursor")
            return inner.cursor
        }
    }

    func lastWorker() throws -> String? { nil }

    func copies(expecting missing: [TableCopy]) throws -> [TableCopy] {
        try world.inner.withLock { inner in
            try inner.mayFail("learning the copies")
            for copy in missing where inner.copies[copy.table] == nil { inner.copies[copy.table] = copy }
            return Array(inner.copies.values)
        }
    }

    func note(_ heartbeat: SourceHeartbeat, epoch: Int64) throws {
        try world.inner.withLock { try $0.mayFail("noting a heartbeat") }
    }

    func record(failure: String, epoch: Int64) throws {
        try world.inner.withLock { try $0.mayFail("recording a failure") }
    }

    func advance(_ sequences: [SequenceState]) throws {
        try world.inner.withLock { inner in
            try inner.mayFail("setting the sequences")
            inner.advance(sequences)
        }
    }

    func apply(
        _ window: Window, tables: [Int32: CapturedTable], moving cursor: Cursor, order: ApplyOrder,
        parking faults: [ParkedFault], nextPage: () throws -> SplitPage?
    ) throws -> Cursor {
        var state = world.targetState
        var gone: [String] = []
        var moved = cursor
        (moved.snapshot, moved.witness) = (window.end, window.witness)
        while let page = try nextPage()?.applied {
            try world.inner.withLock { try $0.mayFail("applying a page") }
            try apply(page, to: &state, gone: &gone)
            moved.lastID = max(moved.lastID, page.changes.last?.id ?? 0)
        }
        for image in gone { state.add(-1, of: image) }
        world.inner.withLock { $0.advance(window.sequences) }
        return try commit(state, moved, from: cursor)
    }

    private func apply(_ page: ChangePage, to state: inout SimulatedWorld.State, gone: inout [String]) throws {
        func text(_ range: Range<Int>?) -> String { range.map { String(decoding: page.bytes[$0], as: UTF8.self) } ?? "" }
        for table in try PagePlan(coalescing: page, keysCompareByText: { _ in true }).tables {
            for index in table.wholeRowInsertions { state.add(1, of: text(page.changes[index].image)) }
            gone += table.wholeRowDeletions.map { text(page.changes[$0].image) }
            for index in table.keyedChanges {
                let change = page.changes[index]
                state.keyed[text(change.key)] = change.operation == .delete ? nil : text(change.image)
            }
        }
    }

    /// Before it, the connection dies and nothing has happened; in it, everything has and nobody knows.
    private func commit(_ state: SimulatedWorld.State, _ moved: Cursor, from cursor: Cursor) throws -> Cursor {
        try world.inner.withLock { inner in
            try inner.mayFail("before COMMIT")
            guard inner.cursor.isAt(cursor) else { throw cursor.isElsewhere(than: inner.cursor, pipeline: "simulated") }
            inner.target = state
            if world.movesCursorApart { try inner.mayFail("between rows and cursor") }
            inner.cursor = moved
            inner.commits += 1
            inner.checkTarget()
            try inner.mayFail("in COMMIT, after it took effect")
            return moved
        }
    }
}

extension SimulatedWorld.Inner {
    /// Invariant 2: the target is a state that the source really had, the one that the cursor names.
    mutating func checkTarget() {
        guard case .transactions(let snapshot) = cursor.snapshot else { return }
        let source = state(at: snapshot)
        let (keyed, keyless) = (copies[SimulatedSource.tables[0].name], copies[SimulatedSource.tables[1].name])
        let isKeyedRight = switch keyed?.state {
        case .waiting: target.keyed.isEmpty
        // Each row is the source's, and what is copied is whole.
        case .copying:
            target.keyed.allSatisfy { source.keyed[$0.key] == $0.value }
                && source.keyed.keys.allSatisfy { $0 > keyed?.copiedThrough ?? "" || target.keyed[$0] != nil }
        default: target.keyed == source.keyed
        }
        let isKeylessRight = keyless?.state == .waiting ? target.keyless.isEmpty : target.keyless == source.keyless
        if let row = rowBeforeSequence { violations.append("the sequence of \(row) is behind it") }
        guard isKeyedRight, isKeylessRight else { return violations.append("the target is no state of the source at \(snapshot)") }
    }
}
