import TidemarkBlocking
package import TidemarkCore

/// Rows that were written to a target behind the pipeline's back.
package struct TouchedRows: Sendable {
    /// By table, the keys as the log names them.
    package var keys: [TableName: Set<String>] = [:]
    /// Tables of which it is not known which rows.
    package var whole: Set<TableName> = []

    package init() {}

    package var isEmpty: Bool { keys.isEmpty && whole.isEmpty }
}

extension Pipeline {
    private static let keysPerDeletion = 4_000

    /// Makes rows of the target what the source has, and everything else what the stream brings.
    ///
    /// They go first: what the source has put in their place since, a unique value for one, finds it free. Done again
    /// after an interruption it comes to the same.
    /// - Returns: the place reached.
    package func takeBack(_ touched: TouchedRows, startedAt: String) async throws -> Cursor {
        try await naming {
            let start = try await self.connect(takingOver: true)
            for (name, keys) in touched.keys.sorted(by: { $0.key < $1.key }) where !touched.whole.contains(name) {
                guard let table = try await self.captured(name) else { throw Self.isNotTaken(name, self.settings.name) }
                try await self.delete(keys.sorted(), of: table, at: start)
            }
            var cursor = try await self.runOnce()
            for (name, keys) in touched.keys.sorted(by: { $0.key < $1.key }) where !touched.whole.contains(name) {
                let rows = keys.sorted().map { RowDifference(.missing, key: $0) }
                var done = 0
                cursor = try await self.repair(rows, of: name, planning: false, after: cursor, counting: &done).cursor
            }
            guard !touched.whole.isEmpty else { return cursor }
            var request = VerifyRequest(startedAt: startedAt)
            (request.tables, request.repair) = (touched.whole.sorted(), .apply)
            try await self.verify(request, after: cursor, lag: { (0, 0) }) { _ in }
            return try await self.reload()
        }
    }

    private func captured(_ name: TableName) async throws -> CapturedTable? {
        try await sourceThread.run { source in try source?.capturedTables().last { $0.name == name && !$0.isRetired } }
    }

    private func delete(_ keys: [String], of table: CapturedTable, at cursor: Cursor) async throws {
        for first in stride(from: 0, to: keys.count, by: Self.keysPerDeletion) {
            let some = keys[first..<min(keys.count, first + Self.keysPerDeletion)]
            var page = ChangePage()
            for (place, key) in some.enumerated() {
                var key = key
                key.withUTF8 { bytes in
                    page.append(
                        id: Int64(place + 1), capture: table.capture, operation: .delete, key: UnsafeRawBufferPointer(bytes), image: nil)
                }
            }
            let (changes, rows) = (page, some.map { RowDifference(.extra, key: $0) })
            try await lane(0).load { try $0.repair(rows, of: table, with: changes, at: cursor) }
        }
    }
}
