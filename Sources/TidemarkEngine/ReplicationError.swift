import TidemarkCore

/// What failed, where, why, and what to do about it. Never holds a secret, nor a row's values but its key.
public struct ReplicationError: Error, Sendable, CustomStringConvertible {
    public var what: String
    public var pipeline: String
    /// Where a change could not be applied, or a table not be read, as far as that is known.
    public var table: String?
    /// JSON.
    public var key: String?
    public var changeID: Int64?
    public var why: String
    /// In the words of the `tidemark` command, which can be typed at the same databases.
    public var remedy: String
    /// May the same call succeed later without a person?
    public var isTemporary: Bool
    /// All of it, for people.
    public let description: String
}

extension ReplicationError {
    init(_ failure: TidemarkError, pipeline: String) {
        var failure = failure
        failure.pipeline = failure.pipeline ?? pipeline
        self.init(
            what: failure.what, pipeline: pipeline, table: failure.table?.description, key: failure.key, changeID: failure.changeID,
            why: failure.why, remedy: failure.remedy, isTemporary: failure.isTemporary, description: failure.description)
    }

    init(_ failure: UsageError, pipeline: String) {
        self.init(TidemarkError("an argument is wrong", why: failure.description, remedy: "Correct it; nothing was changed."), pipeline: pipeline)
    }
}

extension TidemarkError {
    /// May the same succeed later without a person?
    var isTemporary: Bool {
        switch retry {
        case .later, .moved, .paused: true
        case .staged, .takenOver, .unlessMoved, .never: false
        }
    }
}
