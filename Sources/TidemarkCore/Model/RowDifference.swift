/// A row in which source and target differ at one position.
package struct RowDifference: Hashable, Sendable {
    package enum Kind: String, Hashable, Sendable, CaseIterable {
        /// The target lacks it.
        case missing
        /// The target has it, and the source has not.
        case extra
        /// Both have it, with other values.
        case different
    }

    package var kind: Kind
    /// JSON of the key columns; of the whole row where the table has no key.
    package var key: String
    /// Whose values differ; empty unless the kind is `different`.
    package var columns: [String]
    /// How many such rows; more than one only where the table has no key.
    package var count: Int64

    package init(_ kind: Kind, key: String, columns: [String] = [], count: Int64 = 1) {
        (self.kind, self.key, self.columns, self.count) = (kind, key, columns, count)
    }
}

/// Rows folded into a number and their sum, whatever their order.
package struct RowDigest: Hashable, Sendable {
    package var rows: Int64
    package var sum: String

    package init(rows: Int64, sum: String) {
        (self.rows, self.sum) = (rows, sum)
    }
}

/// A row as the comparison of two lists needs it.
package struct RowFingerprint: Hashable, Sendable {
    /// JSON of the key columns, all as strings; of the whole row where the table has no key.
    package var key: String
    /// Of all values, bit for bit.
    package var hash: Int64

    package init(key: String, hash: Int64) {
        (self.key, self.hash) = (key, hash)
    }
}

/// What the last look at a table found. Kept in the target, for `status` and for the next look.
package struct TableProof: Hashable, Sendable {
    package var table: TableName
    /// Where source and target were compared: for a table that took longer than one position was held,
    /// where its last part was.
    package var snapshot: String
    /// The highest change id applied there.
    package var lastID: Int64
    /// When this look began and ended, as the target writes times; nil while it goes on.
    package var startedAt: String?
    package var finishedAt: String?
    /// The key up to which it has come.
    package var comparedThrough: String?
    package var rows: Int64
    package var differences: Int64
    /// How many of the differences were repaired.
    package var repaired: Int64
    /// How many positions it took.
    package var positions: Int64

    package init(_ table: TableName) {
        self.table = table
        (snapshot, lastID, rows, differences, repaired, positions) = ("", 0, 0, 0, 0, 0)
    }
}
