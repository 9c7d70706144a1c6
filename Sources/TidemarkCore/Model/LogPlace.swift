/// A place in the history of a source, as an operator types it.
package enum LogPlace: Hashable, Sendable {
    /// What the source had at this moment, by its own clock.
    case time(SourceTime)
    /// So many seconds before now, by the source's clock.
    case ago(seconds: Int64)
    /// Just before the transaction that logged this change.
    case change(Int64)

    /// A change id is a number; `10m` is ten minutes ago; all else is a time as `SourceTime` reads it. Nil for what is none.
    package init?(parsing text: String) {
        if let id = Int64(text) {
            guard id > 0 else { return nil }
            self = .change(id)
        } else if let seconds = TimeSpan.parsed(text) {
            self = .ago(seconds: seconds)
        } else if let time = SourceTime(text) {
            self = .time(time)
        } else {
            return nil
        }
    }

    /// The forms that `init(parsing:)` takes, for help and errors.
    package static let forms = "a time (2026-01-02T03:04:05Z, or without a zone for UTC), so long ago (10m), or a change id"

    /// The same place with a clock applied: what was “ten minutes ago” stays where it is from now on.
    package func fixed(at now: SourceTime) -> LogPlace {
        if case .ago(let seconds) = self { .time(now.earlier(bySeconds: seconds)) } else { self }
    }
}

extension LogPlace: CustomStringConvertible {
    package var description: String {
        switch self {
        case .time(let time): time.description
        case .ago(let seconds): "\(TimeSpan.text(seconds)) ago"
        case .change(let id): "change \(id)"
        }
    }
}
