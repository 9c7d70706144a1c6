/// The SQL around `tidemark_replaced`: rows that a write could replace unseen.
struct SQLiteNotes: Sendable {
    /// One way to collide: a unique index, or the rowid of a table that has it as no key.
    struct Slot: Sendable {
        let number: Int
        /// The terms over the row that stands, over NEW, and their collation.
        let terms: [(standing: String, new: String, collation: String?)]
        let predicate: String?
    }

    let slots: [Slot]
    private let table: SQLiteTable
    private let capture: Int64
    let row = "tidemark_row"

    init(table: SQLiteTable, capture: Int64) {
        self.table = table
        self.capture = capture
        slots = Self.slots(table)
    }

    // MARK: Rows

    /// What names a row in a note: the key as text, or the rowid.
    func identity(_ row: String) -> String {
        if let key = table.key { return SQLiteEncoding.object(key.columns, of: row) }
        return "cast(\(row).\(table.rowIDName ?? "rowid") AS TEXT)"
    }

    /// A condition that finds a row by its key's index. Text equality decides besides: equal under a collation is
    /// not the same key.
    func lookup(_ value: (SQLiteTable.Index.Term) -> String) -> String {
        guard let key = table.key else { return "0" }
        return key.terms.map { "\(row).\($0.sql) = \(value($0)) COLLATE \(SQLiteIdentifier.quoted($0.collation))" }
            .joined(separator: " AND ")
    }

    /// Whether the row named by OLD or NEW is there.
    func standing(as other: String) -> String {
        let found = lookup { "\(other).\(SQLiteIdentifier.quoted($0.column ?? ""))" }
        let isSame = table.key?.isExact(in: table) == true ? "" : " AND \(identity(row)) = \(identity(other))"
        return "EXISTS (SELECT 1 FROM \(from) WHERE \(found)\(isSame))"
    }

    /// Whether an update gave the row another key: a row that keeps it and is gone was logged by what removed it.
    var keyIsAnother: String {
        let changed = (table.key?.columns ?? []).map { name in
            let (old, new) = ("OLD.\(SQLiteIdentifier.quoted(name))", "NEW.\(SQLiteIdentifier.quoted(name))")
            return "\(old) IS NOT \(new) COLLATE BINARY OR typeof(\(old)) <> typeof(\(new))"
        }
        return "(\(changed.joined(separator: " OR ")))"
    }

    func log(_ operation: String, key: String, image: String) -> String {
        """
        INSERT INTO data_changes (token, capture, operation, key, image, changed_at) \
        SELECT hex(randomblob(8)), \(capture), '\(operation)', \(key), \(image), strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
        """
    }

    // MARK: Statements

    /// Rows without key are logged once for each time they go. Between a row's deletion and its AFTER trigger, which
    /// logs it, a newer trigger of the application can put another row at the same rowid: the mark says that what
    /// stood there was not replaced.
    var markOld: String {
        """
        INSERT INTO tidemark_replaced (capture, slot, key) \
        SELECT \(capture), \(Self.deletionSlot), \(identity("OLD"))
        """
    }

    /// The mark of a row that still stands is left over from a deletion that a trigger called off.
    private func dropStaleMarks(_ slot: Slot, _ conditions: String) -> String {
        """
        DELETE FROM tidemark_replaced WHERE capture = \(capture) AND slot = \(Self.deletionSlot) \
        AND key IN (SELECT \(identity(row)) FROM \(from) WHERE \(conditions))
        """
    }

    private static let deletionSlot = -1

    /// The conditions under which a row that stands has the same values as NEW in a slot.
    func conflicts(with slot: Slot) -> [String] {
        slot.terms.map { term in
            "(\(term.standing)) = \(term.new)"
                + (term.collation.map { " COLLATE \(SQLiteIdentifier.quoted($0))" } ?? "")
        } + (slot.predicate.map { ["(\($0))"] } ?? [])
    }

