import TidemarkCore

/// Changes of the window at hand, put aside in a temporary table of the target: whole rows to be
/// deleted, which have to wait for all insertions (BREAKS B7), or all changes (F1). The worker's memory
/// stays bounded by a page.
struct WindowStage {
    static let table = "tidemark_window"

    /// The captures that have rows here.
    private(set) var captures: Set<Int32> = []
    private(set) var firstID = Int64.max
    private(set) var lastID = Int64(0)
    /// Up to which id a table's rows are void, because it was truncated there.
    private(set) var voidThrough: [Int32: Int64] = [:]
    private var exists = false

    var isEmpty: Bool { captures.isEmpty }

    /// Adds the changes of a page.
    mutating func add(_ indices: [Int], of page: ChangePage, in session: PostgresSession) throws(PostgresFailure) {
        guard let first = indices.first, let last = indices.last else { return }
        if !exists {
            do {
                try session.run(
                    """
                    create temporary table if not exists \(Self.table)
                    (id bigint, capture int, operation "char", key json, image json) on commit delete rows
                    """)
            } catch {
                // So that the remedy speaks of this table, and not of the one that is replicated.
                var named = error
                named.table = Self.table
                throw named
            }
            exists = true
        }
        try session.query(
            """
            insert into pg_temp.\(Self.table) select * from json_to_recordset($1)
            as x(i bigint, c int, o "char", k json, r json)
            """, [.json(Self.records(indices, of: page))])
        for index in indices { captures.insert(page.changes[index].capture) }
        firstID = min(firstID, page.changes[first].id)
        lastID = max(lastID, page.changes[last].id)
    }

    /// Nothing that the table was to receive before this change counts any longer.
    mutating func void(_ capture: Int32, through id: Int64) { voidThrough[capture] = id }

    /// Forgets what was applied: all but the whole rows to be deleted that were not found yet.
    mutating func clear(in session: PostgresSession) throws(PostgresFailure) {
        guard exists else { return }
        for capture in captures.sorted() {
            try session.query(
                "delete from pg_temp.\(Self.table) where capture = $1 and (key is not null or operation <> 'D' or id <= $2)",
                [.text(String(capture)), .text(String(voidThrough[capture] ?? 0))])
        }
        let left = try session.query("select distinct capture from pg_temp.\(Self.table)")
        captures = Set((0..<left.count).compactMap { left[$0, 0].flatMap { Int32($0) } })
    }

    /// How many whole rows of the table still wait for their deletion, and the first such change.
    func wholeRowsLeft(_ capture: Int32, in session: PostgresSession) throws(PostgresFailure) -> (count: Int, firstID: Int64?) {
        let rows = try session.query(
            """
            select count(*), min(id) from pg_temp.\(Self.table)
            where capture = $1 and id > $2 and key is null and operation = 'D'
            """, [.text(String(capture)), .text(String(voidThrough[capture] ?? 0))])
        return (Int(rows[0, 0] ?? "") ?? 0, rows[0, 1].flatMap { Int64($0) })
    }

    /// The key of a change that is here.
    func key(of id: Int64, in session: PostgresSession) throws(PostgresFailure) -> (capture: Int32, key: String?)? {
        let rows = try session.query(
            "select capture, key from pg_temp.\(Self.table) where id = $1", [.text(String(id))])
        return rows[0, 0].flatMap { Int32($0) }.map { ($0, rows[0, 1]) }
    }

    private static func records(_ indices: [Int], of page: ChangePage) -> [UInt8] {
        var bytes: [UInt8] = []
        var length = 2
        for index in indices {
            let change = page.changes[index]
            length += 64 + (change.key?.count ?? 0) + (change.image?.count ?? 0)
        }
        bytes.reserveCapacity(length)
        bytes.append(UInt8(ascii: "["))
        for index in indices {
            let change = page.changes[index]
            if bytes.count > 1 { bytes.append(UInt8(ascii: ",")) }
            bytes.append(contentsOf: "{\"i\":\(change.id),\"c\":\(change.capture),\"o\":\"".utf8)
            bytes.append(change.operation.rawValue)
            bytes.append(UInt8(ascii: "\""))
            for (label, range) in [(UInt8(ascii: "k"), change.key), (UInt8(ascii: "r"), change.image)] {
                guard let range else { continue }
                bytes.append(contentsOf: [0x2c, 0x22, label, 0x22, 0x3a])
                bytes.append(contentsOf: page.bytes[range])
            }
            bytes.append(UInt8(ascii: "}"))
        }
        bytes.append(UInt8(ascii: "]"))
        return bytes
    }
}
