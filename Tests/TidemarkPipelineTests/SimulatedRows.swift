import Synchronization
import TidemarkCore

/// The rows of a simulated source, in the order of their keys' text.
final class SimulatedRowSource: RowSource {
    private let world: SimulatedWorld
    private var held: SimulatedWorld.State?
    init(_ world: SimulatedWorld) { self.world = world }

    let readersMax = 1
    /// A round is over before it has copied all.
    let holdMaxMs = 1

    func hold(_ tables: [TableName]) throws -> HeldPosition {
        try world.inner.withLock { inner in
            try inner.mayFail("holding the source")
            if inner.stepsLeft > 0 { inner.live() }
            inner.stepsLeft -= 1
            held = inner.state(at: inner.snapshot)
            return HeldPosition(snapshot: .transactions(inner.snapshot), share: nil, tables: SimulatedSource.tables)
        }
    }

    func join(_ position: HeldPosition) throws {}
    func release() { held = nil }
    func isInTheWay() throws -> Bool { world.inner.withLock { Int.random(in: 0..<3, using: &$0.random) == 0 } }
    func keyOrder(of table: CapturedTable) throws -> [String] { table.keyColumns }
    func size(of table: CapturedTable) throws -> TableSize { TableSize(rows: 100, bytes: 100) }
    func check(condition: String, of table: CapturedTable) throws {}

    func key(in part: TablePart, afterRows rows: Int) throws -> String? {
        let keys = keys(part)
        return keys.count > rows ? keys[rows - 1] : nil
    }

    func read(_ part: TablePart, as form: RowForm, _ receive: (RowPage) throws -> Void) throws {
        // The application goes on, and none of it is seen here.
        try world.inner.withLock { inner in
            if inner.stepsLeft > 0 { inner.live() }
            try inner.mayFail("reading rows")
        }
        var entries: [SimulatedWorld.Entry] = []
        if part.table.keyColumns.isEmpty {
            for (image, count) in (held?.keyless ?? [:]).sorted(by: { $0.key < $1.key }) {
                for _ in 0..<count { entries.append(entry(entries.count, 2, .insert, nil, image)) }
            }
        } else {
            entries = keys(part).enumerated().map { entry($0, 1, .update, $1, held?.keyed[$1]) }
        }
        for start in stride(from: 0, to: entries.count, by: 3) {
            var page = ChangePage()
            for entry in entries[start..<min(start + 3, entries.count)] { page.append(entry) }
            try receive(.changes(page))
        }
    }

    func digests(of part: TablePart, buckets: Int) throws -> [Int: RowDigest] { [:] }
    func list(_ part: TablePart, buckets: Int, chosen: Set<Int>, _ receive: (RowFingerprint) throws -> Void) throws {}
    func columnHashes(of table: CapturedTable, keys: [String]) throws -> [String: [Int64]] { [:] }

    private func keys(_ part: TablePart) -> [String] {
        (held?.keyed ?? [:]).keys.sorted().filter { $0 > part.after ?? "" && (part.through == nil || $0 <= part.through ?? "") }
    }

    private func entry(_ place: Int, _ capture: Int32, _ operation: TidemarkCore.Operation, _ key: String?, _ image: String?) -> SimulatedWorld.Entry {
        SimulatedWorld.Entry(id: Int64(place + 1), xid: 0, capture: capture, operation: operation, key: key, image: image)
    }
}

/// Loads rows as one transaction: what is not committed is lost.
final class SimulatedRowTarget: RowTarget {
    private let world: SimulatedWorld
    init(_ world: SimulatedWorld) { self.world = world }

    let loadersMax = 1
    func form(of table: CapturedTable, from engine: String) throws -> RowForm { .changes }
    func loadingOrder(_ tables: [CapturedTable]) throws -> (groups: [[CapturedTable]], whole: Set<TableName>) { ([tables], []) }
    func hasRows(_ table: CapturedTable) throws -> Bool { false }
    func finish(_ table: TableName, running statements: [String], at cursor: Cursor) throws {}
    func statements(for changes: ChangePage, of table: CapturedTable) throws -> [String] { [] }
    func script(of statements: [String], moving cursor: Cursor, to moved: Cursor) throws -> [String] { statements }
    func proofs() throws -> [TableProof] { [] }
    func save(_ proof: TableProof, ended: Bool) throws {}
    func repair(_ differences: [RowDifference], of table: CapturedTable, with changes: ChangePage, at cursor: Cursor) throws {}

    func begin(_ copy: TableCopy, of table: CapturedTable, at cursor: Cursor) throws {
        try commit(copy, at: cursor, raisingRevision: true) { $0.keyed = [:] }
    }

    func load(
        _ table: CapturedTable, as form: RowForm, order: ApplyOrder, at cursor: Cursor, saving copy: TableCopy?,
        nextPage: () throws -> RowPage?
    ) throws -> Int64 {
        var rows: [(key: String?, image: String)] = []
        while case .changes(let page)? = try nextPage() {
            func text(_ range: Range<Int>?) -> String? { range.map { String(decoding: page.bytes[$0], as: UTF8.self) } }
            rows += page.changes.map { (text($0.key), text($0.image) ?? "") }
        }
        try commit(copy, at: cursor, raisingRevision: copy != nil) { state in
            if table.keyColumns.isEmpty { state.keyless = [:] }
            for row in rows {
                if let key = row.key { state.keyed[key] = row.image } else { state.add(1, of: row.image) }
            }
        }
        return Int64(rows.count)
    }

    func save(_ copy: TableCopy, at cursor: Cursor, changesStream: Bool) throws {
        try world.inner.withLock { inner in
            try inner.mayFail("saving a copy")
            guard inner.cursor.epoch == cursor.epoch else { throw cursor.isElsewhere(than: inner.cursor, pipeline: "simulated") }
            inner.copies[copy.table] = copy
            if changesStream { inner.cursor.revision += 1 }
            inner.checkTarget()
            try inner.mayFail("after a copy was saved")
        }
    }

    private func commit(
        _ copy: TableCopy?, at cursor: Cursor, raisingRevision: Bool, _ body: (inout SimulatedWorld.State) -> Void
    ) throws {
        try world.inner.withLock { inner in
            try inner.mayFail("before COMMIT of rows")
            guard inner.cursor.isAt(cursor) else { throw cursor.isElsewhere(than: inner.cursor, pipeline: "simulated") }
            body(&inner.target)
            if let copy { inner.copies[copy.table] = copy }
            if raisingRevision { inner.cursor.revision += 1 }
            inner.commits += 1
            inner.checkTarget()
            try inner.mayFail("in COMMIT of rows, after it took effect")
        }
    }
}
