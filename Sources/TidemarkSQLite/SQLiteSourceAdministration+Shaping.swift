package import TidemarkCore

/// What the target of a pipeline gets of its tables.
extension SQLiteSourceAdministration {
    package func shaped(_ tables: [SourceTable], by rules: TableRules) throws -> [SourceTable] {
        guard rules.isShaping else { return tables }
        return try saying("the tables cannot be shaped", path: path) {
            try tables.map { table in
                switch try TableShapes(database: database, rules: rules).shape(of: table.captured) {
                case .success(let shape): shape.map { SourceTable($0.shaped) } ?? table
                case .failure(let faults): throw faults.first(of: table.name)
                }
            }
        }
    }

    package func check(_ rules: TableRules, on tables: [SourceTable]) throws -> [Finding] {
        guard rules.isShaping else { return [] }
        return try saying("the tables' shapes cannot be checked", path: path) {
            try tables.flatMap { table in
                guard case .failure(let faults) = try TableShapes(database: database, rules: rules).shape(of: table.captured) else { return [Finding]() }
                return faults.all.map { Finding(.problem, table: table.name, $0.why, remedy: $0.remedy) }
            }
        }
    }

    package func definitions(of shaped: [SourceTable], as rules: TableRules) throws -> [TableDefinition] {
        guard rules.isShaping else { return try definitions(of: shaped) }
        return try saying("the tables' definitions cannot be read", path: path) {
            // Everything from one moment.
            try database.transaction("BEGIN") {
                try shaped.map { table in
                    guard let known = try SQLiteCatalog(database).table(table.name.name) else { throw TableDefinitions.gone(table.name) }
                    let own = Self.sourceTable(known)
                    switch try TableShapes(database: database, rules: rules).shape(of: own.captured) {
                    case .success(let shape?): return try ShapedDefinition(shape, of: known, in: database).definition()
                    case .success(nil): return try TableDefinitions(database: database).definition(of: own)
                    case .failure(let faults): throw faults.first(of: table.name)
                    }
                }
            }
        }
    }
}

extension SourceTable {
    /// As capture would log it, were it there.
    fileprivate var captured: CapturedTable {
        CapturedTable(capture: 0, name: name, columns: columns, keyColumns: keyColumns, encoding: encoding)
    }

    fileprivate init(_ captured: CapturedTable) {
        self.init(name: captured.name, columns: captured.columns, keyColumns: captured.keyColumns, encoding: captured.encoding)
        targetName = captured.targetName
    }
}
