import Foundation
import Logging
import Testing
import TidemarkCore
import TidemarkPipeline

@Suite("Simulated pipeline")
struct SimulationTests {
    private static let seeds: Range<UInt64> = {
        let more = ProcessInfo.processInfo.environment["TIDEMARK_SEEDS"].flatMap { UInt64($0) } ?? 150
        return 0..<more
    }()

    @Test("faults at every step, then calm: the target is always a source state, and equal in the end")
    func faultsThenCalm() async throws {
        var (faults, commits) = (0, 0)
        for seed in Self.seeds {
            let world = SimulatedWorld(seed: seed)
            try await Self.live(world)
            #expect(world.violations == [], "seed \(seed)")
            #expect(world.targetState == world.sourceState, "seed \(seed)")
            (faults, commits) = (faults + world.faults, commits + world.commits)
        }
        // Otherwise the simulation has not tried what it claims to.
        #expect(faults > Self.seeds.count && commits > Self.seeds.count)
    }

    @Test("copies under faults at every step go on where they were, and the stream keeps what is copied")
    func copyUnderFaults() async throws {
        var (faults, commits) = (0, 0)
        for seed in Self.seeds {
            let world = SimulatedWorld(seed: seed, faultsPerMille: 80, initialRows: 20)
            try await Self.live(world, existing: .refuse)
            #expect(world.violations == [], "seed \(seed)")
            #expect(world.targetState == world.sourceState, "seed \(seed)")
            (faults, commits) = (faults + world.faults, commits + world.commits)
        }
        #expect(faults > Self.seeds.count && commits > 6 * Self.seeds.count)
    }

    @Test("canary: with the cursor outside the transaction the same simulation fails")
    func canary() async throws {
        var wrong = 0
        for seed in Self.seeds {
            let world = SimulatedWorld(seed: seed, faultsPerMille: 100, movesCursorApart: true)
            try await Self.live(world)
            if !world.violations.isEmpty || world.targetState != world.sourceState { wrong += 1 }
        }
        #expect(wrong > 0)
    }

    /// Workers die and are started again until the simulated time is over; then all is calm.
    private static func live(_ world: SimulatedWorld, existing: TableCopy.Existing = .keep) async throws {
        for worker in 0..<400 {
            do {
                try await pipeline(world, existing, worker: "worker \(worker)").run()
            } catch let failure as TidemarkError {
                if failure.what == "the simulated time is over" { break }
            }
        }
        world.calm()
        _ = try await pipeline(world, existing, worker: "calm").runOnce()
    }

    private static func pipeline(_ world: SimulatedWorld, _ existing: TableCopy.Existing, worker: String) -> Pipeline {
        var settings = Pipeline.Settings(name: "simulated", worker: worker)
        settings.idleLooksMs = 0
        (settings.reconnectWaitMaxMs, settings.confirmEveryMs) = (0, 0)
        settings.existing = existing
        settings.partRows = 4...4
        let connections = Connections(
            source: { SimulatedSource(world) }, target: { SimulatedTarget(world) },
            rowSource: { SimulatedRowSource(world) }, rowTarget: { SimulatedRowTarget(world) },
            targetReader: { throw TidemarkError("nothing is compared here", why: "", remedy: "") },
            sourceEngine: "simulated", targetEngine: "simulated")
        return Pipeline(
            settings, connections, expecting: nil, log: Logger(label: "simulated") { _ in SwiftLogNoOpLogHandler() })
    }
}
