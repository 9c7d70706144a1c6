import Logging
import TidemarkBlocking
import TidemarkCore

/// Telling the source what it may remove. Pruning has a connection and a thread of its own: it does not hold the next
/// windows up, and needs no task that would wait for others'.
extension Pipeline {
    func confirmBeside(_ cursor: Cursor) async {
        if confirming?.isKept == true { await finishConfirming() }
        let isDue = settings.confirms && clock.now - confirmedAt > .milliseconds(settings.confirmEveryMs)
        guard isDue, confirming == nil, cursor != confirmed else { return }
        confirmedAt = clock.now
        progress.logAndReset(to: log)
        acknowledge(cursor)
        startConfirming(cursor)
    }

    func startConfirming(_ cursor: Cursor) {
        guard settings.confirms else { return }
        confirmed = cursor
        confirming = submitConfirmation(of: cursor)
    }

    /// Waits for what is under way.
    func finishConfirming() async {
        guard let standing = confirming else { return }
        confirming = nil
        do {
            say(try await standing.value())
        } catch {
            confirmed = nil
            log.debug("the log was not pruned, it will be later: \(error)")
        }
    }

    func confirm(_ cursor: Cursor) async throws { say(try await submitConfirmation(of: cursor).value()) }

    private func submitConfirmation(of cursor: Cursor) -> Promise<LogStanding> {
        let (openSource, name) = (connections.source, settings.name)
        let standing = Promise<LogStanding>()
        confirmThread.submit { source in
            do {
                let opened = try source ?? openSource()
                source = opened
                standing.keep(.success(try opened.confirm(cursor, of: name)))
            } catch {
                source = nil
                standing.keep(.failure(error))
            }
        }
        return standing
    }

    /// Once, not at each look.
    private func say(_ standing: LogStanding) {
        if let alarm = standing.alarm, alarm != said { log.warning("\(alarm)") }
        said = standing.alarm
    }
}
