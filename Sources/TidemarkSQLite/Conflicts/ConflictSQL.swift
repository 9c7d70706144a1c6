import TidemarkCore

/// The statements by which the changes of a table that others write, too, are settled. Columns keep the names that the target's table has;
/// what stands beside them begins with `tidemark_`.
struct ConflictSQL {
    let target: TargetTable
    let rule: ConflictRule
    let pipeline: String
    let order: VersionOrder
    let merged: MergedColumns

    /// What the target's table holds of the source's.
    let names: [String]
    /// As the target calls the key's columns.
    let keys: [String]
    private let id: Int32

    init(_ target: TargetTable, _ rule: ConflictRule, pipeline: String) {
        (self.target, self.rule, self.pipeline) = (target, rule, pipeline)
        names = target.columnNames
        keys = target.keyTerms.compactMap(\.column)
        id = target.captured.capture
        order = VersionOrder(rule, columns: names)
        merged = MergedColumns(order: order)
    }

    // MARK: Temporary tables

    /// The changes, in the order of their places: I, U, D, and B for what a row was before.
    var incoming: String { "temp.tidemark_incoming_\(id)" }
    /// Where the changes of a key are no chain.
    var cuts: String { "temp.tidemark_cut_\(id)" }
    /// Of each key, what became of it.
    var folded: String { "temp.tidemark_folded_\(id)" }
    /// And what is at the target: its row, or what was deleted.
    var standing: String { "temp.tidemark_standing_\(id)" }
    /// And what that means.
    var judged: String { "temp.tidemark_judged_\(id)" }
    /// And what comes of it: the rows that will be there, or will be gone.
    var result: String { "temp.tidemark_result_\(id)" }
    /// The values of one unique index.
    var clashing: String { "temp.tidemark_clashing_\(id)" }

    private static func bare(_ table: String) -> String { String(table.dropFirst("temp.".count)) }

    var list: String { names.map(SQLiteIdentifier.quoted).joined(separator: ", ") }
    func list(of row: String) -> String { names.map { "\(row).\(SQLiteIdentifier.quoted($0))" }.joined(separator: ", ") }

    private var definitions: String {
        target.written.map { "\(SQLiteIdentifier.quoted($0.name)) \($0.affinity.typeName)" }.joined(separator: ", ")
    }

    /// The values of a key beside those of the image, which a delete has not.
    private var keyPlaces: [String] { keys.indices.map { "tidemark_k\($0)" } }

    var creation: [String] {
        let keyDefinitions = keys.enumerated().map { place, key in
            "tidemark_k\(place) \(target.written.first { $0.name == key }?.affinity.typeName ?? "BLOB")"
        }.joined(separator: ", ")
        let dropped = [incoming, cuts, folded, standing, judged, result, clashing].map { "DROP TABLE IF EXISTS \($0)" }
        let values = target.table.uniqueIndexes.map(\.terms.count).max() ?? 0
        return dropped + [
            """
            CREATE TABLE \(incoming) (tidemark_id INTEGER PRIMARY KEY, \(keyDefinitions), \(definitions), tidemark_run INTEGER, tidemark_place INTEGER,
                tidemark_transaction INTEGER, tidemark_operation INTEGER, tidemark_key BLOB, tidemark_image BLOB, tidemark_piece INTEGER DEFAULT 0)
            """,
            "CREATE INDEX \(incoming)_key ON \(Self.bare(incoming)) (tidemark_run, tidemark_key, tidemark_place)",
            "CREATE TABLE \(cuts) (key BLOB, place INTEGER, PRIMARY KEY (key, place))",
            "CREATE TABLE \(folded) (tidemark_key TEXT PRIMARY KEY, source INTEGER, before INTEGER, deleted INTEGER, change INTEGER)",
            "CREATE TABLE \(standing) (\(definitions), tidemark_key TEXT PRIMARY KEY, tidemark_deleted INTEGER)",
            """
            CREATE TABLE \(judged) (tidemark_key TEXT PRIMARY KEY, source INTEGER, before INTEGER, deleted INTEGER, change INTEGER, kind TEXT, way INTEGER,
                wins INTEGER)
            """,
            """
            CREATE TABLE \(result) (\(definitions), tidemark_key TEXT PRIMARY KEY, tidemark_deleted INTEGER, tidemark_standing INTEGER, tidemark_wins INTEGER,
                tidemark_written INTEGER, tidemark_news INTEGER, tidemark_lost INTEGER DEFAULT 0, tidemark_change INTEGER)
            """,
            "CREATE TABLE \(clashing) (tidemark_key TEXT PRIMARY KEY\((0..<values).map { ", tidemark_v\($0)" }.joined()))",
        ] + (values > 0 ? ["CREATE INDEX \(clashing)_value ON \(Self.bare(clashing)) (tidemark_v0)"] : [])
    }

