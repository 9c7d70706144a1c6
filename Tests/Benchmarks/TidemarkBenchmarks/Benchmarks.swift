import Benchmark

/// What the plugin runs: the paths that every change goes through, each by itself and without a server.
let benchmarks: @Sendable () -> Void = {
    // glibc gives memory of pages back to the system, to ask for it again, until it has once freed as much at a time: then
    // it keeps that much, as in a worker that has run for a while. By luck of sizes, figures would differ fourfold.
    let large = UnsafeMutableRawPointer.allocate(byteCount: 30 << 20, alignment: 16)
    blackHole(large)
    large.deallocate()
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
