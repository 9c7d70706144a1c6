import TidemarkCore

/// The statements that apply one table's changes. Each takes many rows at once; values travel as JSON
/// that nobody on the way looks into.
struct TableStatements {
    let target: TargetTable
    /// Whether two keys are equal exactly if their text is; otherwise the target says which are.
    let keysCompareByText: Bool
    /// For a page, with `$1` a JSON array of images or keys.
    let paged: Paged
    /// For the rows put aside in `tidemark_window`, with `$1` the id of the last truncation and `$2`
    /// the last id that takes part.
    let staged: Staged
    /// Removes the whole rows put aside, and with them their places in `tidemark_window`; `$1` as above.
    let wholeRowDeletion: String
    /// Removes one such row, with `$1` a JSON array of its image alone; for a person to read and run.
    let wholeRowRemoval: String

    /// For rows that are new; nil where triggers might see COPY differently from INSERT.
    let copyLines: CopyLines?

    var captured: CapturedTable { target.captured }

    struct Paged {
        let insertion: String
        let upsert: String
        /// For rows that stand already; nil where there is nothing to set, or a row has to be made anew.
        let update: String?
        let deletion: String
        /// Leaves rows alone that others refer to.
        let deletionOfUnreferenced: String
        /// Which of several changes of equal keys is the last, by place in the array.
        let latest: String
    }

    struct Staged {
        let wholeRowInsertion: String
        /// Before anything is inserted.
        let removal: String
        let insertion: String
        /// After everything is inserted; nil where `removal` leaves nothing.
        let lateRemoval: String?
    }

    init(_ target: TargetTable, holdsTriggersStill: Bool) {
        self.target = target
        let keys = target.keys
        // Text from another engine may write one value in several ways.
        let encoding = target.captured.encoding
        keysCompareByText = !keys.isEmpty && keys.allSatisfy {
            $0.comparesByText && (encoding == .typedText || StorageClassTarget.isCanonical($0.baseType))
        }
        let sql = StatementText(target)
        paged = Paged(
            insertion: sql.insertion(from: sql.records), upsert: sql.upsert(from: sql.records),
            update: sql.update(from: sql.records),
            deletion: sql.deletion(using: sql.keyRecords), deletionOfUnreferenced: sql.deletion(using: sql.keyRecords, sparing: true),
            latest: sql.latestPlaces)
        // In replica role every touched row goes first, so that rows may swap unique values. Otherwise
        // that would fire cascades: only deleted rows go, and those that others refer to after the
        // upserts have moved the others away (BREAKS F2).
        let removed = sql.deletion(using: sql.stagedKeys(deletedOnly: !holdsTriggersStill), sparing: !holdsTriggersStill)
        let finals = sql.stagedFinals
        staged = Staged(
            wholeRowInsertion: sql.insertion(from: sql.stagedWholeRows), removal: removed,
            insertion: holdsTriggersStill ? sql.insertion(from: finals) : sql.upsert(from: finals),
            lateRemoval: target.isReferenced ? sql.deletion(using: sql.stagedKeys(deletedOnly: true)) : nil)
        copyLines = holdsTriggersStill && encoding == .typedText ? CopyLines(target.columns.map { ($0.name, !$0.isGenerated) }) : nil
        wholeRowDeletion = sql.wholeRowDeletion
        wholeRowRemoval = sql.wholeRowRemoval
    }
}

/// Writes the statements of one table.
private struct StatementText {
    private let target: TargetTable
    private let stage = "pg_temp.\(WindowStage.table)"
    private let keys: [TargetColumn]
    private let definitions: String
    private let keyDefinitions: String

    init(_ target: TargetTable) {
        self.target = target
        keys = target.keys
        definitions = target.columns.map(\.recordDefinition).joined(separator: ", ")
        keyDefinitions = target.keys.map(\.recordDefinition).joined(separator: ", ")
    }

    // MARK: Where rows come from, as relation x

    var records: String { "json_to_recordset($1) as x(\(definitions))" }
    var keyRecords: String { "json_to_recordset($1) as x(\(keyDefinitions))" }

    var stagedWholeRows: String {
        """
        \(stage) w cross join lateral json_to_record(w.image) as x(\(definitions))
        where \(ofTable) and w.key is null and w.operation <> 'D' and w.id <= $2
        """
    }

    /// The final image of each row, by the target's own equality of keys.
    var stagedFinals: String {
        "(\(latestStaged)) w cross join lateral json_to_record(w.image) as x(\(definitions)) where w.operation <> 'D' and w.id <= $2"
    }

    /// The keys that the window touched, or only those whose row it left deleted.
    func stagedKeys(deletedOnly: Bool) -> String {
        let from = deletedOnly ? "(\(latestStaged)) w" : "\(stage) w"
        let which = deletedOnly ? "w.operation = 'D' and w.id <= $2" : "\(ofTable) and w.key is not null and w.id <= $2"
        // Named apart, because a derived table cannot take its columns from json and be filtered too.
        return "(select x.* from \(from) cross join lateral json_to_record(w.key) as x(\(keyDefinitions)) where \(which)) as x"
    }