    /// Notes every row that NEW could replace. Too many do no harm, too few lose a delete.
    /// - Parameter before: is the write still to come?
    func take(excludingOld: Bool, before: Bool = true) -> [String] {
        slots.flatMap { slot in
            var conditions = conflicts(with: slot)
            if excludingOld { conditions.append("\(identity(row)) <> \(identity("OLD"))") }
            let stale = table.key == nil && before ? [dropStaleMarks(slot, conditions.joined(separator: " AND "))] : []
            let known = "n.capture = \(capture) AND n.slot = \(slot.number) AND n.v IS \(first(slot)) AND n.w IS \(second(slot))"
            conditions.append("NOT EXISTS (SELECT 1 FROM tidemark_replaced AS n WHERE \(known) AND n.key = \(identity(row)))")
            let image = table.key == nil ? SQLiteEncoding.object(table.columns.map(\.name), of: row) : "NULL"
            return stale + ["""
                INSERT INTO tidemark_replaced (capture, slot, v, w, key, k1, k2, k3, k4, image) \
                SELECT \(capture), \(slot.number), \(first(slot)), \(second(slot)), \(identity(row)), \
                \(lookupValues(row).joined(separator: ", ")), \(image) FROM \(from) \
                WHERE \(conditions.joined(separator: " AND "))
                """]
        }
    }

    /// Logs the noted rows that are gone, then drops their notes. Found by NEW's values, so that leftovers of
    /// OR IGNORE do not slow every write.
    func logAndClear(isUpdate: Bool) -> [String] {
        guard !slots.isEmpty else { return [] }
        let mine = slots.map {
            "capture = \(capture) AND slot = \($0.number) AND v IS \(first($0)) AND w IS \(second($0))"
        }.joined(separator: " OR ")
        let condition = "(\(mine)) AND \(isGone(isUpdate: isUpdate))"
        let keyed = table.key != nil
        return [
            log("D", key: keyed ? "key" : "NULL", image: keyed ? "NULL" : "image")
                + " FROM tidemark_replaced WHERE \(condition) GROUP BY key",
            // All slots of the row: what is gone is noted nowhere any more.
            "DELETE FROM tidemark_replaced WHERE capture = \(capture) AND key IN "
                + "(SELECT key FROM tidemark_replaced WHERE \(condition))",
        ]
    }

    /// A noted row whose identity or image changes stays noted, as what it is now.
    var move: String {
        let old = identity("OLD")
        guard table.key == nil else {
            return """
                UPDATE tidemark_replaced SET key = \(identity("NEW")), \
                (k1, k2, k3, k4) = (SELECT \(lookupValues("NEW").joined(separator: ", "))) \
                WHERE capture = \(capture) AND key = \(old) AND key <> \(identity("NEW"))
                """
        }
        let rowID = table.rowIDName ?? "rowid"
        let image = SQLiteEncoding.object(table.columns.map(\.name), of: row)
        return """
            UPDATE tidemark_replaced SET key = \(identity("NEW")), k1 = NEW.\(rowID), \
            image = (SELECT \(image) FROM \(from) WHERE \(row).\(rowID) = NEW.\(rowID)) \
            WHERE capture = \(capture) AND key = \(old)
            """
    }

    /// A deleted row is noted no longer.
    var forgetOld: String {
        let gone = table.key == nil ? "" : " AND NOT \(standing(as: "OLD"))"
        return "DELETE FROM tidemark_replaced WHERE capture = \(capture) AND key = \(identity("OLD"))\(gone)"
    }

    // MARK: Parts

    var from: String { "\(SQLiteIdentifier.quoted(table.name)) AS \(row)" }

