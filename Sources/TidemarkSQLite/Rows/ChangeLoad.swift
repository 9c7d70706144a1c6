import TidemarkCore

/// Brings rows that come as changes into one table, through what applies the stream's windows.
struct ChangeLoad {
    private let application: WindowApplication
    private let table: CapturedTable
    private let meetsStrangers: Bool

    /// - Parameter meetsStrangers: may the table hold rows that the source has otherwise? Then a unique value may still
    ///   be with a row that gives it up later in the same load, and all of it is staged first.
    init(
        _ database: SQLiteDatabase, pipeline: String, tables: TargetTables, staging: WindowStaging, _ table: CapturedTable,
        meetsStrangers: Bool
    ) throws {
        self.table = table
        try tables.begin([table.capture: table])
        let target = try tables.table(table.capture)
        self.meetsStrangers = meetsStrangers
        let isStaged = meetsStrangers && target.hasFurtherUniqueValues && target.ownColumns.isEmpty
        application = try WindowApplication(
            database, pipeline: pipeline, order: isStaged ? .staged : .paged, tables: tables, staging: staging)
    }

    func take(_ page: ChangePage) throws { try saying { try application.take(page) } }

    func finish() throws { try saying { try application.finish() } }

    /// Rows that are no part of the log have no change's number, and nobody gives them a second time in another order.
    private func saying(_ body: () throws -> Void) throws {
        do {
            try body()
        } catch {
            guard var said = error as? TidemarkError else { throw error }
            said.changeID = nil
            if said.retry == .staged, meetsStrangers {
                said.retry = .never
                said.remedy = "A row of the target that the source does not have in this form holds the value: find it and"
                    + " remove it, or type: tidemark copy … --existing empty"
            }
            throw said
        }
    }
}
