import Benchmark
import TidemarkCore

/// Folding a page to the last change of each row, and putting what is left in the order of keys.
func measurePlanning() {
    let mixed: [Operation] = [.insert, .insert, .insert, .insert, .insert, .insert, .update, .update, .update, .delete]
    for (what, rows) in [("a row each", GeneratedChanges.count), ("50 rows", 50)] {
        Benchmark("Coalesce changes of \(what)") { (_, changes: GeneratedChanges) throws in
            blackHole(try PagePlan(coalescing: changes.page, keysCompareByText: { _ in true }))
        } setup: {
            GeneratedChanges(.tpcb, rows: rows, operations: mixed)
        }
    }
    Benchmark("Order changes by key") { (_, changes: GeneratedChanges) in
        blackHole(changes.page.inKeyOrder(changes.all))
    } setup: {
        GeneratedChanges(.tpcb)
    }
}
