package import TidemarkCore

/// What a source that was restored from a backup tells of where its history ends.
extension SQLiteSourceAdministration {
    /// One writer at a time: the last row of the log is the place, exactly. Of that history it is if it still has the row
    /// that the archive's last place before it ends with.
    package func place(among history: [WitnessedPlace]) throws -> WitnessedPlace? {
        try saying("the change log cannot be read", path: path) {
            guard let last = try log.last() else {
                // Nothing was logged yet.
                return try history.first { place in try place.snapshot == .change(0) && place.witness == log.installID() }
            }
            let before = history.last { $0.snapshot.isContained(in: .change(last.id)) }
            guard let before, case .change(let id) = before.snapshot else { return nil }
            let isOfIt = try id == 0 ? before.witness == log.installID() : log.row(id)?.token == before.witness
            return isOfIt ? WitnessedPlace(snapshot: .change(last.id), witness: last.token) : nil
        }
    }

    /// The place is exact.
    package func changes(after place: Snapshot) throws -> HeldChanges { [:] }
}