    var clearing: String { "DELETE FROM \(incoming)" }
    var clearingRound: String { [folded, standing, judged, result, clashing].map { "DELETE FROM \($0)" }.joined(separator: "; ") }

    /// The key's values, the image's, and what stands beside them.
    var putting: String {
        let columns = keyPlaces + names.map(SQLiteIdentifier.quoted)
            + ["tidemark_run", "tidemark_place", "tidemark_transaction", "tidemark_operation", "tidemark_key", "tidemark_image"]
        let places = (1...columns.count).map { "?\($0)" }
        return "INSERT INTO \(incoming) (\(columns.joined(separator: ", "))) VALUES (\(places.joined(separator: ", ")))"
    }

    // MARK: Texts

    /// As tombstones have it.
    func keyText(of row: String) -> String {
        SQLiteEncoding.object(keys.sorted().map { ($0, "\(row).\(SQLiteIdentifier.quoted($0))") })
    }

    private var incomingKeyText: String {
        SQLiteEncoding.object(zip(keys, keyPlaces).sorted { $0.0 < $1.0 }.map { ($0.0, "s.\($0.1)") })
    }

    func imageText(of row: String) -> String { SQLiteEncoding.object(names, of: row) }

    func isSame(_ one: String, _ other: String) -> String {
        TargetTable.all(names.map(SQLiteIdentifier.quoted).map { TargetTable.isSame("\(one).\($0)", "\(other).\($0)") }[...])
    }

    private var tableLiteral: String { SQLiteIdentifier.literal(target.table.name) }
    private static let now = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
    private static let before = Operation.before.rawValue
    private static let delete = Operation.delete.rawValue

    // MARK: Folding

    /// Finds the changes that were not made from what the one before them in the same run left: in between, the source was given
    /// another version, which is not in the run. Of PostgreSQL, the first change of a transaction is looked at; of SQLite, what was
    /// logged before a change.
    var cutting: String {
        let left = """
            (SELECT CASE p.tidemark_operation WHEN \(Self.delete) THEN x'00' ELSE p.tidemark_image END FROM \(incoming) AS p
             WHERE p.tidemark_run = ?1 AND p.tidemark_key = b.tidemark_key AND p.tidemark_place < b.tidemark_place
               AND p.tidemark_operation <> \(Self.before) ORDER BY p.tidemark_place DESC LIMIT 1)
            """
        let rows = target.captured.encoding == .storageClasses
            ? "SELECT tidemark_key, tidemark_place, tidemark_image FROM \(incoming) WHERE tidemark_run = ?1 AND tidemark_operation = \(Self.before)"
            : """
                SELECT f.tidemark_key, f.tidemark_place, (
                    SELECT o.tidemark_image FROM \(incoming) AS o WHERE o.tidemark_run = ?1 AND o.tidemark_key = f.tidemark_key
                      AND o.tidemark_transaction = f.tidemark_transaction AND o.tidemark_operation = \(Self.before) ORDER BY o.tidemark_place LIMIT 1
                ) AS tidemark_image FROM (
                    SELECT tidemark_key, tidemark_transaction, min(tidemark_place) AS tidemark_place FROM \(incoming) WHERE tidemark_run = ?1
                    GROUP BY tidemark_key, tidemark_transaction) AS f
                """
        return """
            INSERT INTO \(cuts) SELECT b.tidemark_key, b.tidemark_place FROM (\(rows)) AS b
            WHERE \(left) <> coalesce(b.tidemark_image, x'00')
            """
    }

    var piecing: String {
        """
        UPDATE \(incoming) SET tidemark_piece =
            (SELECT count(*) FROM \(cuts) AS c WHERE c.key = \(Self.bare(incoming)).tidemark_key AND c.place <= \(Self.bare(incoming)).tidemark_place)
        WHERE tidemark_run = ?1 AND tidemark_key IN (SELECT key FROM \(cuts))
        """
    }

    var counting: String { "SELECT coalesce(max(n), 0) + 1 FROM (SELECT count(*) AS n FROM \(cuts) GROUP BY key)" }

