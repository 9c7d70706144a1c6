import Benchmark
import TidemarkCore
import TidemarkSQLite

/// Comparing: the digests of rows that SQLite holds, which tidemark computes itself.
func measureDigests() {
    for kind in [RowKind.tpcb, .wide] {
        Benchmark("Digest \(kind.rawValue) in memory") { (_, table: MemoryTable) throws in
            let digests = try RowDigests(table.database, of: table.captured)
            blackHole(try digests.digests(of: TablePart(table.captured), buckets: 1_024))
        } setup: {
            try MemoryTable(kind, encoding: .storageClasses)
        }
    }
}