    private var ofTable: String { "w.capture = \(target.captured.capture) and w.id > $1" }

    private var latestStaged: String {
        let order = keys.map { $0.fromRecord("k") }.joined(separator: ", ")
        return """
            select distinct on (\(order)) w.id, w.operation, w.key, w.image
            from \(stage) w cross join lateral json_to_record(w.key) as k(\(keyDefinitions))
            where \(ofTable) and w.key is not null order by \(order), w.id desc
            """
    }

    var latestPlaces: String {
        let order = keys.map { $0.fromRecord() }.joined(separator: ", ")
        let names = (keys.map(\.quoted) + ["tidemark_place"]).joined(separator: ", ")
        return """
            select distinct on (\(order)) x.tidemark_place
            from rows from (json_to_recordset($1) as (\(keyDefinitions))) with ordinality as x(\(names))
            order by \(order), x.tidemark_place desc
            """
    }

    // MARK: What is done with them

    func insertion(from source: String) -> String {
        let values = target.written.map { $0.fromRecord() }.joined(separator: ", ")
        return "insert into \(target.quotedName) (\(target.writtenList)) overriding system value\nselect \(values)\nfrom \(source)"
    }

    /// The key columns are set too where equal keys may be written differently: `1.0` becomes `1.00`.
    func upsert(from source: String) -> String {
        if target.hasIdentityBesideKey { return insertion(from: source) }
        let assignments = assigned.map { "\($0.quoted) = excluded.\($0.quoted)" }.joined(separator: ", ")
        let conflict = keys.map(\.quoted).joined(separator: ", ")
        return insertion(from: source) + "\non conflict (\(conflict)) do "
            + (assignments.isEmpty ? "nothing" : "update set \(assignments)")
    }

    func update(from source: String) -> String? {
        guard !target.hasIdentityBesideKey, !keys.isEmpty, !assigned.isEmpty else { return nil }
        let assignments = assigned.map { "\($0.quoted) = \($0.fromRecord())" }.joined(separator: ", ")
        return "update \(target.onlyName) as t set \(assignments)\nfrom \(source)\nwhere \(keys.map(\.matches).joined(separator: " and "))"
    }

    private var assigned: [TargetColumn] {
        let keyNames = Set(target.captured.keyColumns)
        return target.written.filter { !$0.isIdentityAlways && !(keyNames.contains($0.name) && $0.comparesByText) }
    }

    func deletion(using source: String, sparing: Bool = false) -> String {
        let match = keys.map(\.matches)
        let spared = sparing ? target.foreignKeys.filter { $0.parent == target.oid }.map(\.hasNoChildren) : []
        return "delete from \(target.onlyName) as t\nusing \(source)\nwhere \((match + spared).joined(separator: " and "))"
    }

    var wholeRowRemoval: String {
        let columns = target.written
        return """
            delete from \(target.onlyName) as t where (t.tableoid, t.ctid) = (
                select s.tableoid, s.ctid from \(target.onlyName) as s cross join \(records)
                where row(\(columns.map { "s." + $0.quoted }.joined(separator: ", ")))::text collate "C"
                    = row(\(columns.map { $0.fromRecord() }.joined(separator: ", ")))::text collate "C" limit 1)
            """
    }

    /// Whole rows are equal if their text is, under the session's pinned settings: that is bit for bit,
    /// where equality would take -0 for 0 and 1.0 for 1.00. A row wanted twice removes two.
    var wholeRowDeletion: String {
        let columns = target.written
        let plain = columns.filter { $0.isNotNull && $0.comparesPlainly }
        let picked = plain.enumerated().map { ", \($1.fromRecord()) as tidemark_\($0)" }.joined()
        let matches = plain.enumerated().map { " and t.\($1.quoted) = s.tidemark_\($0)" }.joined()
        return """
            with gone as (
                select w.id, row_number() over (partition by x.line order by w.id) as nth, x.*
                from \(stage) w cross join lateral (
                    select row(\(columns.map { $0.fromRecord() }.joined(separator: ", ")))::text collate "C" as line\(picked)
                    from json_to_record(w.image) as x(\(definitions))) x
                where \(ofTable) and w.key is null and w.operation = 'D' and w.id <= $2
            ), standing as (
                select t.tableoid as home, t.ctid as place, s.line, row_number() over (partition by s.line) as nth
                from gone s join \(target.onlyName) as t
                  on row(\(columns.map { "t." + $0.quoted }.joined(separator: ", ")))::text collate "C" = s.line\(matches)
                where s.nth = 1
            ), pairs as (
                select g.id, s.home, s.place from gone g join standing s on s.line = g.line and s.nth = g.nth
            ), deleted as (
                delete from \(target.onlyName) as t using pairs p where t.tableoid = p.home and t.ctid = p.place
            )
            delete from \(stage) w using pairs p where w.id = p.id
            """
    }
}
