import Benchmark
import TidemarkCore
import TidemarkTestSupport

/// Deciding where windows end: what a snapshot sees, and whether one contains another.
func measureSnapshots() {
    Benchmark("Ask whether a snapshot with 100 open transactions sees one") { (benchmark, snapshots: OpenSnapshots) in
        var seen = 0
        for number in benchmark.scaledIterations where snapshots.later.sees(snapshots.asked[number]) { seen += 1 }
        blackHole(seen)
    } setup: {
        OpenSnapshots()
    }
    Benchmark("Ask whether a snapshot with 100 open transactions contains another") { (benchmark, snapshots: OpenSnapshots) in
        var contained = 0
        for _ in benchmark.scaledIterations where snapshots.earlier.isContained(in: identity(snapshots.later)) { contained += 1 }
        blackHole(contained)
    } setup: {
        OpenSnapshots()
    }
}

/// Two snapshots, the later one with some of the same transactions still open, and transactions around them.
private struct OpenSnapshots {
    let earlier: TransactionSnapshot
    let later: TransactionSnapshot
    let asked: [UInt64]

    init() {
        var random = SeededRandom(seed: 20_310_517)
        let xids = (UInt64(1_000_000)..<1_010_000).shuffled(using: &random)
        func snapshot(_ open: ArraySlice<UInt64>, _ ended: UInt64) -> TransactionSnapshot? {
            TransactionSnapshot(xmin: open.min() ?? ended, xmax: ended, inProgress: Array(open))
        }
        guard let earlier = snapshot(xids[..<100], 1_010_000), let later = snapshot(xids[50..<100], 1_010_500)?.countingAsOpen(1_010_400)
        else { preconditionFailure("no snapshots") }
        (self.earlier, self.later) = (earlier, later)
        asked = Array(xids.prefix(GeneratedChanges.count))
    }
}
