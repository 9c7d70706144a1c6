package import TidemarkCore

/// Digests of a table's rows, computed in tidemark's own process: the rows of a file are nowhere nearer.
package struct RowDigests {
    private let database: SQLiteDatabase
    private let rows: TableRows
    private let columnCount: Int32
    private let keyPlaces: [Int32]

    init(_ database: SQLiteDatabase, _ rows: TableRows) {
        self.database = database
        self.rows = rows
        columnCount = Int32(rows.columns.count)
        keyPlaces = rows.isKeyed ? rows.keyPlaces : []
    }

    /// - Parameter table: as the database holds it now.
    package init(_ database: SQLiteDatabase, of table: CapturedTable) throws {
        self.init(database, try TableRows(table, in: database, role: .source))
    }

    /// How many rows each bucket holds, and the sum of their hashes; none for an empty one.
    package func digests(of part: TablePart, buckets: Int) throws -> [Int: RowDigest] {
        // Counts and sums side by side in one array: one row touches one place of it.
        var sums = [(rows: Int64, sum: Int64)](repeating: (0, 0), count: buckets)
        try scan(part) { statement in
            let (bucket, hash) = place(statement, buckets)
            sums[bucket].rows += 1
            sums[bucket].sum &+= hash
        }
        var found: [Int: RowDigest] = [:]
        for (bucket, sum) in sums.enumerated() where sum.rows > 0 {
            found[bucket] = RowDigest(rows: sum.rows, sum: String(sum.sum))
        }
        return found
    }

    func list(
        _ part: TablePart, buckets: Int, chosen: Set<Int>, _ receive: (RowFingerprint) throws -> Void
    ) throws {
        var isChosen = [Bool](repeating: false, count: buckets)
        for bucket in chosen where isChosen.indices.contains(bucket) { isChosen[bucket] = true }
        let places = keyPlaces.isEmpty ? Array(rows.columns.indices) : keyPlaces.map(Int.init)
        let text = RowText(places.map { rows.captured.columns[$0] }, encoding: rows.captured.encoding)
        try scan(part) { statement in
            let (bucket, hash) = place(statement, buckets)
            guard isChosen[bucket] else { return }
            try receive(RowFingerprint(key: text.text(places.map(statement.value)), hash: hash))
        }
    }

    /// By the key as it is given; a row that is not there has no entry.
    func columnHashes(keys: [String]) throws -> [String: [Int64]] {
        let statement = try database.prepare(rows.rowByKey)
        let reader = RowKey(rows)
        var found: [String: [Int64]] = [:]
        for key in keys {
            try statement.bind(try reader.values(key))
            if try statement.step() {
                found[key] = (0..<columnCount).map { column in
                    var hash = ValueHash()
                    statement.fold(column, into: &hash)
                    return hash.value
                }
            }
            statement.reset()
        }
        return found
    }

    private func scan(_ part: TablePart, _ body: (SQLiteStatement) throws -> Void) throws {
        let (condition, values) = try rows.condition(of: part)
        let statement = try database.prepare("SELECT \(rows.columnList) FROM \(rows.quotedName) WHERE \(condition)")
        try statement.bind(values)
        defer { statement.reset() }
        while try statement.step() { try body(statement) }
    }

    /// The bucket by the key, and the hash of all values.
    @inline(__always)
    private func place(_ statement: SQLiteStatement, _ buckets: Int) -> (bucket: Int, hash: Int64) {
        let hash = statement.rowHash(columnCount)
        guard !keyPlaces.isEmpty else { return (Int(hash & Int64(buckets - 1)), hash) }
        var key = ValueHash()
        for column in keyPlaces { statement.fold(column, into: &key) }
        return (Int(key.value & Int64(buckets - 1)), hash)
    }
}

extension SQLiteStatement {
    /// The hash of the first columns of the current row.
    @inline(__always)
    func rowHash(_ columns: Int32) -> Int64 {
        var hash = ValueHash()
        for column in 0..<columns { fold(column, into: &hash) }
        return hash.value
    }

    /// A column of the current row; a function, so that it can be mapped over places.
    func value(_ place: Int) -> SQLiteValue { column(place) }
}
