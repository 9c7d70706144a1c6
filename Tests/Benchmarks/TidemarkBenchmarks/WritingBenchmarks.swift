import Benchmark
import TidemarkCore
import TidemarkPostgres

/// What goes to PostgreSQL: lines of COPY for new rows, JSON arrays for all others.
func measureWriting() {
    for kind in RowKind.allCases {
        Benchmark("Write \(kind.rawValue) as lines of COPY") { (benchmark, changes: GeneratedChanges) in
            let lines = CopyLines(changes.table.columns.map { ($0.name, true) })
            guard let written = lines.lines(changes.all, of: changes.page) else { return benchmark.error("not of COPY's form") }
            blackHole(written)
        } setup: {
            GeneratedChanges(kind)
        }
        Benchmark("Write \(kind.rawValue) as a JSON array") { (_, changes: GeneratedChanges) in
            blackHole(PageArray.images(changes.all, of: changes.page))
        } setup: {
            GeneratedChanges(kind)
        }
    }
}