    /// What a key was before the first of its changes, what the last one made of it, and the last image that is known.
    var folding: String {
        func found(_ what: String, _ condition: String, _ order: String) -> String {
            """
            (SELECT \(what) FROM \(incoming) WHERE tidemark_run = ?1 AND tidemark_key = f.k AND tidemark_piece = ?2 AND \(condition)
             ORDER BY tidemark_place \(order) LIMIT 1)
            """
        }
        // A transaction of PostgreSQL says once what a row was: where its first part came from elsewhere, that left it so.
        let earlier = target.captured.encoding == .storageClasses ? "" : """
            , (SELECT CASE tidemark_operation WHEN \(Self.delete) THEN NULL ELSE tidemark_id END FROM \(incoming)
               WHERE tidemark_run < ?1 AND tidemark_key = f.k AND tidemark_transaction = f.tx AND tidemark_operation <> \(Self.before)
               ORDER BY tidemark_run DESC, tidemark_place DESC LIMIT 1)
            """
        let isBefore = "tidemark_operation = \(Self.before) AND tidemark_image IS NOT NULL"
        let isChange = "tidemark_operation <> \(Self.before)"
        return """
            INSERT INTO \(folded)
            SELECT \(incomingKeyText), g.source, g.before, g.deleted, g.place / 2 FROM (
                SELECT coalesce(\(found("tidemark_id", "tidemark_transaction = f.tx AND \(isBefore)", ""))\(earlier), NULL) AS before,
                    \(found("tidemark_operation = \(Self.delete)", isChange, "DESC")) AS deleted,
                    \(found("tidemark_place", isChange, "DESC")) AS place,
                    coalesce(\(found("tidemark_id", "\(isChange) AND tidemark_image IS NOT NULL", "DESC")),
                             \(found("tidemark_id", isBefore, "DESC"))\(earlier), NULL) AS source
                FROM (SELECT tidemark_key AS k, min(tidemark_place), tidemark_transaction AS tx FROM \(incoming)
                      WHERE tidemark_run = ?1 AND tidemark_piece = ?2 GROUP BY tidemark_key) AS f
            ) AS g JOIN \(incoming) AS s ON s.tidemark_id = g.source WHERE g.place IS NOT NULL
            """
    }

    // MARK: What stands

    var standingRows: String {
        let match = target.keyTerms.enumerated().map { place, term in
            "t.\(term.sql) = s.tidemark_k\(place) AND \(TargetTable.isSame("t.\(term.sql)", "s.tidemark_k\(place)"))"
        }
        return """
            INSERT INTO \(standing) (\(list), tidemark_key, tidemark_deleted)
            SELECT \(list(of: "t")), f.tidemark_key, 0 FROM \(folded) AS f CROSS JOIN \(incoming) AS s CROSS JOIN \(target.quotedName) AS t
            WHERE s.tidemark_id = f.source AND \(match.joined(separator: " AND "))
            """
    }

    var tombstones: String {
        """
        SELECT m.key, m.image FROM \(folded) AS f CROSS JOIN main.tidemark_tombstone AS m
        WHERE m.table_name = \(tableLiteral) AND m.key = f.tidemark_key AND NOT EXISTS (SELECT 1 FROM \(standing) AS s WHERE s.tidemark_key = f.tidemark_key)
        """
    }

    var addingTombstone: String {
        let places = (1...(names.count + 1)).map { "?\($0)" }.joined(separator: ", ")
        return "INSERT OR REPLACE INTO \(standing) (\(list), tidemark_key, tidemark_deleted) VALUES (\(places), 1)"
    }

    // MARK: Judging

    private func rows(of key: String) -> String {
        """
        \(key) AS j JOIN \(incoming) AS source ON source.tidemark_id = j.source LEFT JOIN \(incoming) AS before ON before.tidemark_id = j.before
        LEFT JOIN \(standing) AS target ON target.tidemark_key = j.tidemark_key
        """
    }

    private var hasOrder: Bool { rule.orderColumn != nil }
    private var isCustom: Bool { if case .custom = rule.strategy { true } else { false } }
    var isMerge: Bool { if case .merge = rule.strategy { true } else { false } }

    /// Does the source's version count?
    private var wins: String {
        switch rule.strategy {
        case .sourceWins: "1"
        case .targetWins, .stop: "0"
        case .custom(let sql): "coalesce((\(sql)\n), 0) <> 0"
        case .lastWriteWins, .highestVersion, .merge: order.isGreater("source", than: "target", deleted: ("j.deleted", "target.tidemark_deleted"))
        }
    }

