import Benchmark
import TidemarkCore
import TidemarkSQLite

/// What goes to SQLite: tokens of an image become bound values.
func measureBinding() {
    for kind in RowKind.allCases {
        for (engine, encoding) in [("PostgreSQL", ImageEncoding.typedText), ("SQLite", .storageClasses)] {
            Benchmark("Bind \(kind.rawValue) of \(engine)") { (benchmark, table: MemoryTable) throws in
                for number in benchmark.scaledIterations { try table.bind(number) }
            } setup: {
                try MemoryTable(kind, encoding: encoding)
            }
        }
    }
    Benchmark("Bind and upsert TPC-B rows in memory") { (benchmark, table: MemoryTable) throws in
        try table.database.transaction("BEGIN") {
            for number in benchmark.scaledIterations { try table.write(number) }
        }
    } setup: {
        try MemoryTable(.tpcb, encoding: .storageClasses)
    }
}
