import TidemarkCore

/// How the tables of a source travel, as one pipeline's rules want it.
final class SourceShaping {
    private let database: SQLiteDatabase
    private(set) var rules = TableRules()
    private var known: [CapturedTable: Result<RowShape?, TidemarkError>] = [:]
    private var captured: [Int32: CapturedTable] = [:]

    init(_ database: SQLiteDatabase) { self.database = database }

    func begin(_ rules: TableRules) throws(SQLiteFailure) {
        self.rules = rules
        (known, captured) = ([:], [:])
        // One row of a table at a time is there while its change is shaped.
        if rules.isShaping {
            try database.execute("PRAGMA temp_store = MEMORY")
            try database.addShapingFunctions()
        }
    }

    /// The tables as they travel. One that cannot be shaped stays as it is until its rows are asked for: no pipeline may take it.
    func tables(_ captured: [CapturedTable]) throws(SQLiteFailure) -> [CapturedTable] {
        guard rules.isShaping else { return captured }
        var shaped: [CapturedTable] = []
        for table in captured {
            self.captured[table.capture] = table
            guard case .success(let shape?) = try result(of: table) else {
                shaped.append(table)
                continue
            }
            shaped.append(shape.shaped)
        }
        return shaped
    }

    /// - Returns: nil where the rows travel as they are.
    func shape(of capture: Int32) throws -> RowShape? {
        guard rules.isShaping else { return nil }
        // Setup may have made a generation since the registry was read.
        if captured[capture] == nil { _ = try tables(try CaptureRegistry(database).capturedTables()) }
        guard let table = captured[capture] else { return nil }
        return try result(of: table).get()
    }

    private func result(of table: CapturedTable) throws(SQLiteFailure) -> Result<RowShape?, TidemarkError> {
        if let result = known[table] { return result }
        let result: Result<RowShape?, TidemarkError>
        let shaping = TableShapes(database: database, rules: rules)
        switch try shaping.shape(of: table) {
        case .success(let shape): result = .success(shape)
        case .failure(let faults): result = .failure(faults.first(of: table.name))
        }
        known[table] = result
        return result
    }

    /// With the target's names, by which it finds its own.
    func sequences(_ states: [SequenceState]) -> [SequenceState] {
        guard rules.isShaping else { return states }
        return states.map { state in
            var state = state
            state.identity.columns = state.identity.columns.map { column in
                let names = rules.shaping(of: column.table, having: []).renamedColumns
                let name = names.first { SQLiteIdentifier.folded($0.key) == SQLiteIdentifier.folded(column.column) }?.value ?? column.column
                return SequenceState.Column(rules.target(of: column.table), name)
            }
            return state
        }
    }
}

/// Makes the shapes of tables, and says what keeps one from being made.
struct TableShapes {
    /// One at least.
    struct Faults: Error {
        var all: [ShapeFault]

        func first(of table: TableName) -> TidemarkError {
            guard let first = all.first else { preconditionFailure("a shape without a fault was refused") }
            return first.error(table)
        }
    }

    let database: SQLiteDatabase
    let rules: TableRules

    /// - Returns: nil where the table travels as it is.
    func shape(of table: CapturedTable) throws(SQLiteFailure) -> Result<RowShape?, Faults> {
        let name = rules.target(of: table.name)
        let target = name == table.name ? nil : name
        let names = table.columns.map(\.name)
        let rule = rules.shaping(of: table.name, having: names)
        guard target != nil || !rule.isNone else { return .success(nil) }
        var shaping = rule.spelled(as: names)
        // Of a generation that is over, a column that came later is not missed.
        if table.isRetired { shaping = shaping.restricted(to: names) }
        var faults = shaping.faults(columns: names, key: table.keyColumns).map { ShapeFault($0.why, remedy: $0.remedy) }
            + shaping.furtherFaults(columns: names, key: table.keyColumns)
        var types: [String: String] = [:]
        let like = try LikeTable(table, in: database)
        if shaping.filter != nil || !shaping.expressions.isEmpty {
            let proof = try ShapeProof(like)
            if let filter = shaping.filter, let fault = try proof.fault(ofFilter: filter) { faults.append(fault) }
            for expression in shaping.expressions {
                if let fault = try proof.fault(ofExpression: expression.sql, for: expression.column) {
                    faults.append(fault)
                } else {
                    types[expression.sql] = try proof.type(of: expression.sql)
                }
            }
        }
        guard faults.isEmpty else { return .failure(Faults(all: faults)) }
        let columns = shaping.columns(of: names, key: table.keyColumns).map { Self.column($0, of: table, like, types: types) }
        let key = table.keyColumns.map { shaping.renamedColumns[$0] ?? $0 }
        return .success(RowShape(table, columns: columns, keyColumns: key, filter: shaping.filter, target: target))
    }

    /// What is set instead of a column's own value is what that column would hold of it, unless it says itself what it is.
    private static func column(
        _ column: ShapedColumn, of table: CapturedTable, _ like: LikeTable, types: [String: String]
    ) -> RowShape.Column {
        let place = table.columns.firstIndex { $0.name == column.source }
        guard let sql = column.sql else {
            var captured = place.map { table.columns[$0] } ?? CapturedColumn(name: column.name, type: "")
            captured.name = column.name
            return RowShape.Column(captured: captured, value: .column(place ?? 0))
        }
        if let type = types[sql], !type.isEmpty {
            let affinity = SQLiteTable.Affinity(declaredType: type, strict: false)
            return RowShape.Column(captured: CapturedColumn(name: column.name, type: type), value: .expression(sql, affinity))
        }
        let affinity = place.map { like.columns[$0].affinity } ?? .blob
        let type = place.map { table.columns[$0].type } ?? ""
        return RowShape.Column(captured: CapturedColumn(name: column.name, type: type), value: .expression(sql, affinity))
    }
}
