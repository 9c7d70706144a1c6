package import Logging
import Synchronization
import TidemarkBlocking
package import TidemarkCore

/// Keeps the leases of pipelines in one target: one connection, on a thread of its own, and one statement for all of them
/// every third of the time that a lease lasts.
///
/// A lease counts as lost by this machine's own clock: when it would have run out since the last renewal that came through
/// was *sent*. By then nobody else has had it yet, whatever the target's clock says.
package actor LeaseKeeping {
    private struct Held {
        var epoch: Int64
        var untilMs: Int64
    }

    private typealias Thread = DedicatedThread<(any LeaseAdministration)?>

    package nonisolated let holder: String
    package nonisolated let leaseMs: Int64
    private let open: @Sendable () throws -> any LeaseAdministration
    private let time: LeaseTime
    private let log: Logger
    private var thread = Thread { nil }
    private var held: [String: Held] = [:]
    /// The last renewal that was seen of a lease that is another's, and since when there was no other, by this machine's clock.
    private var seen: [String: (renewal: Lease.Renewal, sinceMs: Int64)] = [:]
    private var nextRenewalMs: Int64 = 0
    private var isRenewing = false
    /// What the target answered to the last renewal, where that was a refusal.
    private var refusal: String?
    private var renewing: Task<Void, Never>?
    private var waiting: [String: [Int: CheckedContinuation<Void, Never>]] = [:]
    private var nextWaiter = 0

    /// - Parameters:
    ///   - open: called on the thread that will own what it makes, and again after each loss.
    ///   - holder: as leases name this process, and the cursors of what it leads.
    package init(
        holder: String, leaseMs: Int64, time: LeaseTime = .ofThisMachine, log: Logger, open: @escaping @Sendable () throws -> any LeaseAdministration
    ) {
        (self.holder, self.leaseMs, self.time, self.log, self.open) = (holder, leaseMs, time, log, open)
    }

    /// - Parameter target: an address.
    package init(_ target: String, holder: String, leaseMs: Int64, log: Logger) throws {
        let engine = try Engines.accepting(target, of: "target")
        self.init(holder: holder, leaseMs: leaseMs, log: log) { try engine.leaseAdministration(target) }
    }

    deinit {
        renewing?.cancel()
        thread.stop()
    }

    /// Takes a pipeline's lease, if it may be had, and keeps it from then on. Where it was another's, the sessions that one
    /// left open in the target are ended, as far as this role may.
    /// - Returns: the lease as it is now, whoever holds it.
    package func acquire(_ pipeline: String, force: Bool = false) async throws -> Lease {
        let (holder, leaseMs, open) = (holder, leaseMs, open)
        let sentMs = time.nowMs()
        // Where the target's clock was set back, a lease that nobody renews would not run out there for as long.
        let over = seen[pipeline].flatMap { sentMs - $0.sinceMs > $0.renewal.lengthMs ? $0.renewal : nil }
        let (lease, obstacle) = try await ask { leases in
            let opened = try leases ?? open()
            // Each time: a renewal may have connected again since it was taken down.
            try opened.installLeases()
            leases = opened
            let former = try opened.lease(of: pipeline)
            let isOver = over != nil && former?.renewal == over
            let lease = try opened.acquire(pipeline, by: holder, forMs: leaseMs, force: force || isOver)
            guard lease.holder == holder, let former, former.holder != holder else { return (lease, nil as TidemarkError?) }
            do {
                try opened.endSessions(of: former.holder, pipeline: pipeline)
                return (lease, nil)
            } catch let failure as TidemarkError {
                return (lease, failure)
            }
        }
        if let obstacle { log.warning("\(obstacle)") }
        guard lease.holder == holder else {
            if let renewal = lease.renewal, seen[pipeline]?.renewal != renewal { seen[pipeline] = (renewal, time.nowMs()) }
            return lease
        }
        seen[pipeline] = nil
        hold(pipeline, lease.epoch, sentMs)
        return lease
    }

    /// Gives a lease back; where the target does not answer, it runs out.
    package func release(_ pipeline: String) async {
        guard held[pipeline] != nil else { return }
        drop(pipeline)
        let holder = holder
        _ = try? await ask { leases in try leases?.release(pipeline, by: holder) }
    }

    /// Who has it, as the target says.
    package func lease(of pipeline: String) async throws -> Lease? {
        let open = open
        return try await ask { leases in
            let opened = try leases ?? open()
            leases = opened
            return try opened.lease(of: pipeline)
        }
    }

    /// What is kept here; nil where it is not, or not any more.
    package func own(_ pipeline: String) -> Lease? {
        guard let known = held[pipeline] else { return nil }
        let left = known.untilMs - time.nowMs()
        return left > 0 ? Lease(holder: holder, epoch: known.epoch, remainingMs: left) : nil
    }

    /// Whose leases are kept here.
    package var pipelines: Set<String> { Set(held.keys) }

    package func holds(_ pipeline: String) -> Bool { own(pipeline) != nil }

    /// Returns once the lease is not kept here any more: lost, or given back; at once where it is not.
    package func lost(_ pipeline: String) async {
        guard held[pipeline] != nil, !Task.isCancelled else { return }
        nextWaiter += 1
        let waiter = nextWaiter
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                // The cancellation may have come before.
                if Task.isCancelled || held[pipeline] == nil { continuation.resume() } else { waiting[pipeline, default: [:]][waiter] = continuation }
            }
        } onCancel: {
            Task { await self.stopWaiting(pipeline, waiter) }
        }
    }

    private func stopWaiting(_ pipeline: String, _ waiter: Int) { waiting[pipeline]?.removeValue(forKey: waiter)?.resume() }

    // MARK: Renewing

    private func hold(_ pipeline: String, _ epoch: Int64, _ sentMs: Int64) {
        if held.isEmpty { nextRenewalMs = sentMs + leaseMs / 3 }
        held[pipeline] = Held(epoch: epoch, untilMs: sentMs + leaseMs)
        guard renewing == nil else { return }
        renewing = Task { [weak self, time] in
            while !Task.isCancelled, let waitMs = await self?.step() { await time.sleep(waitMs) }
        }
    }

    private func drop(_ pipeline: String) {
        held[pipeline] = nil
        for continuation in waiting.removeValue(forKey: pipeline)?.values ?? [:].values { continuation.resume() }
    }

    /// - Returns: for how long nothing has to be looked at; nil where nothing is kept any more.
    private func step() -> Int64? {
        let nowMs = time.nowMs()
        for (pipeline, known) in held where known.untilMs <= nowMs {
            let why = refusal ?? "the target has not answered for \(TimeSpan.text(max(1, leaseMs / 1000)))"
            log.warning("the lease of pipeline \(pipeline) is lost: \(why)")
            drop(pipeline)
        }
        guard let earliestMs = held.values.map(\.untilMs).min() else {
            renewing = nil
            return nil
        }
        if !isRenewing, nowMs >= nextRenewalMs {
            isRenewing = true
            nextRenewalMs = nowMs + leaseMs / 3
            let epochs = held.mapValues(\.epoch)
            Task { await renew(epochs, sentMs: nowMs) }
        }
        return max(1, min(earliestMs, isRenewing ? nowMs + leaseMs / 10 : nextRenewalMs) - nowMs)
    }

    private func renew(_ epochs: [String: Int64], sentMs: Int64) async {
        let (holder, leaseMs, open) = (holder, leaseMs, open)
        defer { isRenewing = false }
        do {
            let renewed = try await ask { leases in
                let opened = try leases ?? open()
                leases = opened
                return try opened.renew(epochs, by: holder, forMs: leaseMs)
            }
            refusal = nil
            for (pipeline, epoch) in epochs where held[pipeline]?.epoch == epoch {
                if renewed.contains(pipeline) {
                    held[pipeline]?.untilMs = sentMs + leaseMs
                } else {
                    log.warning("the lease of pipeline \(pipeline) is lost: another process has taken it, or it was taken down")
                    drop(pipeline)
                }
            }
        } catch {
            let failure = error as? TidemarkError
            refusal = failure?.retry == .later ? nil : failure.map { "\($0.what): \($0.why)" }
            // Until it is lost, it is tried again and again.
            nextRenewalMs = min(nextRenewalMs, time.nowMs() + leaseMs / 10)
            log.debug("leases were not renewed: \(error)")
        }
    }

    /// Asks the target, for as long as a lease lasts: a connection that hangs is left to itself, and its thread with it.
    private func ask<T: Sendable>(_ body: @escaping @Sendable (inout (any LeaseAdministration)?) throws -> T) async throws -> T {
        let (thread, answer) = (thread, Answer<T>())
        thread.submit { leases in
            answer.keep(Result {
                do {
                    return try body(&leases)
                } catch {
                    // Also where the target answers: what keeps leases may have been taken down, and has to be made anew.
                    leases = nil
                    throw error
                }
            })
        }
        let (time, leaseMs) = (time, leaseMs)
        let impatience = Task {
            await time.sleep(leaseMs)
            if !Task.isCancelled { answer.keep(.failure(Self.noAnswer)) }
        }
        defer { impatience.cancel() }
        do {
            return try await answer.promise.value()
        } catch let failure as TidemarkError where failure.what == Self.noAnswer.what {
            if self.thread === thread {
                self.thread = Thread { nil }
                thread.stop()
            }
            throw failure
        }
    }

    private static let noAnswer = TidemarkError(
        "the target does not answer", why: "nothing came back about its leases for as long as one lasts",
        remedy: "It is asked again by itself. Check that the server runs and can be reached.", retry: .later)

    /// A promise that is kept by whoever comes first.
    private final class Answer<T: Sendable>: Sendable {
        let promise = Promise<T>()
        private let isKept = Mutex(false)

        func keep(_ result: Result<T, any Error>) {
            let isFirst = isKept.withLock { isKept in
                defer { isKept = true }
                return !isKept
            }
            if isFirst { promise.keep(result) }
        }
    }
}

