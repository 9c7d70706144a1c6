/// A table as the catalogue describes it.
package struct SQLiteTable: Hashable, Sendable {
    package struct Column: Hashable, Sendable {
        package let name: String
        package let declaredType: String
        package let notNull: Bool
        /// The default as SQL text.
        package let defaultSQL: String?
        /// Place in the primary key from 1; 0 = not in it.
        package let primaryKeyPosition: Int
        /// Computed by the table, stored or virtual; nobody can write it.
        package let isGenerated: Bool

        /// What the column makes of the values that it is given.
        package let affinity: Affinity
    }

    package enum Affinity: Sendable {
        case integer, text, blob, real, numeric

        /// SQLite's rules for a declared type, in their order. ANY is a type only in STRICT tables.
        init(declaredType: String, strict: Bool) {
            let type = declaredType.uppercased()
            if type.contains("INT") {
                self = .integer
            } else if type.contains("CHAR") || type.contains("CLOB") || type.contains("TEXT") {
                self = .text
            } else if type.contains("BLOB") || type.isEmpty || (strict && type == "ANY") {
                self = .blob
            } else if type.contains("REAL") || type.contains("FLOA") || type.contains("DOUB") {
                self = .real
            } else {
                self = .numeric
            }
        }
    }

    package struct Index: Hashable, Sendable {
        package struct Term: Hashable, Sendable {
            /// The column, or nil for an expression.
            package let column: String?
            /// The term as SQL over the table's unqualified columns.
            package let sql: String
            package let collation: String
        }

        package let name: String
        package let isPrimaryKey: Bool
        package let terms: [Term]
        /// The WHERE of a partial index.
        package let predicate: String?
    }

    package struct Key: Hashable, Sendable {
        package let terms: [Index.Term]
        package let isRowID: Bool
        package var columns: [String] { terms.compactMap(\.column) }

        /// Equal under the key's index means equal in storage class and bytes: a row that a write meets there has
        /// the written row's own key.
        func isExact(in table: SQLiteTable) -> Bool {
            terms.allSatisfy { term in
                guard term.collation.uppercased() == "BINARY",
                    let column = table.columns.first(where: { $0.name == term.column })
                else { return false }
                // 1 and 1.0 are equal where the affinity does not make them one.
                return switch column.affinity {
                case .integer, .numeric, .text: true
                case .real, .blob: false
                }
            }
        }
    }

    package let name: String
    package let columns: [Column]
    package let isWithoutRowID: Bool
    package let isStrict: Bool
    package let uniqueIndexes: [Index]
    /// What identifies a row; nil = the whole row.
    package let key: Key?

    /// A name by which the rowid can be read, unless columns have taken all three.
    package var rowIDName: String? {
        guard !isWithoutRowID else { return nil }
        let taken = Set(columns.map { $0.name.lowercased() })
        return ["_rowid_", "rowid", "oid"].first { !taken.contains($0) }
    }
}
