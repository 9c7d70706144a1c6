/// A place in the history of a source with what proves, in a copy of that source, that it has come to there.
package struct WitnessedPlace: Hashable, Sendable {
    package var snapshot: Snapshot
    package var witness: String

    package init(snapshot: Snapshot, witness: String) { (self.snapshot, self.witness) = (snapshot, witness) }
}

/// Changes that a restored copy of a source holds already, with their transactions where its engine has such.
package typealias HeldChanges = [Int64: UInt64]