/// The leases of one process, by the target that keeps them, so that all pipelines of a target share a connection.
package final class LeasesByTarget: Sendable {
    private struct Place: Hashable {
        var target: String
        var holder: String
    }

    /// Whoever leads, or wants to, keeps it: a target that no pipeline flows to any more keeps no connection.
    private struct Shared {
        weak var keeping: LeaseKeeping?
    }

    private let leaseMs: Int64
    private let log: Logger
    private let known = Mutex<[Place: Shared]>([:])

    package init(leaseMs: Int64 = 10_000, log: Logger) { (self.leaseMs, self.log) = (leaseMs, log) }

    package func keeping(_ target: String, holder: String) throws -> LeaseKeeping {
        try known.withLock { known in
            let place = Place(target: target, holder: holder)
            if let keeping = known[place]?.keeping { return keeping }
            known = known.filter { $0.value.keeping != nil }
            let keeping = try LeaseKeeping(target, holder: holder, leaseMs: leaseMs, log: log)
            known[place] = Shared(keeping: keeping)
            return keeping
        }
    }
}

/// The clock that leases are kept by: one that nobody sets, and that goes on while a process is stopped.
package struct LeaseTime: Sendable {
    package var nowMs: @Sendable () -> Int64
    /// Returns early where its task is cancelled.
    package var sleep: @Sendable (Int64) async -> Void

    package init(nowMs: @escaping @Sendable () -> Int64, sleep: @escaping @Sendable (Int64) async -> Void) {
        (self.nowMs, self.sleep) = (nowMs, sleep)
    }

    package static let ofThisMachine: LeaseTime = {
        let start = ContinuousClock.now
        return LeaseTime(
            nowMs: { Int64((ContinuousClock.now - start) / .milliseconds(1)) },
            sleep: { try? await Task.sleep(for: .milliseconds($0), clock: .continuous) })
    }()
}
