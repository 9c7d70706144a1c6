package import TidemarkCore

extension SQLiteTarget {
    package func comparesKeysByText(_ table: CapturedTable) -> Bool {
        do {
            try tables.begin([table.capture: table])
            return try tables.table(table.capture).comparesKeysByText
        } catch {
            return false
        }
    }

    package func parkedScope() throws -> ParkedScope? {
        try saying("what is parked cannot be read", pipeline: pipeline, path: path) {
            let parked = ParkedTables(database: database, pipeline: pipeline)
            return try parked.exist() ? try parked.scope() : nil
        }
    }

    /// Page by page first, as a window; where a page does not fit by itself, as a whole.
    package func settle(_ settlement: ParkedSettlement) throws -> [SettledTransaction] {
        try place?.check(path, role: "target")
        return try saying("parked changes were not settled", pipeline: pipeline, path: path) {
            do {
                return try settle(settlement, .paged)
            } catch let failure as TidemarkError where failure.retry == .staged {
                return try settle(settlement, .staged)
            }
        }
    }

    private func settle(_ settlement: ParkedSettlement, _ order: ApplyOrder) throws -> [SettledTransaction] {
        try database.transaction("BEGIN IMMEDIATE") {
            let parked = ParkedTables(database: database, pipeline: pipeline)
            guard try parked.exist(), let stored = try CursorTable(database).stored(pipeline) else {
                throw ParkedSettlement.isUnknown(settlement.ids.first)
            }
            if let refusal = stored.refusal(of: nil, pipeline: pipeline) { throw refusal }
            let ids = try parked.settledWith(settlement.ids)
            if let missing = settlement.ids.first(where: { !ids.contains($0) }) { throw ParkedSettlement.isUnknown(missing) }
            try marks.begin()
            if settlement.action == .retried { try marks.marking(stored.cursor.source) { try replay(ids, of: parked, order) } }
            let settled = try parked.remove(ids, noting: settlement.action.rawValue, by: settlement.by)
            _ = try database.rows("UPDATE main.tidemark_cursor SET revision = revision + 1 WHERE pipeline = ?", [.string(pipeline)])
            return settled
        }
    }

    private static let changesPerPage = 2_000

    private func replay(_ ids: [Int64], of parked: ParkedTables, _ order: ApplyOrder) throws {
        try tables.begin(try parked.tables())
        let application = try WindowApplication(database, pipeline: pipeline, order: order, tables: tables, staging: staging)
        var last = Int64.min
        while let page = try parked.page(of: ids, after: last, limit: Self.changesPerPage) {
            try application.take(page)
            last = page.changes.last?.id ?? .max
        }
        try application.finish()
    }
}
