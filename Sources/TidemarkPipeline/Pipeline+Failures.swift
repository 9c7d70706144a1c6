import TidemarkBlocking
import TidemarkCore

/// What becomes of a failure on its way out of a pipeline.
extension Pipeline {
    /// A worker that cannot go on tells the source what it has applied: the log may be full of it.
    func confirmingBeforeTheEnd<T>(_ body: () async throws -> T) async throws -> T {
        do {
            return try await body()
        } catch let failure as TidemarkError where failure.retry == .never {
            await finishConfirming()
            // The failure is what counts.
            if settings.confirms, let cursor = progress.cursor, cursor != confirmed { try? await confirm(cursor) }
            throw failure
        }
    }

    /// Puts the pipeline's name into errors of parts that do not know it.
    func naming<T>(_ body: () async throws -> T) async throws -> T {
        do {
            return try await body()
        } catch var failure as TidemarkError {
            failure.pipeline = failure.pipeline ?? settings.name
            throw failure
        }
    }

    /// Keeps in the target what only a person can mend, for `status`.
    func recordingFailure<T>(_ body: () async throws -> T) async throws -> T {
        do {
            return try await naming(body)
        } catch let failure as TidemarkError {
            figures.fail(failure)
            if failure.retry == .never || failure.retry == .unlessMoved, let epoch = progress.cursor?.epoch {
                let text = failure.description
                // The failure itself is what counts; if the target is away, its log has it all the same.
                try? await targetThread.run { target in try target?.record(failure: text, epoch: epoch) }
            }
            if failure.retry != .paused, !stopping { settings.onEvent?(.failed(failure)) }
            throw failure
        }
    }
}

/// What keeps a pipeline from going on, for as long as it does.
struct Outage {
    private(set) var failures = 0
    private var said = ""
    private var isAnswered = false

    /// Both of them did, after the last failure.
    mutating func databasesAnswer() { isAnswered = true }

    /// Is it to be said? Once, not each time: a server that is away for a night is one line. What shows only when it is back
    /// is another.
    mutating func isNews(_ failure: TidemarkError) -> Bool {
        defer { (failures, said, isAnswered) = (failures + 1, failure.what, false) }
        return failures == 0 || isAnswered && failure.what != said
    }

    /// - Returns: whether there was one.
    mutating func end() -> Bool {
        defer { self = Outage() }
        return failures > 0
    }
}
