import Foundation
import Logging
import Synchronization
import Testing
import TidemarkApp
import TidemarkCore
import TidemarkTestSupport

/// Leases that a process keeps, by a clock that the test sets.
@Suite("Keeping leases")
struct LeaseKeepingTests {
    /// Leases in memory, in a target that may be away.
    final class Target: Sendable {
        struct State {
            var leases: [String: Lease] = [:]
            var isAway = false
            var isInstalled = false
            var renewals = 0
            var openings = 0
            var ended: [String] = []
        }

        let state = Mutex(State())

        func open() throws -> any LeaseAdministration {
            try state.withLock { state in
                if state.isAway { throw Self.away }
                state.openings += 1
            }
            return Connection(self)
        }

        static let away = TidemarkError("the target cannot be reached", why: "it is away", remedy: "", retry: .later)

        private final class Connection: LeaseAdministration {
            let target: Target
            init(_ target: Target) { self.target = target }

            private func asking<T>(_ body: (inout State) throws -> sending T) throws -> sending T {
                try target.state.withLock { state in
                    if state.isAway { throw Target.away }
                    return try body(&state)
                }
            }

            func installLeases() throws { try asking { $0.isInstalled = true } }

            func acquire(_ pipeline: String, by holder: String, forMs: Int64, force: Bool) throws -> Lease {
                try asking { state in
                    guard state.isInstalled else { throw TidemarkError("the lease cannot be taken", why: "there is no table", remedy: "") }
                    if !force, let lease = state.leases[pipeline], lease.holder != holder { return lease }
                    let former = state.leases[pipeline]
                    let lease = Lease(holder: holder, epoch: (former?.epoch ?? 0) + (former?.holder == holder ? 0 : 1), remainingMs: forMs)
                    state.leases[pipeline] = lease
                    return lease
                }
            }

            func renew(_ epochs: [String: Int64], by holder: String, forMs: Int64) throws -> Set<String> {
                try asking { state in
                    state.renewals += 1
                    return Set(epochs.filter { state.leases[$0.key]?.holder == holder && state.leases[$0.key]?.epoch == $0.value }.keys)
                }
            }

            func release(_ pipeline: String, by holder: String) throws {
                try asking { state in if state.leases[pipeline]?.holder == holder { state.leases[pipeline] = nil } }
            }

            func lease(of pipeline: String) throws -> Lease? { try asking { $0.leases[pipeline] } }
            func endSessions(of holder: String, pipeline: String?) throws { try asking { $0.ended.append("\(holder)/\(pipeline ?? "*")") } }
        }
    }

    /// Time that goes on only when it is told to.
    final class HandClock: Sendable {
        private struct State {
            var nowMs: Int64 = 0
            var sleepers: [Int: (untilMs: Int64, continuation: CheckedContinuation<Void, Never>)] = [:]
            var next = 0
        }

        private let state = Mutex(State())

        var time: LeaseTime {
            LeaseTime(nowMs: { self.state.withLock(\.nowMs) }, sleep: { ms in
                let id = self.state.withLock { state in
                    state.next += 1
                    return state.next
                }
                await withTaskCancellationHandler {
                    await withCheckedContinuation { continuation in
                        let isOver = self.state.withLock { state in
                            if Task.isCancelled { return true }
                            state.sleepers[id] = (state.nowMs + ms, continuation)
                            return false
                        }
                        if isOver { continuation.resume() }
                    }
                } onCancel: {
                    self.state.withLock { $0.sleepers.removeValue(forKey: id)?.continuation }?.resume()
                }
            })
        }

        var sleepers: Int { state.withLock(\.sleepers.count) }

        func advance(ms: Int64) {
            let due = state.withLock { state in
                state.nowMs += ms
                let due = state.sleepers.filter { $0.value.untilMs <= state.nowMs }
                for id in due.keys { state.sleepers[id] = nil }
                return due.values.map(\.continuation)
            }
            due.forEach { $0.resume() }
        }
    }

    private let target = Target()
    private let clock = HandClock()

    private func keeping(_ holder: String = "a") -> LeaseKeeping {
        LeaseKeeping(
            holder: holder, leaseMs: 9_000, time: clock.time, log: Logger(label: "leases") { _ in SwiftLogNoOpLogHandler() },
            open: { [target] in try target.open() })
    }

    /// Lets time pass in steps until it is so. It stands still while anything else goes on, which takes a while of the real
    /// one: all is done once nobody but the one that renews sleeps.
    private func passing(_ keeping: LeaseKeeping, _ isSo: () async throws -> Bool) async throws {
        for _ in 0..<2_000 {
            if try await isSo() { return }
            clock.advance(ms: 100)
            var quiet = 0
            while quiet < 5 {
                try await Task.sleep(for: .milliseconds(1))
                let isKeeping = await !keeping.pipelines.isEmpty
                quiet = clock.sleepers == (isKeeping ? 1 : 0) ? quiet + 1 : 0
            }
        }
        Issue.record("it did not come about")
    }

