import TidemarkCore

/// What the target's catalogue says about the table that takes a captured table's changes, once it
/// is known to be able to.
struct TargetTable {
    let captured: CapturedTable
    let oid: String
    let quotedName: String
    let isPartitioned: Bool
    /// For the images' columns, in their order.
    let columns: [TargetColumn]
    /// Columns that no image holds and that find no value by themselves.
    let missingValues: [String]
    /// Empty where the session's role keeps foreign keys still.
    let foreignKeys: [ForeignKey]
    let shape: TableShape

    /// The table without those that inherit from it, which capture does not see either.
    var onlyName: String { isPartitioned ? quotedName : "only \(quotedName)" }
    var keys: [TargetColumn] { columns.filter { captured.keyColumns.contains($0.name) } }
    var written: [TargetColumn] { columns.filter { !$0.isGenerated } }
    /// The columns that are written, as INSERT and COPY name them.
    var writtenList: String { written.map(\.quoted).joined(separator: ", ") }
    var isReferenced: Bool { foreignKeys.contains { $0.parent == oid } }

    /// An upsert cannot set such a column, so its rows are deleted and inserted (BREAKS F3).
    var hasIdentityBesideKey: Bool {
        columns.contains { $0.isIdentityAlways && !captured.keyColumns.contains($0.name) } && !captured.keyColumns.isEmpty
    }

    /// - Throws: `TidemarkError` where the target cannot take the table's changes, with the remedy.
    init(_ captured: CapturedTable, in session: PostgresSession, context: ApplyContext) throws {
        let fault = TableMismatch(table: captured.name, target: captured.atTarget, context: context)
        let found = try session.query(
            """
            select c.oid, c.relkind, c.relkind in ('r', 'p') and row_security_active(c.oid), \(TableShape.expressions(of: "array[c.oid]"))
            from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = $1 and c.relname = $2
            """,
            [.text(captured.atTarget.schema ?? "public"), .text(captured.atTarget.name)])
        guard found.count == 1, let oid = found[0, 0] else { throw fault.noTable() }
        guard let kind = found[0, 1], kind == "r" || kind == "p" else { throw fault.noOrdinaryTable(found[0, 1] ?? "") }
        guard found[0, 2] != "t" else { throw fault.rowSecurity() }
        let keyIndex = try Self.keyIndex(of: oid, captured, in: session, fault)
        let all = try TargetColumn.all(of: oid, keyIndex: keyIndex, in: session)
        let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })
        columns = try captured.columns.map { source in
            guard let column = byName[source.name] else { throw fault.noColumn(source) }
            try fault.check(source, into: column, encoding: captured.encoding)
            return column
        }
        self.captured = captured
        self.oid = oid
        quotedName = PostgresIdentifier.quoted(captured.atTarget)
        isPartitioned = kind == "p"
        shape = TableShape(oid: UInt32(oid) ?? 0, name: found[0, 3] ?? "", columns: found[0, 4] ?? "")
        let held = Set(captured.columns.map(\.name))
        missingValues = all.filter { !held.contains($0.name) && !$0.isOptional && !$0.isGenerated }.map(\.name)
        foreignKeys = context.holdsTriggersStill ? [] : try ForeignKey.all(around: oid, in: session)
        guard context.holdsTriggersStill || !hasIdentityBesideKey else { throw fault.identityBesideKey(columns) }
    }

    /// The index that identifies a row, which ON CONFLICT needs: immediate, and with no deferrable one
    /// on the same columns, which ON CONFLICT would take too and refuse (BREAKS B6).
    private static func keyIndex(
        of oid: String, _ captured: CapturedTable, in session: PostgresSession, _ fault: TableMismatch
    ) throws -> String {
        guard !captured.keyColumns.isEmpty else { return "0" }
        guard let index = try TargetColumn.keyIndexes(of: oid, on: captured.keyColumns, in: session).first else {
            throw fault.noKeyIndex(captured.keyColumns)
        }
        guard index.isImmediate else { throw fault.deferrableKey(index.name, captured.keyColumns) }
        return index.oid
    }

    /// The table is locked by now; before it was, a column could have been altered so that it rounds what it is given.
    func requireUnaltered(in session: PostgresSession, _ context: ApplyContext) throws {
        let rows = try session.query("select \(TableShape.expressions(of: "array[$1::oid]"))", [.text(oid)])
        guard rows[0, 0] == shape.name, rows[0, 1] == shape.columns else {
            throw TidemarkError(
                "a table of the target was altered while rows came", pipeline: context.pipeline, table: captured.name,
                why: "its columns are no longer those that were found", remedy: "Nothing to do: they are loaded again.", retry: .later)
        }
    }
}
