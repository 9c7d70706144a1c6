import Logging
import TidemarkCore

/// What was done since the last line of the log.
struct Progress {
    var changes = 0
    var windows = 0
    var cursor: Cursor?

    mutating func logAndReset(to log: Logger) {
        log.info("applied \(changes) changes in \(windows) transactions, up to change \(cursor?.lastID ?? 0)")
        (changes, windows) = (0, 0)
    }
}