    @Test("one statement renews all, every third of the time, over one connection", .ownThreads)
    func renewal() async throws {
        let keeping = keeping()
        for pipeline in ["x", "y", "z"] { #expect(try await keeping.acquire(pipeline).holder == "a") }
        try await passing(keeping) { target.state.withLock(\.renewals) >= 5 }
        #expect(await keeping.holds("x"))
        #expect(target.state.withLock(\.openings) == 1)
        #expect(target.state.withLock(\.renewals) <= 6)
        await keeping.release("x")
        #expect(await !keeping.holds("x"))
        #expect(target.state.withLock { $0.leases["x"] } == nil)
    }

    @Test("what another one has is told, and not kept; by force it is taken, and his sessions are ended", .ownThreads)
    func force() async throws {
        target.state.withLock { $0.leases["x"] = Lease(holder: "b", epoch: 4, remainingMs: 1) }
        let keeping = keeping()
        #expect(try await keeping.acquire("x").holder == "b")
        #expect(await !keeping.holds("x"))
        await keeping.lost("x")
        #expect(try await keeping.acquire("x", force: true).epoch == 5)
        #expect(target.state.withLock(\.ended) == ["b/x"])
    }

    @Test("one that is not renewed for as long as it lasts is taken, also where the target's clock was set back meanwhile", .ownThreads)
    func setBack() async throws {
        func renew(_ at: String) {
            target.state.withLock { state in
                state.leases["x"] = Lease(holder: "b", epoch: 4, remainingMs: 86_400_000)
                state.leases["x"]?.renewal = Lease.Renewal(at: at, lengthMs: 6_000)
            }
        }
        renew("one")
        let keeping = keeping()
        for at in ["two", "three"] {
            #expect(try await keeping.acquire("x").holder == "b")
            clock.advance(ms: 5_000)
            #expect(try await keeping.acquire("x").holder == "b")
            renew(at)
            clock.advance(ms: 2_000)
            #expect(try await keeping.acquire("x").holder == "b", "it was renewed")
        }
        clock.advance(ms: 6_100)
        #expect(try await keeping.acquire("x") == Lease(holder: "a", epoch: 5, remainingMs: 9_000))
        #expect(target.state.withLock(\.ended) == ["b/x"])
    }

    @Test("what keeps leases is made anew where it was taken down", .ownThreads)
    func takenDown() async throws {
        let keeping = keeping()
        _ = try await keeping.acquire("x")
        target.state.withLock { ($0.leases, $0.isInstalled) = ([:], false) }
        #expect(try await keeping.lease(of: "x") == nil)
        #expect(try await keeping.acquire("x").holder == "a")
    }

    @Test("one that another takes is lost with the next renewal; the others stay", .ownThreads)
    func taken() async throws {
        let keeping = keeping()
        _ = try await (keeping.acquire("x"), keeping.acquire("y"))
        async let lost: Void = keeping.lost("x")
        target.state.withLock { $0.leases["x"] = Lease(holder: "b", epoch: 2, remainingMs: 1) }
        try await passing(keeping) { await !keeping.holds("x") }
        await lost
        #expect(await keeping.holds("y"))
    }

    @Test("a target that is away for as long as a lease lasts loses all; for less it loses none", .ownThreads)
    func away() async throws {
        let keeping = keeping()
        _ = try await keeping.acquire("x")
        try await passing(keeping) { target.state.withLock(\.renewals) >= 1 }
        target.state.withLock { $0.isAway = true }
        let goneMs = clock.time.nowMs()
        try await passing(keeping) { clock.time.nowMs() >= goneMs + 4_000 }
        #expect(await keeping.holds("x"))
        let known = target.state.withLock { state in
            state.isAway = false
            return state.renewals
        }
        try await passing(keeping) { target.state.withLock(\.renewals) > known }
        #expect(await keeping.holds("x"))
        target.state.withLock { $0.isAway = true }
        async let lost: Void = keeping.lost("x")
        try await passing(keeping) { await !keeping.holds("x") }
        try await passing(keeping) { clock.sleepers == 0 }
        await lost
        await #expect(throws: TidemarkError.self) { try await keeping.acquire("x") }
    }

    @Test("who waits for a loss may stop waiting", .ownThreads)
    func cancelled() async throws {
        let keeping = keeping()
        _ = try await keeping.acquire("x")
        let waiting = Task { await keeping.lost("x") }
        waiting.cancel()
        await waiting.value
        #expect(await keeping.holds("x"))
    }
}
