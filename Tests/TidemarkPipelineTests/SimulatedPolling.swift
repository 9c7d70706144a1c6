import Synchronization
import TidemarkCore
import TidemarkPipeline
import TidemarkTestSupport

/// A source whose tables are read, a target that keeps rows and units, and a clock that only waiting moves.
final class SimulatedPolling: Sendable {
    struct Row: Equatable { var value, mark: Int }

    struct Inner {
        var random: SeededRandom
        var faultsPerMille = 0
        var tables: [TableName: [Int: Row]] = [:]
        var target: [TableName: [Int: Row]] = [:]
        var units: [TableName: SyncUnit] = [:]
        var epoch = Int64(0)
        var worker: String?
        var pausedBy: String?
        var nextMark = 1
        /// Rows that are written and not committed, with their transaction's number.
        var open: [(xid: Int, table: TableName, key: Int, row: Row)] = []
        var nextXid = 1
        var now = SourceTime(microseconds: 1_700_000_000_000_000)
        var faults = 0
        /// Passes begun, by table, and parts and pages that were read.
        var begun: [TableName: [SourceTime]] = [:]
        var rowsRead: [TableName: Int] = [:]
        /// Tables that cannot be read for good.
        var broken: Set<TableName> = []
        var violations: [String] = []
        var onWait: (@Sendable (inout Inner) -> Void)?
        var onRead: (@Sendable (inout Inner) -> Void)?

        mutating func mayFail(_ place: String) throws {
            guard Int.random(in: 0..<1000, using: &random) < faultsPerMille else { return }
            faults += 1
            throw TidemarkError("fault", why: place, remedy: "none", retry: .later)
        }

        mutating func write(_ table: TableName, _ key: Int) {
            tables[table, default: [:]][key] = Row(value: nextMark, mark: nextMark)
            nextMark += 1
        }

        /// Some activity of an application, part of which commits late.
        mutating func live() {
            for _ in 0..<Int.random(in: 0...6, using: &random) {
                guard let table = tables.keys.sorted().randomElement(using: &random) else { return }
                let key = Int.random(in: 0..<20, using: &random)
                guard !open.contains(where: { $0.table == table && $0.key == key }) else { continue }
                switch Int.random(in: 0..<6, using: &random) {
                case 0: tables[table]?[key] = nil
                case 1:
                    open.append((nextXid, table, key, Row(value: nextMark, mark: nextMark)))
                    (nextXid, nextMark) = (nextXid + 1, nextMark + 1)
                case 2: if !open.isEmpty { commit(Int.random(in: 0..<open.count, using: &random)) }
                default: write(table, key)
                }
            }
        }

        mutating func commit(_ index: Int) {
            let write = open.remove(at: index)
            tables[write.table]?[write.key] = write.row
        }
    }

    let inner: Mutex<Inner>
    static let tables = ["a", "b", "c"].map { TableName(schema: nil, name: $0) }

    init(seed: UInt64 = 1, rows: Int = 0) {
        inner = Mutex(Inner(random: SeededRandom(seed: seed)))
        inner.withLock { inner in
            for table in Self.tables {
                inner.tables[table] = [:]
                for key in 0..<rows { inner.write(table, key) }
            }
        }
    }

    func update<T: Sendable>(_ body: @Sendable (inout Inner) throws -> T) rethrows -> T { try inner.withLock { try body(&$0) } }

    var clock: SyncClock {
        SyncClock(
            now: { self.update { $0.now } },
            wait: { ms in
                self.update { inner in
                    inner.now.microseconds += Int64(ms) * 1000
                    inner.onWait?(&inner)
                }
                await Task.yield()
            })
    }

    var connections: PolledConnections {
        PolledConnections(
            source: { SimulatedPolledSource(self) }, target: { SimulatedPolledTarget(self) }, holder: { SimulatedHolder(self) })
    }

    static func captured(_ name: TableName) -> CapturedTable {
        CapturedTable(
            capture: 0, name: name, columns: ["id", "v", "m"].map { CapturedColumn(name: $0, type: "integer") }, keyColumns: ["id"],
            encoding: .typedText)
    }
}

extension ChangePage {
    mutating func append(_ key: Int, _ row: SimulatedPolling.Row?) {
        let (keyBytes, image) = (Array("\(key)".utf8), row.map { Array("\($0.value) \($0.mark)".utf8) })
        keyBytes.withUnsafeBytes { keyBytes in
            (image ?? []).withUnsafeBytes { imageBytes in
                append(id: 0, capture: 0, operation: .update, key: keyBytes, image: image == nil ? nil : imageBytes)
            }
        }
    }

