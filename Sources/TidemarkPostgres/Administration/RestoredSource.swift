package import TidemarkCore

/// What a source that was restored from a backup tells of where its history ends.
extension PostgresSourceAdministration {
    private static let placesPerLook = 1000

    /// The witness of a place was committed after it: a backup that has it has everything that the place sees.
    package func place(among history: [WitnessedPlace]) throws -> WitnessedPlace? {
        try reporting("the ticks cannot be read") {
            var end = history.count
            while end > 0 {
                let some = history[max(0, end - Self.placesPerLook)..<end]
                let list = some.map { "\"\($0.witness)\"" }.joined(separator: ",")
                let rows = try session.query(
                    "select token::text from tidemark.tick where token::text in (select json_array_elements_text($1::json))", [.text("[\(list)]")])
                let found = Set((0..<rows.count).compactMap { rows[$0, 0] })
                if let place = some.last(where: { found.contains($0.witness) }) { return place }
                end -= some.count
            }
            return nil
        }
    }

    package func changes(after place: Snapshot) throws -> HeldChanges {
        guard case .transactions(let snapshot) = place else { return [:] }
        return try reporting("the change log cannot be read") {
            let rows = try session.query(
                "select id, xid from tidemark.data_changes where not pg_visible_in_snapshot(xid, $1::pg_snapshot)", [.text(snapshot.description)])
            return Dictionary(
                (0..<rows.count).compactMap { row in
                    guard let id = rows[row, 0].flatMap({ Int64($0) }), let xid = rows[row, 1].flatMap({ UInt64($0) }) else { return nil }
                    return (id, xid)
                }, uniquingKeysWith: { xid, _ in xid })
        }
    }
}
