package import TidemarkCore

/// Why no triggers can be made for a table.
package struct SQLiteTriggerError: Error, Hashable, Sendable, CustomStringConvertible {
    package let table: String
    package let message: String
    package let hint: String
    package var description: String { "table \(table): \(message) (\(hint))" }
}

/// Writes the capture triggers of one table as SQL text.
///
/// REPLACE removes rows without firing delete triggers, and an application's own triggers make NEW stale.
/// So BEFORE triggers only note rows that could be replaced, and AFTER triggers log the table as it stands.
package struct SQLiteTriggers: Sendable {
    private let table: SQLiteTable
    private let capture: Int64
    private let guardsNestedWrites: Bool
    private let notes: SQLiteNotes
    /// Nil where the log is to hold rows as a change leaves them only, or holds all of them anyway.
    private let before: SQLiteBeforeImages?
    private let row = "tidemark_row"

    /// `guardsNestedWrites`: set it where the application has BEFORE triggers of its own on this table. Such a
    /// trigger can write a row that its own statement then replaces; every written row is noted then.
    package init(
        table: SQLiteTable, capture: Int64, images: CapturedImages = .new, guardsNestedWrites: Bool = false
    ) throws(SQLiteTriggerError) {
        self.table = table
        self.capture = capture
        self.guardsNestedWrites = guardsNestedWrites
        notes = SQLiteNotes(table: table, capture: capture)
        before = images == .both && table.key != nil ? SQLiteBeforeImages(table: table, capture: capture, notes: notes) : nil
        if table.key == nil, table.rowIDName == nil {
            throw SQLiteTriggerError(
                table: table.name, message: "no key, and columns named rowid, _rowid_ and oid hide the rowid",
                hint: "declare a primary key with NOT NULL columns, or exclude the table")
        }
    }

    /// The statements that create the triggers.
    package var create: [String] {
        var made: [String] = []
        if !notes.slots.isEmpty || before != nil {
            made.append(trigger("before_insert", "BEFORE INSERT", notes.take(excludingOld: false) + (before?.insertion ?? [])))
            made.append(trigger("before_update", "BEFORE UPDATE", notes.take(excludingOld: true) + (before?.update ?? [])))
            if table.key == nil { made.append(trigger("before_delete", "BEFORE DELETE", [notes.markOld])) }
            if let before { made.append(trigger("before_delete", "BEFORE DELETE", [before.old])) }
        }
        let again = guardsNestedWrites ? notes.take(excludingOld: false, before: false) : []
        made.append(trigger("after_insert", "AFTER INSERT", afterInsert + again))
        made.append(trigger("after_update", "AFTER UPDATE", afterUpdate + again))
        made.append(trigger("after_delete", "AFTER DELETE", afterDelete))
        return made
    }

    /// The statements that remove them, whichever exist.
    package var drop: [String] {
        ["before_insert", "before_update", "before_delete", "after_insert", "after_update", "after_delete"]
            .map { "DROP TRIGGER IF EXISTS \(SQLiteIdentifier.quoted(name($0)))" }
    }

    private var afterInsert: [String] {
        let replaced = notes.logAndClear(isUpdate: false)
        guard table.key != nil else { return replaced + [log("I", key: "NULL", image: image("NEW"))] }
        return replaced + [logStanding("I")]
    }

    private var afterUpdate: [String] {
        var made = notes.logAndClear(isUpdate: true)
        if table.key != nil {
            let isGone = "\(notes.keyIsAnother) AND NOT \(notes.standing(as: "OLD"))"
            made.append(log("D", key: notes.identity("OLD"), image: "NULL", where: isGone))
        } else {
            made.append(log("D", key: "NULL", image: image("OLD")))
        }
        if !notes.slots.isEmpty { made.append(notes.move) }
        made.append(table.key != nil ? logStanding("U") : log("I", key: "NULL", image: image("NEW")))
        return made
    }

    private var afterDelete: [String] {
        let forget = notes.slots.isEmpty ? [] : [notes.forgetOld]
        guard table.key != nil else { return [log("D", key: "NULL", image: image("OLD"))] + forget }
        return [log("D", key: notes.identity("OLD"), image: "NULL", where: "NOT \(notes.standing(as: "OLD"))")] + forget
    }

    /// Logs the row that has NEW's key now; there may be none any more.
    private func logStanding(_ operation: String) -> String {
        log(
            operation, key: notes.identity(row), image: image(row),
            where: notes.lookup { "NEW.\(SQLiteIdentifier.quoted($0.column ?? ""))" },
            from: "\(SQLiteIdentifier.quoted(table.name)) AS \(row)")
    }

    private func log(
        _ operation: String, key: String, image: String, where condition: String? = nil, from: String? = nil
    ) -> String {
        notes.log(operation, key: key, image: image)
            + (from.map { " FROM \($0)" } ?? "") + (condition.map { " WHERE \($0)" } ?? "")
    }

    private func image(_ row: String) -> String { SQLiteEncoding.object(table.columns.map(\.name), of: row) }

    private func name(_ part: String) -> String { "tidemark_capture_\(capture)_\(part)" }

    private func trigger(_ part: String, _ event: String, _ body: [String]) -> String {
        """
        CREATE TRIGGER \(SQLiteIdentifier.quoted(name(part))) \(event) ON \(SQLiteIdentifier.quoted(table.name)) \
        FOR EACH ROW BEGIN
          \(body.map { $0 + ";" }.joined(separator: "\n  "))
        END
        """
    }
}
