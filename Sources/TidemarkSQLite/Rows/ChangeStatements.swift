import TidemarkCore

/// Changes as SQL text with values, for a person to read and run.
struct ChangeStatements {
    private let database: SQLiteDatabase
    private let table: TargetTable
    private let pipeline: String
    private let scratch = ScratchBytes()

    init(_ database: SQLiteDatabase, _ table: TargetTable, pipeline: String) {
        self.database = database
        self.table = table
        self.pipeline = pipeline
    }

    func statements(for page: ChangePage) throws -> [String] {
        let isKeyed = !table.captured.keyColumns.isEmpty
        return try page.bytes.withUnsafeBufferPointer { bytes in
            let applied = AppliedPage(page: page, bytes: bytes)
            return try page.changes.indices.compactMap { index in
                switch page.changes[index].operation {
                case .delete where isKeyed:
                    return try text(table.statement(.delete), applied.key(index), table.key, applied, index)
                case .delete:
                    return try text(table.statement(.deleteWholeRows), applied.image(index), table.image, applied, index, count: 1)
                case .insert, .update:
                    return try text(table.statement(isKeyed ? .upsert : .insert), applied.image(index), table.image, applied, index)
                case .truncate, .shapeChanged, .imageTooLarge, .before: return nil
                }
            }
        }
    }

    private func text(
        _ statement: SQLiteStatement, _ json: UnsafeBufferPointer<UInt8>, _ binder: ImageBinder, _ page: AppliedPage,
        _ index: Int, count: Int64? = nil
    ) throws -> String {
        // The binder fills a statement that does nothing but give the values back.
        let places = Int(binder.valueCount)
        let values = try database.prepare(GivenRow.sql(columns: places))
        do {
            try binder.bind(json, to: values, scratch)
        } catch {
            throw ApplyFault(pipeline: pipeline, table: table.captured.name, key: page.keyText(index))
                .error(for: error, order: .staged)
        }
        _ = try values.step()
        var row = Array(values.row().prefix(places))
        if let count { row.append(.integer(count)) }
        return SQLLiteral.filled(statement.sql, row) + ";"
    }
}

/// Values as SQL text. SQLite's own way to write a statement with its values cuts texts at a NUL and reals at fifteen
/// digits.
enum SQLLiteral {
    static func text(_ value: SQLiteValue) -> String {
        switch value {
        case .null: "NULL"
        case .integer(let number): String(number)
        case .real(let number): number.isFinite ? "\(number)" : number > 0 ? "9e999" : "-9e999"
        case .blob(let bytes): "x'\(RowText.hex(bytes))'"
        case .text(let bytes):
            if !bytes.contains(0), let text = String(validating: bytes, as: UTF8.self) {
                SQLiteIdentifier.literal(text)
            } else {
                "CAST(x'\(RowText.hex(bytes))' AS TEXT)"
            }
        }
    }

    /// A statement with each numbered parameter replaced; quoted names are left as they are.
    static func filled(_ sql: String, _ values: [SQLiteValue]) -> String {
        var result = String.UnicodeScalarView()
        var rest = Substring.UnicodeScalarView(sql.unicodeScalars)
        var quote: Unicode.Scalar?
        while let scalar = rest.popFirst() {
            if let open = quote {
                if scalar == open { quote = nil }
            } else if scalar == "\"" || scalar == "'" {
                quote = scalar
            } else if scalar == "?" {
                let digits = rest.prefix { ("0"..."9").contains($0) }
                rest = rest.dropFirst(digits.count)
                let place = Int(String(String.UnicodeScalarView(digits))) ?? 0
                if values.indices.contains(place - 1) { result.append(contentsOf: text(values[place - 1]).unicodeScalars) }
                continue
            }
            result.append(scalar)
        }
        return String(result)
    }
}
