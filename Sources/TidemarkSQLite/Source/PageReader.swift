import TidemarkCore

/// Reads pages of the log, each while one statement is open.
final class PageReader {
    /// What pages hold besides the rows of the log.
    struct Form {
        var following = AppliedChanges.leftOut
        /// The generations of which they hold what rows were before.
        var before: Set<Int32> = []
    }

    private let statement: SQLiteStatement
    private let captures: Set<Int32>
    private let limits: SQLiteSourceLimits
    /// Nil where changes travel as they are logged.
    private let shaping: LogShaping?
    private let form: Form
    private let origins: LogOrigins?
    private var assigned = AssignedKeys()

    init(
        _ database: SQLiteDatabase, captures: [Int32], limits: SQLiteSourceLimits, shaping: LogShaping? = nil, form: Form = Form()
    ) throws(SQLiteFailure) {
        self.shaping = shaping
        self.captures = Set(captures)
        self.limits = limits
        self.form = form
        origins = try LogOrigins(database, following: form.following)
        statement = try database.prepare(
            """
            SELECT id, capture, operation, key, image FROM main.data_changes
            WHERE id > ? AND id <= ? ORDER BY id LIMIT ?
            """)
    }

    /// - Returns: the next page, and how far it reaches in the log; nil where there is nothing left.
    func page(after: Int64, upTo end: Int64) throws -> (ChangePage, (lastID: Int64, rows: Int64)?) {
        let (page, read) = try logged(after: after, upTo: end)
        return (try shaping?.shaped(page) ?? page, read)
    }

    private func logged(after: Int64, upTo end: Int64) throws -> (ChangePage, (lastID: Int64, rows: Int64)?) {
        try statement.bind([.integer(after), .integer(end), .integer(Int64(limits.pageChangesMax))])
        // However it ends: an open statement is an open transaction.
        defer {
            statement.reset()
            origins?.end()
        }
        var page = ChangePage()
        var read: (lastID: Int64, rows: Int64)?
        // Rows of other pipelines' tables count as well, or one page could hold the read lock for the whole log.
        while try statement.step() {
            let id = statement.int64(0)
            // Once the statement has begun, both read one moment.
            if read == nil { try origins?.begin(after: after, upTo: end) }
            read = (id, (read?.rows ?? 0) + 1)
            let origin = try origins?.origin(of: id)
            assigned.enter(origin?.through)
            if origin?.isLeftOut == true { continue }
            let capture = Int32(truncatingIfNeeded: statement.int64(1))
            guard captures.contains(capture) else { continue }
            try append(id, capture, origin?.origin, to: &page)
            if page.bytes.count >= limits.pageBytesMax { break }
        }
        return (page, read)
    }

    private func append(_ id: Int64, _ capture: Int32, _ origin: String?, to page: inout ChangePage) throws {
        let letter = statement.bytes(2)?.first
        let transaction = form.before.isEmpty ? nil : UInt64(bitPattern: id)
        if letter == SQLiteBeforeImages.letter {
            guard form.before.contains(capture) else { return }
            guard let key = statement.bytes(3) else { return assigned.note(statement.column(4), capture) }
            let before = assigned.isNew(key, capture) ? nil : statement.bytes(4)
            page.append(
                id: id, capture: capture, operation: .before, key: key, image: nil, transaction: transaction, before: before, origin: origin)
            return
        }
        guard let letter, let operation = Operation(rawValue: letter) else {
            throw TidemarkError(
                "a row of the log cannot be read", changeID: id, why: "its operation is unknown",
                remedy: "The log was altered, or written by a newer tidemark: install that version.")
        }
        page.append(
            id: id, capture: capture, operation: operation, key: statement.bytes(3), image: statement.bytes(4), transaction: transaction, origin: origin)
    }
}

/// Keys that SQLite assigned. What stood before such an insertion is logged without a key, as a number above which no key was:
/// a row above it that a trigger changes before its insertion is logged was not there before.
private struct AssignedKeys {
    private var lowest: [Int32: Int64] = [:]
    private var run: Int64?

    /// Between two changes of one origin there may be others, unseen, which have made such rows.
    mutating func enter(_ run: Int64?) {
        guard run != self.run else { return }
        self.run = run
        if !lowest.isEmpty { lowest = [:] }
    }

    mutating func note(_ image: SQLiteValue, _ capture: Int32) {
        guard let number = image.integer ?? image.string.flatMap({ Int64($0) }) else { return }
        lowest[capture] = min(lowest[capture] ?? .max, number)
    }

    func isNew(_ key: UnsafeRawBufferPointer, _ capture: Int32) -> Bool {
        guard let lowest = lowest[capture], let colon = key.lastIndex(of: UInt8(ascii: ":")) else { return false }
        return Int64(String(decoding: key[(colon + 1)...].dropLast(), as: UTF8.self)).map { $0 > lowest } ?? false
    }
}
