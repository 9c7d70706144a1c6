import Synchronization
package import TidemarkCore

/// How far copies and comparisons are, for whoever shows it: written by the threads that move the rows.
package final class CopyMeter: Sendable {
    /// One table's figures.
    package struct Reading: Hashable, Sendable {
        package var table: TableName
        package var rows: Int64
        package var bytes: Int64
        /// An estimate; 0 where it is not known.
        package var expectedRows: Int64
        package var isDone: Bool
    }

    private let tables = Mutex<[TableName: Reading]>([:])

    package init() {}

    /// In the order of their names.
    package var readings: [Reading] { tables.withLock { $0.values.sorted { $0.table < $1.table } } }

    func begin(_ table: TableName, rows: Int64, bytes: Int64, expectedRows: Int64) {
        tables.withLock {
            $0[table] = Reading(table: table, rows: rows, bytes: bytes, expectedRows: expectedRows, isDone: false)
        }
    }

    func add(_ table: TableName, rows: Int64, bytes: Int64) {
        tables.withLock {
            $0[table]?.rows += rows
            $0[table]?.bytes += bytes
        }
    }

    func finish(_ table: TableName) { tables.withLock { $0[table]?.isDone = true } }
}