    var keyed: [(key: Int, row: SimulatedPolling.Row?)] {
        changes.map { change in
            let text = { (range: Range<Int>) in String(decoding: bytes[range], as: UTF8.self) }
            let numbers = change.image.map { text($0).split(separator: " ").compactMap { Int($0) } }
            return (change.key.flatMap { Int(text($0)) } ?? -1, numbers.map { SimulatedPolling.Row(value: $0[0], mark: $0[1]) })
        }
    }
}

final class SimulatedPolledSource: PolledSource {
    private let world: SimulatedPolling
    private var held: [TableName: [Int: SimulatedPolling.Row]]?
    init(_ world: SimulatedPolling) { self.world = world }

    func identity() throws -> String { "simulated" }

    func tables(_ selection: TableSelection, _ rules: TableRules) throws -> [CapturedTable] {
        try world.update { inner in
            try inner.mayFail("listing")
            return inner.tables.keys.sorted().filter { selection.takes($0) }.map(SimulatedPolling.captured)
        }
    }

    func hold(_ tables: [TableName]) throws {
        held = try world.update { inner in
            try inner.mayFail("holding")
            return inner.tables
        }
    }

    func release() { held = nil }
    func size(of table: CapturedTable) throws -> TableSize {
        TableSize(rows: Int64(held?[table.name]?.count ?? 0), bytes: 0)
    }

    private func rows(_ part: TablePart) throws -> [(key: Int, value: SimulatedPolling.Row)] {
        guard let held else { throw TidemarkError("nothing is held", why: "", remedy: "") }
        let (after, through) = (part.after.flatMap { Int($0) } ?? -1, part.through.flatMap { Int($0) } ?? .max)
        return (held[part.table.name] ?? [:]).filter { $0.key > after && $0.key <= through }.sorted { $0.key < $1.key }
    }

    func key(in part: TablePart, afterRows rows: Int) throws -> String? {
        let found = try self.rows(part)
        return found.count > rows ? String(found[rows - 1].key) : nil
    }

    private func hand(_ rows: [(key: Int, value: SimulatedPolling.Row)], of table: TableName, withImages: Bool = true, _ receive: (ChangePage) throws -> Void) throws {
        try world.update { inner in
            if inner.broken.contains(table) { throw TidemarkError("the table cannot be read", table: table, why: "it is broken", remedy: "Mend it.") }
            inner.rowsRead[table, default: 0] += rows.count
            inner.onRead?(&inner)
        }
        for start in stride(from: 0, to: rows.count, by: 3) {
            try world.update { try $0.mayFail("reading") }
            var page = ChangePage()
            for row in rows[start..<min(start + 3, rows.count)] { page.append(row.key, withImages ? row.value : nil) }
            try receive(page)
        }
    }

    func read(_ part: TablePart, _ receive: (ChangePage) throws -> Void) throws { try hand(rows(part), of: part.table.name, receive) }

    func keyOrder(of table: CapturedTable) throws -> [String] { ["number"] }

    func reach(of table: CapturedTable, by reading: IncrementalReading) throws -> IncrementalReach {
        try world.update { inner in
            try inner.mayFail("reaching")
            if inner.faultsPerMille > 0 { inner.live() }
            let mark = inner.tables[table.name]?.values.map(\.mark).max()
            return IncrementalReach(mark: mark.map { ChangeMark(json: String($0)) }, horizon: String(inner.nextXid))
        }
    }

    func isPast(_ horizon: String) throws -> Bool {
        world.update { ($0.open.map(\.xid).min() ?? $0.nextXid) >= Int(horizon) ?? 0 }
    }

    func read(
        _ table: CapturedTable, by reading: IncrementalReading, after mark: ChangeMark?, through end: ChangeMark, _ receive: (ChangePage) throws -> Void
    ) throws {
        let found = try rows(TablePart(table)).filter { $0.value.mark > mark.flatMap { Int($0.json) } ?? 0 && $0.value.mark <= Int(end.json) ?? 0 }
        try hand(found.sorted { $0.value.mark < $1.value.mark }, of: table.name, receive)
    }

    func keys(of part: TablePart, _ receive: (ChangePage) throws -> Void) throws {
        try hand(rows(part), of: part.table.name, withImages: false, receive)
    }
}

final class SimulatedPolledTarget: PolledTarget {
    private let world: SimulatedPolling
    init(_ world: SimulatedPolling) { self.world = world }

    func units() throws -> [SyncUnit] {
        try world.update { inner in
            try inner.mayFail("reading units")
            return Array(inner.units.values)
        }
    }

