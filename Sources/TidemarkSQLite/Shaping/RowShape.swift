import TidemarkCore

/// What becomes of the rows of one generation of a table's capture on their way.
struct RowShape {
    /// Of the shaped row.
    struct Column {
        var captured: CapturedColumn
        var value: Value
    }

    enum Value {
        /// As it is, of the column in this place of the generation's.
        case column(Int)
        /// What a column with that affinity holds when it is given this.
        case expression(String, SQLiteTable.Affinity)
    }

    /// As capture logs it.
    let captured: CapturedTable
    /// As it travels.
    let shaped: CapturedTable
    let filter: String?
    private(set) var values: [Value]

    init(_ captured: CapturedTable, columns: [Column], keyColumns: [String], filter: String?, target: TableName?) {
        (self.captured, self.filter, values) = (captured, filter, columns.map(\.value))
        var shaped = captured
        (shaped.columns, shaped.keyColumns, shaped.targetName) = (columns.map(\.captured), keyColumns, target)
        self.shaped = shaped
    }

    /// Do keys and images travel as they are logged?
    var passesRows: Bool { filter == nil && shaped.columns == captured.columns && values.allSatisfy(\.isColumn) }

    /// The shaped row's values as SQL, of a table with that name and the source's columns.
    /// - Parameter names: of the generation's columns as they are called there.
    func expressions(in table: String, columns names: [String]) -> [String] {
        values.map { value in
            switch value {
            case .column(let place): "\(SQLiteIdentifier.quoted(table)).\(SQLiteIdentifier.quoted(names[place]))"
            // On a line of its own, so that a comment in it does not hide what follows.
            case .expression(let sql, let affinity): StoredFunction.call("(\(sql)\n)", affinity)
            }
        }
    }

    /// The columns of the shaped row.
    /// - Parameter own: the generation's, as the table has them.
    func columns(among own: [SQLiteTable.Column]) -> [SQLiteTable.Column] {
        zip(shaped.columns, values).map { column, value in
            switch value {
            case .column(let place): return own[place]
            case .expression(_, let affinity):
                return SQLiteTable.Column(
                    name: column.name, declaredType: column.type, notNull: false, defaultSQL: nil, primaryKeyPosition: 0, isGenerated: false,
                    affinity: affinity)
            }
        }
    }

    /// As a condition of a WHERE; nil where all rows travel.
    var condition: String? { filter.map { "(\($0)\n)" } }
}

extension RowShape.Value {
    var isColumn: Bool {
        if case .column = self { return true }
        return false
    }
}
