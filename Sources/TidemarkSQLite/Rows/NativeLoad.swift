import TidemarkCore

/// Inserts rows in native form.
final class NativeLoad {
    private let database: SQLiteDatabase
    private let rows: TableRows
    private let columns: [String]
    private let count: Int32
    /// One row, and as many as are inserted by one run.
    private let single: SQLiteStatement
    private let several: SQLiteStatement?
    private let together: Int

    /// So many values at most take part in one run. Measured: 500,000 rows of five columns load in 0.35 s row by row,
    /// in 0.25 s so, and in no less with 1,024.
    private static let valuesMax = 256

    init(_ database: SQLiteDatabase, _ rows: TableRows, columns: [String]) throws {
        self.database = database
        self.rows = rows
        self.columns = columns
        count = Int32(columns.count)
        together = Self.valuesMax / max(columns.count, 1)
        let names = try columns.map { name in
            guard let place = rows.captured.columns.firstIndex(where: { $0.name == name }) else {
                throw TidemarkError(
                    "rows cannot be loaded", table: rows.captured.name, why: "capture knows no column \(SQLiteIdentifier.quoted(name))",
                    remedy: "Type: tidemark setup …, and then the command again.")
            }
            return SQLiteIdentifier.quoted(rows.columns[place].name)
        }
        let values = "(\(columns.map { _ in "?" }.joined(separator: ", ")))"
        let insert = "INSERT INTO \(rows.quotedName) (\(names.joined(separator: ", "))) VALUES "
        single = try database.prepare(insert + values)
        several = together > 1
            ? try database.prepare(insert + [String](repeating: values, count: together).joined(separator: ", ")) : nil
    }

    /// - Throws: `RowsExist` where a unique value is there already.
    func take(_ page: NativeRows) throws {
        try page.bytes.withUnsafeBytes { bytes in
            var (place, left) = (0, page.count)
            while left > 0 {
                if let several, left >= together {
                    let start = place
                    for row in 0..<together {
                        place = try bind(bytes, from: place, to: several, at: Int32(row) * count + 1)
                    }
                    do throws(SQLiteFailure) {
                        try several.run()
                    } catch {
                        try insertSingly(bytes, from: start, failing: error)
                    }
                    left -= together
                } else {
                    let start = place
                    place = try bind(bytes, from: place, to: single, at: 1)
                    do throws(SQLiteFailure) { try single.run() } catch { throw try refusal(error, bytes, start) }
                    left -= 1
                }
            }
            guard place == bytes.count else { throw damaged() }
        }
    }

    /// Finds out which of several rows was refused: the run that failed has left none of them.
    private func insertSingly(_ bytes: UnsafeRawBufferPointer, from start: Int, failing failure: SQLiteFailure) throws {
        guard failure.isConstraint, !failure.isUniqueClash else { throw try refusal(failure, bytes, start) }
        var place = start
        for _ in 0..<together {
            let row = place
            place = try bind(bytes, from: place, to: single, at: 1)
            do throws(SQLiteFailure) { try single.run() } catch { throw try refusal(error, bytes, row) }
        }
    }

    @inline(__always)
    private func bind(
        _ bytes: UnsafeRawBufferPointer, from place: Int, to statement: SQLiteStatement, at parameter: Int32
    ) throws -> Int {
        guard let next = statement.bindNative(bytes, from: place, at: parameter, count: count) else { throw damaged() }
        return next
    }

    /// What a row's failure is to the copy, with the row named where it has a key.
    private func refusal(_ failure: SQLiteFailure, _ bytes: UnsafeRawBufferPointer, _ start: Int) throws -> any Error {
        if failure.isUniqueClash { return RowsExist() }
        guard failure.isConstraint else { return failure }
        let values = try database.prepare("SELECT \(columns.map { _ in "?" }.joined(separator: ", "))")
        _ = try bind(bytes, from: start, to: values, at: 1)
        var key: String?
        let places = rows.captured.keyColumns.compactMap { columns.firstIndex(of: $0) }
        if try values.step(), !places.isEmpty, places.count == rows.captured.keyColumns.count {
            let text = RowText(keysOf: rows)
            key = text.text(places.map(values.value))
        }
        return TidemarkError(
            "the target refused a row", table: rows.captured.name, key: key, why: failure.message,
            remedy: "The constraint stands on the target only: drop or relax it there, then type the command again.")
    }

    private func damaged() -> TidemarkError {
        TidemarkError(
            "rows cannot be loaded", table: rows.captured.name, why: "they are not of the form in which a SQLite source sends them",
            remedy: "This is a mistake of tidemark's: report it.")
    }
}