    /// What is the case with each key; which of that is a conflict; and what follows: 0 for nothing, 1 for what the source has made of the
    /// row, 2 for what the rule says.
    var judging: String {
        let asIs = "NOT j.deleted AND \(isSame("source", "target"))" + (merged.addsNothing.map { " AND \($0)" } ?? "")
        let missing = rule.strategy == .targetWins ? "0" : isCustom ? "2" : "1"
        let gone = hasOrder ? "2" : rule.strategy == .targetWins ? "0" : "1"
        let again = hasOrder || isCustom ? "CASE WHEN wins THEN 1 ELSE 0 END" : "1"
        let againKind = hasOrder || isCustom ? "CASE WHEN wins THEN NULL ELSE 'update-delete' END" : "NULL"
        return """
            INSERT INTO \(judged)
            SELECT tidemark_key, source, before, deleted, change, kind, way, CASE way WHEN 2 THEN wins ELSE way END FROM (
                SELECT tidemark_key, source, before, deleted, change, wins,
                    CASE situation WHEN 'missing' THEN 'update-delete' WHEN 'late' THEN 'update-delete' WHEN 'again' THEN \(againKind)
                        WHEN 'removed' THEN 'delete-update' WHEN 'both inserted' THEN 'insert-insert' WHEN 'both updated' THEN 'update-update' END AS kind,
                    CASE situation WHEN 'new' THEN 1 WHEN 'idle' THEN 0 WHEN 'next' THEN 1 WHEN 'missing' THEN \(missing)
                        WHEN 'gone' THEN \(gone) WHEN 'again' THEN \(again) ELSE 2 END AS way
                FROM (
                    SELECT j.tidemark_key, j.source, j.before, j.deleted, j.change, (\(wins)) AS wins, CASE
                        WHEN target.tidemark_key IS NULL THEN CASE WHEN j.deleted OR j.before IS NULL THEN 'new' ELSE 'missing' END
                        WHEN j.before IS NOT NULL AND NOT j.deleted AND \(isSame("source", "before")) THEN 'idle'
                        WHEN target.tidemark_deleted THEN CASE WHEN j.deleted THEN 'gone' WHEN j.before IS NULL THEN 'again' ELSE 'late' END
                        WHEN \(asIs) THEN 'idle'
                        WHEN j.before IS NOT NULL AND \(isSame("before", "target")) THEN 'next'
                        WHEN j.deleted THEN 'removed' WHEN j.before IS NULL THEN 'both inserted' ELSE 'both updated' END AS situation
                    FROM \(rows(of: folded))))
            """
    }

    var resolving: String {
        let values = names.map { name in
            let column = SQLiteIdentifier.quoted(name)
            let plain = "CASE WHEN j.wins THEN source.\(column) ELSE target.\(column) END"
            return isMerge ? "CASE WHEN j.way = 2 THEN \(merged.value(of: name)) ELSE \(plain) END AS \(column)" : "\(plain) AS \(column)"
        }
        return """
            INSERT INTO \(result) (\(list), tidemark_key, tidemark_deleted, tidemark_standing, tidemark_wins, tidemark_written, tidemark_news, tidemark_change)
            SELECT \(list(of: "r")), r.tidemark_key, r.tidemark_deleted, r.tidemark_standing, r.tidemark_wins,
                NOT (r.tidemark_standing AND r.tidemark_same), NOT r.tidemark_same, r.tidemark_change FROM (SELECT r.*, coalesce(\(isSame("r", "t")), 0) AS tidemark_same FROM (
                SELECT \(values.joined(separator: ", ")), j.tidemark_key, CASE WHEN j.wins THEN j.deleted ELSE target.tidemark_deleted END AS tidemark_deleted,
                    coalesce(NOT target.tidemark_deleted, 0) AS tidemark_standing, j.wins AS tidemark_wins, j.change AS tidemark_change
                FROM \(rows(of: judged)) WHERE j.way <> 0 AND (j.wins OR target.tidemark_key IS NOT NULL)
            ) AS r LEFT JOIN \(standing) AS t ON t.tidemark_key = r.tidemark_key) AS r
            """
    }

    var usesJSON: Bool { merged.usesJSON }

    // MARK: Records

    /// - Parameter: ?1 the origin.
    var recording: String { "\(Self.intoRecord) \(conflicts)" }

