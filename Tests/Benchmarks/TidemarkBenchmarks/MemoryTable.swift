import TidemarkCore
import TidemarkSQLite

/// A table in a database in memory that holds generated rows, and changes that write them again.
final class MemoryTable {
    let database: SQLiteDatabase
    let captured: CapturedTable
    let page: ChangePage
    private let upsert: SQLiteStatement
    private let binder: ImageBinder
    private let scratch = ScratchBytes()

    /// - Parameter encoding: of the changes; those in storage classes are written by SQLite itself, as in capture.
    init(_ kind: RowKind, encoding: ImageEncoding) throws {
        let generated = GeneratedChanges(kind)
        let columns = generated.table.columns
        database = try SQLiteDatabase(path: ":memory:", mode: .create)
        let declared = columns.enumerated().map { "\($1.name) \(Self.declaredType($1.type))\($0 == 0 ? " PRIMARY KEY" : "")" }
        try database.execute("CREATE TABLE t (\(declared.joined(separator: ", ")))")
        upsert = try database.prepare(
            """
            INSERT INTO t VALUES (\(columns.indices.map { "?\($0 + 1)" }.joined(separator: ", ")))
            ON CONFLICT (id) DO UPDATE SET \(columns.dropFirst().map { "\($0.name) = excluded.\($0.name)" }.joined(separator: ", "))
            """)
        let catalogued = try SQLiteCatalog(database).table("t")?.columns ?? []
        let places = zip(columns, catalogued).map { ImageBinder.Column(source: $0, target: $1, isRowID: $0.name == "id") }
        let typed = ImageBinder(places, encoding: .typedText)
        for change in generated.page.changes {
            try Self.bind(change, of: generated.page, typed, upsert, scratch)
            _ = try upsert.step()
            upsert.reset()
        }
        var table = generated.table
        (table.name, table.encoding) = (TableName(schema: nil, name: "t"), encoding)
        captured = table
        binder = ImageBinder(places, encoding: encoding)
        page = encoding == .typedText ? generated.page : try Self.logged(columns.map(\.name), in: database)
    }

    /// Binds the row of one change, and writes nothing.
    func bind(_ number: Int) throws { try Self.bind(page.changes[number], of: page, binder, upsert, scratch) }

    /// Writes the row of one change.
    func write(_ number: Int) throws {
        try bind(number)
        _ = try upsert.step()
        upsert.reset()
    }

    private static func bind(
        _ change: Change, of page: ChangePage, _ binder: ImageBinder, _ statement: SQLiteStatement, _ scratch: ScratchBytes
    ) throws {
        try page.bytes.withUnsafeBufferPointer { bytes in
            try binder.bind(UnsafeBufferPointer(rebasing: bytes[change.image ?? 0..<0]), to: statement, scratch)
        }
    }

    private static func logged(_ columns: [String], in database: SQLiteDatabase) throws -> ChangePage {
        var page = ChangePage()
        let rows = try database.rows("SELECT \(SQLiteEncoding.object(["id"], of: "t")), \(SQLiteEncoding.object(columns, of: "t")) FROM t")
        for (number, row) in rows.enumerated() {
            page.append(id: Int64(number + 1), operation: .update, key: row[0].string ?? "", image: row[1].string)
        }
        return page
    }

    private static func declaredType(_ type: String) -> String {
        switch type {
        case "integer", "bigint", "smallint", "boolean": "INTEGER"
        case "double precision": "REAL"
        case "bytea": "BLOB"
        default: "TEXT"
        }
    }
}
