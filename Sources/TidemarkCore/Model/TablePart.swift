/// Some rows of a table.
///
/// Keys are JSON objects of the key columns in the table's encoding, in which a number may be a string too.
package struct TablePart: Hashable, Sendable {
    package var table: CapturedTable
    /// Rows behind this key, in the order of keys.
    package var after: String?
    /// Rows up to this key, itself included.
    package var through: String?
    /// A condition in the source's SQL, as an operator typed it.
    package var condition: String?
    /// Just the rows with these keys.
    package var keys: [String]?

    package init(_ table: CapturedTable, after: String? = nil, through: String? = nil) {
        (self.table, self.after, self.through) = (table, after, through)
    }

    package init(_ table: CapturedTable, keys: [String]) {
        (self.table, self.keys) = (table, keys)
    }
}

/// In which form rows travel.
package enum RowForm: Hashable, Sendable {
    /// As images, like the stream's, which every target reads.
    case changes
    /// As the engine itself writes these columns, for a target of the same engine.
    case native(columns: [String])
}

/// A bounded piece of the rows that travel.
package enum RowPage: Sendable {
    case changes(ChangePage)
    case native(NativeRows)
}

/// Whole rows as their engine writes them.
package struct NativeRows: Sendable {
    package var bytes: [UInt8] = []
    package var count = 0
    package init() {}
}

extension RowPage {
    package var rowCount: Int {
        switch self {
        case .changes(let page): page.changes.count
        case .native(let rows): rows.count
        }
    }

    package var byteCount: Int {
        switch self {
        case .changes(let page): page.bytes.count
        case .native(let rows): rows.bytes.count
        }
    }
}

/// A source that holds still for its readers.
package struct HeldPosition: Hashable, Sendable {
    package var snapshot: Snapshot
    /// By which another connection sees the same; nil where none can.
    package var share: String?
    /// Every generation of capture, as the registry had them then.
    package var tables: [CapturedTable]

    package init(snapshot: Snapshot, share: String?, tables: [CapturedTable]) {
        (self.snapshot, self.share, self.tables) = (snapshot, share, tables)
    }
}

/// How large a table is, by the engine's own estimate.
package struct TableSize: Hashable, Sendable {
    package var rows: Int64
    package var bytes: Int64

    package init(rows: Int64, bytes: Int64) {
        (self.rows, self.bytes) = (rows, bytes)
    }
}
