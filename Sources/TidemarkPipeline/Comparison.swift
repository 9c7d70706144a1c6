import TidemarkBlocking
package import TidemarkCore

/// What the comparison of some rows found.
package struct ComparedRows: Sendable {
    package var rows = Int64(0)
    package var differences: [RowDifference] = []
}

/// Compares a part of a table on both sides of a lane, each held at the same place.
struct Comparison {
    let lane: RowLane
    /// Are source and target of one engine, so that both hash a row alike?
    let isOneEngine: Bool
    /// Rows whose fingerprints are held in memory at a time.
    private static let listedMax: Int64 = 50_000
    private static let buckets = 1024
    private static let keysPerLook = 500

    func compare(_ part: TablePart) async throws -> ComparedRows {
        guard isOneEngine else { return try await compareImages(part) }
        async let sourceDigests = lane.read { try $0.digests(of: part, buckets: Self.buckets) }
        async let targetDigests = lane.compare { try $0.digests(of: part, buckets: Self.buckets) }
        let (source, target) = try await (sourceDigests, targetDigests)
        var compared = ComparedRows()
        compared.rows = source.values.reduce(0) { $0 + $1.rows }
        let differing = Set(source.keys).union(target.keys).filter { source[$0] != target[$0] }.sorted()
        var chosen: Set<Int> = []
        var listed = Int64(0)
        for bucket in differing {
            chosen.insert(bucket)
            listed += (source[bucket]?.rows ?? 0) + (target[bucket]?.rows ?? 0)
            if listed >= Self.listedMax || bucket == differing.last {
                compared.differences += try await differences(part, in: chosen)
                (chosen, listed) = ([], 0)
            }
        }
        return compared
    }

    /// May both sides be asked for the rows between two keys?
    func agreesOnOrder(of table: CapturedTable) async throws -> Bool {
        let source = try await lane.read { try $0.keyOrder(of: table) }
        let target = try await lane.compare { try $0.keyOrder(of: table) }
        return !source.isEmpty && source == target
    }

    private func differences(_ part: TablePart, in chosen: Set<Int>) async throws -> [RowDifference] {
        async let sourceRows = lane.read { try Self.hashes(of: part, in: chosen, read: $0) }
        async let targetRows = lane.compare { try Self.hashes(of: part, in: chosen, read: $0) }
        let (source, target) = try await (sourceRows, targetRows)
        var found: [RowDifference] = []
        for key in Set(source.keys).union(target.keys).sorted() {
            let (there, here) = (source[key] ?? [:], target[key] ?? [:])
            guard there != here else { continue }
            let surplus = there.values.reduce(0, +) - here.values.reduce(0, +)
            if surplus == 0 {
                found.append(RowDifference(.different, key: key))
            } else {
                found.append(RowDifference(surplus > 0 ? .missing : .extra, key: key, count: abs(surplus)))
            }
        }
        return try await namingColumns(found, of: part.table)
    }

    /// How often each key stands there with each hash of a row.
    private static func hashes(
        of part: TablePart, in chosen: Set<Int>, read side: some RowReading
    ) throws -> [String: [Int64: Int64]] {
        var rows: [String: [Int64: Int64]] = [:]
        try side.list(part, buckets: buckets, chosen: chosen) { rows[$0.key, default: [:]][$0.hash, default: 0] += 1 }
        return rows
    }

    private func namingColumns(_ found: [RowDifference], of table: CapturedTable) async throws -> [RowDifference] {
        var named = found
        let places = found.indices.filter { found[$0].kind == .different }
        for start in stride(from: 0, to: places.count, by: Self.keysPerLook) {
            let some = places[start..<min(start + Self.keysPerLook, places.count)]
            let keys = some.map { found[$0].key }
            async let sourceHashes = lane.read { try $0.columnHashes(of: table, keys: keys) }
            async let targetHashes = lane.compare { try $0.columnHashes(of: table, keys: keys) }
            let (source, target) = try await (sourceHashes, targetHashes)
            for place in some {
                guard let there = source[found[place].key], let here = target[found[place].key] else { continue }
                named[place].columns = table.columns.indices.filter { there[$0] != here[$0] }.map { table.columns[$0].name }
            }
        }
        return named
    }

    /// Between engines: the target says which of its rows are not what the source's would become there.
    private func compareImages(_ part: TablePart) async throws -> ComparedRows {
        let slots = lane.startReading(part, as: .changes)
        let (rows, differences) = try await lane.compare { target in
            defer { slots.abandon() }
            var (rows, differences) = (Int64(0), [RowDifference]())
            while case .changes(let page)? = try slots.next() {
                rows += Int64(page.changes.count)
                differences += try target.compare(page, of: part.table)
            }
            return (rows, differences)
        }
        let missing = differences.filter { $0.kind == .missing }.count
        let standing = try await lane.compare { try $0.count(part) }
        let isKeyless = part.table.keyColumns.isEmpty
        guard isKeyless || standing != rows - Int64(missing) else { return ComparedRows(rows: rows, differences: differences) }
        // Only now: which they are takes another reading.
        let again = isKeyless ? nil : lane.startReading(part, as: .changes)
        let extras = try await lane.compare { target in
            defer { again?.abandon() }
            var extras: [RowDifference] = []
            try target.extras(part, besides: {
                guard case .changes(let page)? = try again?.next() else { return nil }
                return page
            }) { extras.append($0) }
            return extras
        }
        return ComparedRows(rows: rows, differences: differences + extras)
    }
}
