import Testing
import TidemarkCore

@Suite("When tables are read")
struct SyncTimetableTests {
    private let start = SourceTime(microseconds: 1_700_000_000_000_000)

    private func reading(_ mode: SyncMode = .full, _ schedule: SyncSchedule, onError: SyncErrorStrategy = .stop) -> PolledReading {
        var reading = PolledReading(mode)
        (reading.schedule, reading.onError) = (schedule, onError)
        return reading
    }

    private func unit(_ state: SyncUnit.State, _ mode: SyncMode = .full) -> SyncUnit {
        var unit = SyncUnit(TableName(schema: "public", name: "t"), mode)
        (unit.state, unit.startedAt) = (state, start.description)
        return unit
    }

    private func seconds(_ due: SourceTime?) -> Int64? { due.map { ($0.microseconds - start.microseconds) / 1_000_000 } }

    @Test("what was never read, or was interrupted, is due at once, whatever the schedule")
    func atOnce() {
        for schedule in [SyncSchedule.onDemand, .every(seconds: 3600), .cron("0 3 * * *")] {
            for state in [SyncUnit.State.waiting, .running] { #expect(unit(state).due(reading(.full, schedule), now: start) == start) }
        }
    }

    @Test("every: counts from the beginning of the last pass, cron: names minutes, and what is on demand waits for somebody")
    func schedules() {
        let now = start.later(bySeconds: 5)
        #expect(seconds(unit(.done).due(reading(.full, .every(seconds: 90)), now: now)) == 90)
        #expect(unit(.done).due(reading(.full, .onDemand), now: now) == nil)
        // It began at 22:13:20.
        #expect(unit(.done).due(reading(.full, .cron("0 3 * * *")), now: now)?.description == "2023-11-15T03:00:00.000Z")
    }

    @Test("skip-completed is done once and for all")
    func skipCompleted() {
        #expect(unit(.done, .skipCompleted).due(reading(.skipCompleted, .every(seconds: 1)), now: start) == nil)
        #expect(unit(.running, .skipCompleted).due(reading(.skipCompleted, .onDemand), now: start) == start)
    }

    @Test("a table that failed waits for its next time, or is tried ever more rarely, and at once by a new process")
    func failures() {
        var failed = unit(.failed)
        let now = start.later(bySeconds: 1)
        #expect(seconds(failed.due(reading(.full, .every(seconds: 90), onError: .skip), now: now)) == 90)
        #expect(failed.due(reading(.full, .onDemand, onError: .skip), now: now) == nil)
        var waits: [Int64?] = []
        for failures in [1, 2, 3, 9, 10, 64] {
            failed.failures = failures
            waits.append(seconds(failed.due(reading(.full, .onDemand, onError: .retry), now: now)))
        }
        #expect(waits == [1, 2, 4, 256, 300, 300])
        #expect(failed.due(reading(.full, .onDemand, onError: .skip), now: now, isFirstLook: true) == now)
    }

    @Test("a pass begins with its counts at 0, unless it goes on")
    func beginning() {
        var unit = unit(.done)
        (unit.rowsDone, unit.rowsWritten, unit.finishedAt) = (7, 3, "2023-01-01T00:00:00.000Z")
        let now = start.later(bySeconds: 100)
        let begun = unit.beginning(at: now)
        #expect((begun.state, begun.rowsDone, begun.startedAt) == (.running, 0, now.description))
        #expect(begun.isComplete)
        unit = begun
        (unit.rowsDone, unit.doneThrough) = (5, #"{"id":5}"#)
        let resumed = unit.beginning(at: now.later(bySeconds: 9))
        #expect((resumed.rowsDone, resumed.startedAt, resumed.doneThrough) == (5, now.later(bySeconds: 9).description, #"{"id":5}"#))
        // A clock that was put back does not let an earlier pass win.
        #expect(resumed.beginning(at: start).startedAt ?? "" > resumed.startedAt ?? "")
        let failed = resumed.failed(TidemarkError("it failed", why: "so", remedy: "mend"))
        #expect((failed.state, failed.failures, failed.doneThrough) == (.failed, 1, #"{"id":5}"#))
        let done = failed.beginning(at: now).finished(at: now)
        #expect((done.state, done.failures, done.failure, done.doneThrough) == (.done, 0, nil, nil))
    }
}
