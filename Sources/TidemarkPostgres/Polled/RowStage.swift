import TidemarkCore

/// Rows of one table, put aside at the target in the types of its columns, so that a few statements over all of them tell what differs,
/// and touch nothing else. The worker's memory stays bounded by a page.
struct RowStage {
    let target: TargetTable
    static let table = "pg_temp.tidemark_polled"
    static let place = "tidemark_place"

    private var columns: [TargetColumn] { target.columns }
    private var keys: [TargetColumn] { target.keys }
    private var isKeyed: Bool { !keys.isEmpty }

    /// - Parameter keysOnly: are only keys to be put aside?
    init(_ target: TargetTable) { self.target = target }

    // MARK: Filling it

    /// The table, as it is for these columns.
    func creation(keysOnly: Bool) -> String {
        let staged = keysOnly ? keys : columns
        let definitions = staged.map(\.recordDefinition) + ["\(Self.place) bigint"]
        return "create temporary table tidemark_polled (\(definitions.joined(separator: ", "))) on commit delete rows"
    }

    /// Takes `$1`, a JSON array of images or keys; `$2`, the place before the first.
    func filling(keysOnly: Bool) -> String {
        let staged = keysOnly ? keys : columns
        let names = (staged.map(\.quoted) + [Self.place]).joined(separator: ", ")
        let values = (staged.map { "x.\($0.quoted)" } + ["x.\(Self.place) + $2::bigint"]).joined(separator: ", ")
        return """
            insert into \(Self.table) (\(names)) select \(values)
            from rows from (json_to_recordset($1) as (\(staged.map(\.recordDefinition).joined(separator: ", ")))) with ordinality as x(\(names))
            """
    }

    // MARK: What is done with it; of places from $1 to $2

    private static let within = "x.\(place) between $1 and $2"
    private var match: String { keys.map(\.matches).joined(separator: " and ") }

    /// Bit for bit, under the session's pinned settings: equality would take -0 for 0, and 1.0 for 1.00.
    private func line(_ alias: String) -> String {
        let values = target.written.map { alias == "x" ? $0.fromRecord() : "\(alias).\($0.quoted)" }
        return "row(\(values.joined(separator: ", ")))::text collate \"C\""
    }

    /// Nil where a row that differs has to be made anew.
    var update: String? {
        let keyNames = Set(target.captured.keyColumns)
        let assigned = target.written.filter { !$0.isIdentityAlways && !(keyNames.contains($0.name) && $0.comparesByText) }
        guard !target.hasIdentityBesideKey, isKeyed, !assigned.isEmpty else { return nil }
        return """
            update \(target.onlyName) as t set \(assigned.map { "\($0.quoted) = \($0.fromRecord())" }.joined(separator: ", "))
            from \(Self.table) as x where \(Self.within) and \(match) and \(line("t")) <> \(line("x"))
            """
    }

    /// Of rows that are not there.
    var insertion: String {
        """
        insert into \(target.quotedName) (\(target.writtenList)) overriding system value
        select \(target.written.map { $0.fromRecord() }.joined(separator: ", ")) from \(Self.table) as x
        where \(Self.within) and not exists (select from \(target.onlyName) as t where \(match))
        """
    }

    /// Of rows that are there and differ, so that they may be inserted anew.
    var removalOfDiffering: String {
        "delete from \(target.onlyName) as t using \(Self.table) as x where \(Self.within) and \(match) and \(line("t")) <> \(line("x"))"
    }

    /// Of rows that are not put aside, without places.
    /// - Parameter conditions: over `t`.
    func removalOfOthers(_ conditions: [String] = []) -> String {
        let all = conditions + ["not exists (select from \(Self.table) as x where \(match))"]
        return "delete from \(target.onlyName) as t where \(all.joined(separator: " and "))"
    }

    /// Without a key: of each whole row as many as there are too many, without places.
    var removalOfSurplus: String {
        """
        with wanted as (select \(line("x")) as line, count(*) as n from \(Self.table) as x group by 1),
        standing as (
            select t.tableoid as home, t.ctid as place, \(line("t")) as line, row_number() over (partition by \(line("t"))) as nth
            from \(target.onlyName) as t
        )
        delete from \(target.onlyName) as t using standing s left join wanted w on w.line = s.line
        where s.nth > coalesce(w.n, 0) and t.tableoid = s.home and t.ctid = s.place
        """
    }

    /// Without a key: of each whole row as many as there are too few, as the places that are to be inserted.
    var missing: String {
        """
        delete from \(Self.table) as x using (
            select x.\(Self.place), row_number() over (partition by \(line("x"))) as nth, \(line("x")) as line from \(Self.table) as x
        ) n left join (select \(line("t")) as line, count(*) as n from \(target.onlyName) as t group by 1) s on s.line = n.line
        where n.\(Self.place) = x.\(Self.place) and n.nth <= coalesce(s.n, 0)
        """
    }

    /// Of whole rows that are put aside.
    var wholeInsertion: String {
        """
        insert into \(target.quotedName) (\(target.writtenList)) overriding system value
        select \(target.written.map { $0.fromRecord() }.joined(separator: ", ")) from \(Self.table) as x where \(Self.within)
        """
    }

    /// JSON of the key, or of the row, at the place `$1`.
    var identity: String {
        "select \(KeyRange.identity(of: isKeyed ? target.keysInOrder : columns, "x")) from \(Self.table) as x where x.\(Self.place) = $1"
    }
}
