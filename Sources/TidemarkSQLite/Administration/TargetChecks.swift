import TidemarkCore

/// What keeps a target from holding what the source's tables hold.
struct TargetChecks {
    private let database: SQLiteDatabase

    init(_ database: SQLiteDatabase) { self.database = database }

    func findings(_ source: SourceTable) throws -> [Finding] {
        var captured = CapturedTable(
            capture: 0, name: source.name, columns: source.columns, keyColumns: source.keyColumns, encoding: source.encoding)
        captured.targetName = source.targetName
        let shape = TargetShape(captured, pipeline: nil)
        var found: [Finding] = []
        do {
            let table = try shape.table(in: database)
            for column in source.columns {
                do {
                    found += values(column, in: try shape.column(column, of: table), source)
                } catch let error as TidemarkError {
                    found.append(Finding(error))
                }
            }
            let terms = try shape.keyTerms(of: table)
            if terms.contains(where: { $0.collation.uppercased() != "BINARY" }) {
                found.append(
                    Finding(
                        .warning, table: source.name, "the target's key has a collation of its own: keys that it takes for equal become one row",
                        remedy: "Nothing where the source's key has the same collation; else declare it COLLATE BINARY."))
            }
            let strangers = table.columns.filter { column in
                column.notNull && column.defaultSQL == nil && !column.isGenerated
                    && !source.columns.contains { SQLiteIdentifier.folded($0.name) == SQLiteIdentifier.folded(column.name) }
            }
            for column in strangers {
                found.append(
                    Finding(
                        .problem, table: source.name, "the target's column \(SQLiteIdentifier.quoted(column.name)) is NOT NULL without a default,"
                            + " and the source has no such column",
                        remedy: "Give it a default on the target, or drop it."))
            }
        } catch let error as TidemarkError {
            found.append(Finding(error))
        }
        return found
    }

    /// Columns that would turn values into others, and so stop the pipeline at the first of them.
    private func values(_ column: CapturedColumn, in target: SQLiteTable.Column, _ source: SourceTable) -> [Finding] {
        guard !target.isGenerated else { return [] }
        let why: String?
        switch source.encoding {
        case .storageClasses:
            let same = SQLiteTable.Affinity(declaredType: column.type, strict: false)
            why = same == target.affinity || target.affinity == .blob
                ? nil : "values of type \(column.type.isEmpty ? "(none)" : column.type) may change in a column of type \(target.declaredType)"
        case .typedText:
            why = Self.conflict(of: ImageBinder.Meaning(typedText: column.type), with: target, type: column.type)
        }
        guard let why else { return [] }
        return [
            Finding(
                .warning, table: source.name, "column \(SQLiteIdentifier.quoted(column.name)): \(why): the pipeline stops at the first such value",
                remedy: "Declare the target's column so that it keeps them: TEXT for texts and exact numbers, REAL for floats, no type for anything.")
        ]
    }

    private static func conflict(
        of meaning: ImageBinder.Meaning, with target: SQLiteTable.Column, type: String
    ) -> String? {
        let fits: Bool
        switch meaning {
        case .integer, .boolean: fits = target.affinity != .text && target.affinity != .real
        case .real: fits = target.affinity == .real || target.affinity == .blob
        case .exactNumber: fits = target.affinity == .text || target.affinity == .blob
        case .text: fits = target.affinity == .text || target.affinity == .blob
        case .bytes, .storageClass: fits = true
        }
        return fits ? nil : "a \(type) would be converted by a column of type \(target.declaredType)"
    }
}

extension Finding {
    /// What would stop the pipeline, before it does.
    init(_ error: TidemarkError) {
        self.init(.problem, table: error.table, "\(error.what): \(error.why)", remedy: error.remedy)
    }
}