    /// One transaction: what fails before its end has done nothing.
    private func write(
        _ unit: SyncUnit, _ epoch: Int64, _ body: (inout [Int: SimulatedPolling.Row]) throws -> (read: Int, written: Int, deleted: Int)
    ) throws -> SyncUnit {
        var rows = world.update { $0.target[unit.table] ?? [:] }
        let (read, written, deleted) = try body(&rows)
        let changed = rows
        return try world.update { inner in
            try inner.mayFail("writing")
            guard inner.epoch == epoch else { throw TidemarkError("another worker", why: "", remedy: "", retry: .takenOver) }
            guard inner.units[unit.table]?.startedAt ?? "" <= unit.startedAt ?? "~" else { throw SyncUnit.overtaken(unit.table, pipeline: "main") }
            var saved = unit
            saved.rowsDone += Int64(read)
            (saved.rowsWritten, saved.rowsDeleted) = (unit.rowsWritten + Int64(written), unit.rowsDeleted + Int64(deleted))
            if unit.state == .running, inner.units[unit.table]?.startedAt != unit.startedAt { inner.begun[unit.table, default: []].append(inner.now) }
            (inner.target[unit.table], inner.units[unit.table]) = (changed, saved)
            // The answer of what is committed may be lost.
            try inner.mayFail("committing")
            return saved
        }
    }

    func save(_ unit: SyncUnit, epoch: Int64) throws { _ = try write(unit, epoch) { _ in (0, 0, 0) } }

    func forget(_ tables: [TableName], epoch: Int64) throws {
        world.update { inner in for table in tables { inner.units[table] = nil } }
    }

    func apply(_ unit: SyncUnit, of table: CapturedTable, epoch: Int64, nextPage: () throws -> ChangePage?) throws -> SyncUnit {
        try write(unit, epoch) { rows in
            var (read, written) = (0, 0)
            while let page = try nextPage() {
                read += page.changes.count
                for (key, row) in page.keyed where rows[key] != row { (rows[key], written) = (row, written + 1) }
            }
            return (read, written, 0)
        }
    }

    func replace(_ unit: SyncUnit, of table: CapturedTable, epoch: Int64, nextPage: () throws -> ChangePage?) throws -> SyncUnit {
        try write(unit, epoch) { rows in
            var found: [Int: SimulatedPolling.Row] = [:]
            while let page = try nextPage() { for (key, row) in page.keyed { found[key] = row } }
            let result = (found.count, found.count { rows[$0.key] != $0.value }, rows.keys.count { found[$0] == nil })
            rows = found
            return result
        }
    }

    func deleteOthers(_ unit: SyncUnit, in part: TablePart, epoch: Int64, keys nextPage: () throws -> ChangePage?) throws -> SyncUnit {
        try write(unit, epoch) { rows in
            var keys: Set<Int> = []
            while let page = try nextPage() { keys.formUnion(page.keyed.map(\.key)) }
            let (after, through) = (part.after.flatMap { Int($0) } ?? -1, part.through.flatMap { Int($0) } ?? .max)
            let gone = rows.keys.filter { $0 > after && $0 <= through && !keys.contains($0) }
            for key in gone { rows[key] = nil }
            return (0, 0, gone.count)
        }
    }

    func keyOrder(of table: CapturedTable) throws -> [String] { ["number"] }
    func key(in part: TablePart, afterRows rows: Int) throws -> String? { nil }
}

/// Of a target's stream only what holds a pipeline.
final class SimulatedHolder: ChangeTarget {
    private let world: SimulatedPolling
    init(_ world: SimulatedPolling) { self.world = world }

    private static func cursor(_ epoch: Int64) -> Cursor { Cursor(source: "simulated", snapshot: .change(0), witness: "", lastID: 0, epoch: epoch) }
    private static func pause() -> TidemarkError { TidemarkError("the pipeline is held", why: "it is paused", remedy: "", retry: .paused) }

    func takeOver(worker: String) throws -> Cursor {
        try world.update { inner in
            try inner.mayFail("taking over")
            if inner.pausedBy != nil { throw Self.pause() }
            (inner.epoch, inner.worker) = (inner.epoch + 1, worker)
            return Self.cursor(inner.epoch)
        }
    }

    func cursor() throws -> Cursor {
        try world.update { inner in
            if inner.pausedBy != nil { throw Self.pause() }
            return Self.cursor(inner.epoch)
        }
    }

    func lastWorker() throws -> String? { world.update { $0.worker } }
    func copies(expecting missing: [TableCopy]) throws -> [TableCopy] { [] }
    func record(failure: String, epoch: Int64) throws {}
    func advance(_ sequences: [SequenceState]) throws {}
    func note(_ heartbeat: SourceHeartbeat, epoch: Int64) throws {}
    func apply(
        _ window: Window, tables: [Int32: CapturedTable], moving cursor: Cursor, order: ApplyOrder, parking faults: [ParkedFault],
        nextPage: () throws -> SplitPage?
    ) throws -> Cursor { cursor }
}
