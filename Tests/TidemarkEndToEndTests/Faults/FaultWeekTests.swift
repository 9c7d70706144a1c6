import Foundation
import Testing
import TidemarkTestSupport

/// A week of a service, at a fault an hour or so, in minutes.
@Suite("A week of faults", .serialized)
struct FaultWeekTests {
    private static let settings = ProcessInfo.processInfo.environment
    /// TIDEMARK_FAULTS=170 is the week.
    private static let faults = settings["TIDEMARK_FAULTS"].flatMap { Int($0) } ?? 20
    /// The same one gives the same faults in the same order.
    private static let seed = settings["TIDEMARK_FAULT_SEED"].flatMap { UInt64($0) } ?? 6
    /// So long anything may take to flow again.
    private static let recoverySeconds = 120.0

    @Test("whatever breaks, and in whatever order, every target is its source's equal afterwards, and none was ever torn")
    func week() throws {
        let scene = try FaultScene(seed: Self.seed)
        var random = SeededRandom(seed: Self.seed)
        for service in scene.services { try service.start() }
        try #require(try scene.flow(withinSeconds: Self.recoverySeconds).stuck.isEmpty, "\(said(by: scene))")
        var (recoveries, start): ([(fault: Fault, seconds: Double)], ContinuousClock.Instant) = ([], .now)
        var deck: [Fault] = []
        for number in 1...Self.faults {
            if deck.isEmpty { deck = Fault.allCases.filter { $0.isPossible(scene) }.shuffled(using: &random) }
            let fault = deck.removeLast()
            say("\(number) \(fault)")
            do {
                try fault.happen(to: scene, &random)
            } catch let unborne as FaultUnborne {
                Issue.record("fault \(number), \(fault), with seed \(Self.seed): \(unborne); \(said(by: scene))")
                return
            }
            #expect(scene.tornTargets() == [], "after fault \(number), \(fault)")
            // Every other one comes while the one before is not over.
            guard Bool.random(using: &random) || number == Self.faults else { continue }
            let result = try scene.flow(withinSeconds: Self.recoverySeconds)
            try #require(result.stuck.isEmpty, "after fault \(number), \(fault), with seed \(Self.seed); \(said(by: scene))")
            recoveries.append((fault, result.seconds))
            say("  flows after \(result.seconds.formatted(.number.precision(.fractionLength(2)))) s")
        }
        let took = (ContinuousClock.now - start) / .seconds(1)
        start = .now
        let transactions = scene.writers.map { $0.end() }
        try expectEqual(scene)
        let slowest = recoveries.max { $0.seconds < $1.seconds }
        say("\(Self.faults) faults in \(Int(took)) s, \(transactions.reduce(0, +)) transactions, equal; the slowest recovery: \(slowest.map { "\($0)" } ?? "-")")
    }

    /// In calm: nothing waits, nothing differs, nothing stands still, and nobody has crashed.
    private func expectEqual(_ scene: FaultScene) throws {
        let result = try scene.flow(withinSeconds: Self.recoverySeconds)
        #expect(result.stuck.isEmpty, "\(said(by: scene))")
        for flow in scene.flows {
            for (table, columns) in FaultWriter.tables {
                #expect(try flow.target.rows(table, columns) == flow.source.rows(table, columns), "\(flow.name), \(table)")
            }
        }
        for service in scene.services { #expect(service.stop() == 0, "\(service.log.suffix(3_000))") }
        let proof = Shell.run("/usr/bin/env", ["timeout", "-s", "KILL", "300", Shell.tidemark, "verify", "--config", scene.services[0].path])
        #expect(proof.status == 0, "\(proof.output)")
        for log in scene.services.map(\.log) {
            for word in ["Fatal error", "Crash", "panic", "precondition"] { #expect(!log.contains(word), "\(log.suffix(4_000))") }
        }
    }

    /// At once, so that a run that is stuck tells where.
    private func say(_ line: String) { FileHandle.standardError.write(Data((line + "\n").utf8)) }

    private func said(by scene: FaultScene) -> String {
        scene.services.map { "\n--- \($0.path)\n\($0.log.suffix(6_000))\n\($0.get("/pipelines") ?? "no answer")" }.joined()
    }
}
