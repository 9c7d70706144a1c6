/// An error for the person who reads it at 3 a.m.: what failed, where, why, and what to type next.
///
/// `description` is safe to show anywhere: it never holds a row's values or a secret.
package struct TidemarkError: Error, Sendable {
    /// What may be done about it without a person.
    package enum Retry: Sendable {
        /// The server or the connection went away: the same work may succeed later.
        case later
        /// A page does not fit by itself: the window has to be staged and applied as a whole.
        case staged
        /// Another process that works on the pipeline was faster: read the cursor, and go on from there.
        case moved
        /// Another worker holds the pipeline now.
        case takenOver
        /// An operator has paused the pipeline: wait until it is resumed.
        case paused
        /// Only a person can mend it, unless another process has moved the cursor on meanwhile.
        case unlessMoved
        /// Only a person can mend it.
        case never
    }

    package var what: String
    package var pipeline: String?
    package var table: TableName?
    package var key: String?
    package var changeID: Int64?
    package var why: String
    package var remedy: String
    package var retry: Retry
    /// Is it about what a change holds, or about the one table that is to take it? Then changes of other rows need not wait for
    /// whoever mends it.
    package var isAboutData: Bool

    package init(
        _ what: String, pipeline: String? = nil, table: TableName? = nil, key: String? = nil,
        changeID: Int64? = nil, why: String, remedy: String, retry: Retry = .never, isAboutData: Bool = false
    ) {
        self.what = what
        self.pipeline = pipeline
        self.table = table
        self.key = key
        self.changeID = changeID
        self.why = why
        self.remedy = remedy
        self.retry = retry
        self.isAboutData = isAboutData
    }
}

extension TidemarkError: CustomStringConvertible {
    package var description: String {
        var place: [String] = []
        if let pipeline { place.append("pipeline \(pipeline)") }
        if let table { place.append("table \(table)") }
        if let key { place.append("key \(key)") }
        if let changeID { place.append("change \(changeID)") }
        let whereabouts = place.isEmpty ? "" : " (\(place.joined(separator: ", ")))"
        return "\(what)\(whereabouts): \(why)\n  \(remedy)"
    }
}
