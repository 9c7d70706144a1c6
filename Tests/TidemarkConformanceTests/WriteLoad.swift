import Foundation
import Synchronization
import Testing
import TidemarkPipeline
import TidemarkTestSupport

/// An application that writes to a source without a pause, on a thread of its own.
final class WriteLoad: Sendable {
    private struct State {
        var isOver = false
        var transactions = 0
        var failure: (any Error)?
    }

    private let state = Mutex(State())
    private let ended = DispatchSemaphore(value: 0)

    /// - Parameter transaction: the next one's SQL.
    private init(on database: any ScratchDatabase, seed: UInt64, _ transaction: @escaping @Sendable (inout SeededRandom) -> String) {
        Thread.detachNewThread { [self] in
            var random = SeededRandom(seed: seed)
            while !state.withLock({ $0.isOver }) {
                do {
                    try database.run(transaction(&random))
                    state.withLock { $0.transactions += 1 }
                } catch {
                    state.withLock { ($0.failure, $0.isOver) = (error, true) }
                }
            }
            ended.signal()
        }
    }

    /// Lets it end after the transaction at hand.
    private func stop() { state.withLock { $0.isOver = true } }

    /// Waits for the transaction at hand.
    /// - Returns: how many there were.
    private func end() throws -> Int {
        stop()
        ended.wait()
        return try state.withLock { state in
            if let failure = state.failure { throw failure }
            return state.transactions
        }
    }

    /// Writes while `body` runs, also if that fails.
    /// - Returns: how many transactions there were.
    @discardableResult
    static func during(
        on database: any ScratchDatabase, seed: UInt64, _ transaction: @escaping @Sendable (inout SeededRandom) -> String,
        _ body: () async throws -> Void
    ) async throws -> Int {
        let load = WriteLoad(on: database, seed: seed, transaction)
        do {
            try await body()
        } catch {
            load.stop()
            throw error
        }
        return try load.end()
    }
}

extension Flow {
    /// Runs a worker beside `body`, and ends it as a signal would.
    func besideWorker(_ body: () async throws -> Void) async throws {
        let worker = try pipeline(definition, CopyTests.settings(worker: "worker"))
        try await running({ try await worker.run() }, until: worker.stop, body)
    }
}

/// Runs something beside `body`, on the threads of the test, and ends it. Where both fail, both are told: what `body` misses is
/// most often what the other one did not do.
func running(
    _ work: @escaping @Sendable () async throws -> Void, until stop: @escaping @Sendable () -> Void, _ body: () async throws -> Void
) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask(operation: work)
        do {
            try await body()
        } catch {
            stop()
            do {
                try await group.waitForAll()
            } catch let other {
                Issue.record(other, "what ran beside it ended, too")
            }
            throw error
        }
        stop()
        try await group.waitForAll()
    }
}
