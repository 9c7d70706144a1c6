import Logging
import TidemarkCore

/// What was done since the last line of the log.
struct Progress {
    var changes = 0
    var windows = 0
    var cursor: Cursor?

    mutating func logAndReset(to log: Logger) {
        // Windows of nothing are those that a heartbeat, or another pipeline's tables, have made.
        log.log(level: changes > 0 ? .info : .debug, "applied \(Amount.text(changes, "change")) in \(Amount.text(windows, "transaction")), up to change \(cursor?.lastID ?? 0)")
        (changes, windows) = (0, 0)
    }
}
