extension SyncUnit {
    /// When the table is to be read next, as far as it says so itself; nil for not before somebody asks.
    ///
    /// - Parameter isFirstLook: has the process only just begun? What has failed is tried once more then.
    package func due(_ reading: PolledReading, now: SourceTime, isFirstLook: Bool = false) -> SourceTime? {
        switch state {
        // What was never read is read at once: a target without its rows is of no use until then.
        case .waiting, .running: return now
        case .failed:
            if isFirstLook { return now }
            if reading.onError == .retry { return begun.map { $0.later(bySeconds: SyncRetry.seconds(afterFailures: failures)) } ?? now }
        case .done:
            if mode == .skipCompleted { return nil }
        }
        guard let begun else { return now }
        switch reading.schedule {
        case .onDemand: return nil
        case .every(let seconds): return begun.later(bySeconds: seconds)
        case .cron(let text): return CronSchedule(text)?.next(after: begun)
        }
    }

    private var begun: SourceTime? { startedAt.flatMap { SourceTime($0) } }

    /// The unit of a pass that begins now, or goes on where an earlier one was interrupted.
    package func beginning(at now: SourceTime) -> SyncUnit {
        var unit = self
        (unit.state, unit.failure) = (.running, nil)
        // Also by a clock that is behind: the later pass counts.
        unit.startedAt = max(now, begun.map { SourceTime(microseconds: $0.microseconds + 1_000) } ?? now).description
        // What an earlier pass has done stays done, where it goes by keys.
        if unit.doneThrough == nil { (unit.rowsDone, unit.rowsWritten, unit.rowsDeleted) = (0, 0, 0) }
        return unit
    }

    package func finished(at now: SourceTime) -> SyncUnit {
        var unit = self
        (unit.state, unit.doneThrough, unit.finishedAt, unit.failure, unit.failures) = (.done, nil, now.description, nil, 0)
        unit.rowsTotal = max(unit.rowsTotal, unit.rowsDone)
        return unit
    }

    package func failed(_ failure: TidemarkError) -> SyncUnit {
        var unit = self
        (unit.state, unit.failure) = (.failed, failure.description)
        unit.failures += 1
        return unit
    }

    /// Was the table ever read to its end?
    package var isComplete: Bool { finishedAt != nil }
}

/// How long a table that failed waits.
package enum SyncRetry {
    package static let secondsMax = Int64(300)

    /// Doubling from a second.
    package static func seconds(afterFailures failures: Int) -> Int64 { min(secondsMax, Int64(1) << Int64(min(max(failures - 1, 0), 20))) }
}

extension SourceTime {
    package func later(bySeconds seconds: Int64) -> SourceTime { SourceTime(microseconds: microseconds + seconds * 1_000_000) }
}