    private func isGone(isUpdate: Bool) -> String {
        guard let key = table.key else {
            let rowID = table.rowIDName ?? "rowid"
            // A new row in its place replaced it.
            let taken = "(tidemark_replaced.k1 = NEW.\(rowID)\(isUpdate ? " AND NEW.\(rowID) <> OLD.\(rowID)" : ""))"
            let gone = "(\(taken) OR NOT EXISTS (SELECT 1 FROM \(from) WHERE \(row).\(rowID) = tidemark_replaced.k1))"
            let marked = "EXISTS (SELECT 1 FROM tidemark_replaced AS d WHERE d.capture = \(capture) "
                + "AND d.key = tidemark_replaced.key AND d.slot = \(Self.deletionSlot))"
            return "\(gone) AND NOT \(marked)"
        }
        // Four values are enough to find the few candidates; the text decides.
        let found = key.terms.prefix(4).enumerated().map { place, term in
            "\(row).\(term.sql) = tidemark_replaced.k\(place + 1) COLLATE \(SQLiteIdentifier.quoted(term.collation))"
        }.joined(separator: " AND ")
        return "NOT EXISTS (SELECT 1 FROM \(from) WHERE \(found) AND \(identity(row)) = tidemark_replaced.key)"
    }

    /// k1 to k4.
    private func lookupValues(_ row: String) -> [String] {
        let sources = table.key?.columns.map(SQLiteIdentifier.quoted) ?? [table.rowIDName ?? "rowid"]
        return (0..<4).map { $0 < sources.count ? "\(row).\(sources[$0])" : "NULL" }
    }

    private func first(_ slot: Slot) -> String { slot.terms.first?.new ?? "NULL" }
    private func second(_ slot: Slot) -> String { slot.terms.count > 1 ? slot.terms[1].new : "NULL" }

    // MARK: Slots

    private static func slots(_ table: SQLiteTable) -> [Slot] {
        var found: [Slot] = []
        if let rowID = table.rowIDName, table.key?.isRowID != true, !table.uniqueIndexes.isEmpty || table.key == nil {
            found.append(
                Slot(number: 0, terms: [("tidemark_row.\(rowID)", "NEW.\(rowID)", nil)], predicate: nil))
        }
        for (place, index) in table.uniqueIndexes.enumerated() {
            if let key = table.key, index.predicate == nil, index.terms == key.terms, key.isExact(in: table) { continue }
            let terms = index.terms.map { (standing($0), newValue($0, table), String?.some($0.collation)) }
            found.append(Slot(number: place + 1, terms: terms, predicate: index.predicate))
        }
        return found
    }

    private static func standing(_ term: SQLiteTable.Index.Term) -> String {
        term.column == nil ? term.sql : "tidemark_row.\(term.sql)"
    }

    /// The term over NEW. A subquery gives NEW's values the columns' names, so that the expression needs no rewriting.
    private static func newValue(_ term: SQLiteTable.Index.Term, _ table: SQLiteTable) -> String {
        if let column = table.columns.first(where: { $0.name == term.column }) { return newValue(column) }
        let values = table.columns.map { "\(newValue($0)) AS \(SQLiteIdentifier.quoted($0.name))" }
        return "(SELECT \(term.sql) FROM (SELECT \(values.joined(separator: ", "))))"
    }

    /// REPLACE puts the default where NULL is given for a NOT NULL column; a BEFORE trigger still sees the NULL.
    static func newValue(_ column: SQLiteTable.Column) -> String {
        let new = "NEW.\(SQLiteIdentifier.quoted(column.name))"
        guard column.notNull, let value = column.defaultSQL, !column.isGenerated else { return new }
        // The default as the column will hold it: AFTER triggers look the note up by the stored value.
        let isNumber = column.affinity == .integer || column.affinity == .numeric || column.affinity == .real
        let given =
            column.affinity == .text
            ? "cast(\(value) AS TEXT)" : isNumber && value.hasPrefix("'") ? "cast(\(value) AS NUMERIC)" : "(\(value))"
        return "coalesce(\(new), \(given))"
    }
}
