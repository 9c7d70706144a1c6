import Benchmark

/// What the plugin runs: the paths that every change goes through, each by itself and without a server.
let benchmarks: @Sendable () -> Void = {
    // One iteration is a page of a thousand changes, so that throughput is in changes a second.
    Benchmark.defaultConfiguration = .init(
        metrics: [.wallClock, .throughput, .peakMemoryResident], scalingFactor: .kilo, maxDuration: .milliseconds(500))
    measureDecoding()
    measurePlanning()
    measureWriting()
    measureBinding()
    measureDigests()
    measureSnapshots()
}