    /// Rows that lost a unique value to another one.
    var recordingLosses: String { "\(Self.intoRecord) \(losses)" }

    static let intoRecord = """
        INSERT INTO main.tidemark_conflict (pipeline, at, schema_name, table_name, key, kind, origin, change_id, before, source, target, outcome, strategy, result)
        """

    /// As they are recorded, the first change first.
    /// - `?1`: where the changes were made first, if not in the source.
    var conflicts: String {
        let standingText = "CASE WHEN target.tidemark_key IS NULL OR target.tidemark_deleted THEN NULL ELSE \(imageText(of: "target")) END"
        let outcome = "CASE WHEN r.tidemark_key IS NULL THEN \(standingText) WHEN r.tidemark_deleted THEN NULL ELSE \(imageText(of: "r")) END"
        let plain = "CASE WHEN j.wins THEN 'source' ELSE 'target' END"
        let word = isMerge
            ? """
                CASE WHEN j.way <> 2 THEN \(plain) WHEN r.tidemark_deleted = j.deleted AND \(isSame("r", "source")) THEN 'source'
                    WHEN r.tidemark_deleted = target.tidemark_deleted AND \(isSame("r", "target")) THEN 'target' ELSE 'merged' END
                """
            : plain
        return """
            SELECT \(SQLiteIdentifier.literal(pipeline)), \(Self.now), '', \(tableLiteral), j.tidemark_key, j.kind, ?1, j.change,
                CASE WHEN j.before IS NULL THEN NULL ELSE \(imageText(of: "before")) END,
                CASE WHEN j.deleted THEN NULL ELSE \(imageText(of: "source")) END, \(standingText), \(outcome), \(SQLiteIdentifier.literal(rule.name)), \(word)
            FROM \(rows(of: judged)) LEFT JOIN \(result) AS r ON r.tidemark_key = j.tidemark_key WHERE j.kind IS NOT NULL ORDER BY j.change
            """
    }

    /// The same of rows that lost a unique value.
    var losses: String {
        let text = imageText(of: "r")
        return """
            SELECT \(SQLiteIdentifier.literal(pipeline)), \(Self.now), '', \(tableLiteral), r.tidemark_key, 'unique', ?1,
                coalesce(r.tidemark_change, (SELECT max(change) FROM \(judged))), NULL, CASE WHEN r.tidemark_wins THEN \(text) END,
                CASE WHEN NOT r.tidemark_wins THEN \(text) END, NULL, \(SQLiteIdentifier.literal(rule.name)),
                CASE WHEN r.tidemark_wins THEN 'target' ELSE 'source' END
            FROM \(result) AS r WHERE r.tidemark_lost ORDER BY r.tidemark_key
            """
    }

    // MARK: Writing

    /// Rows that exchange a unique value are removed first. What only the target holds of a row would go with it: such rows are
    /// written over, and can exchange none.
    var removing: String {
        let exchanging = target.hasFurtherUniqueValues && target.ownColumns.isEmpty
        return removing(exchanging ? "tidemark_standing AND (tidemark_deleted OR tidemark_written)" : "tidemark_standing AND tidemark_deleted")
    }

    var removingLosses: String { removing("tidemark_standing AND tidemark_lost") }

    private func removing(_ condition: String) -> String {
        let columns = keys.map(SQLiteIdentifier.quoted).joined(separator: ", ")
        return "DELETE FROM \(target.quotedName) WHERE (\(columns)) IN (SELECT \(columns) FROM \(result) WHERE \(condition))"
    }

    var upserting: String {
        """
        INSERT INTO \(target.quotedName) (\(list)) SELECT \(list) FROM \(result) WHERE tidemark_written AND NOT tidemark_deleted ORDER BY tidemark_key\
        \(target.onConflict)
        """
    }

    var forgettingTombstones: String {
        "DELETE FROM main.tidemark_tombstone WHERE table_name = \(tableLiteral) AND key IN (SELECT tidemark_key FROM \(result) WHERE tidemark_deleted)"
    }

    var keepingTombstones: String {
        """
        INSERT INTO main.tidemark_tombstone (schema_name, table_name, key, image, deleted_at)
        SELECT '', \(tableLiteral), r.tidemark_key, \(imageText(of: "r")), \(Self.now) FROM \(result) AS r WHERE r.tidemark_deleted ORDER BY r.tidemark_key
        """
    }

}
