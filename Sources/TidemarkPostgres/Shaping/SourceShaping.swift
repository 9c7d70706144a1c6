import TidemarkCore

/// The source's tables as a pipeline's target gets them. Confined to one thread.
final class SourceShaping {
    private let session: PostgresSession
    private var rules = TableRules()
    private var found: [CapturedTable: ShapedTable] = [:]
    /// Tables that no rule fits; each is asked for once, since a statement that fails ends a transaction.
    private var unfit: [CapturedTable: TidemarkError] = [:]
    private var faults: [Int32: TidemarkError] = [:]
    /// As the registry has them, by capture.
    private var registered: [Int32: CapturedTable] = [:]

    init(_ session: PostgresSession) { self.session = session }

    func follow(_ rules: TableRules) {
        self.rules = rules
        (found, unfit, faults, registered) = ([:], [:], [:], [:])
    }

    /// Before a transaction: what no rule fits is found out by statements that fail.
    func prepare() throws {
        if rules.isShaping, try CaptureRegistry.isInstalled(in: session) { _ = try shaped(try CaptureRegistry.tables(in: session)) }
    }

    /// Tables of the registry as the target gets them. One that no rule fits is left as it is: it may be none of the pipeline's.
    func shaped(_ tables: [CapturedTable]) throws -> [CapturedTable] {
        guard rules.isShaping else { return tables }
        registered = Dictionary(tables.map { ($0.capture, $0) }, uniquingKeysWith: { first, _ in first })
        return try tables.map { table in
            do {
                return try shape(of: table).table
            } catch let fault as TidemarkError where fault.retry == .never {
                faults[table.capture] = fault
                return table
            }
        }
    }

    /// Those of these captures whose rows are not read as they are.
    func changed(_ captures: [Int32]) throws -> [ShapedTable] {
        guard rules.isShaping else { return [] }
        return try captures.compactMap { capture in
            if let fault = faults[capture] { throw fault }
            guard let table = try table(capture) else { return nil }
            let shape = try shape(of: table)
            return shape.leavesRows ? nil : shape
        }
    }

    /// Nil for a table whose rows are read as they are.
    func changed(_ table: CapturedTable) throws -> ShapedTable? { try changed([table.capture]).first }

    private func table(_ capture: Int32) throws -> CapturedTable? {
        // A reader that shares another one's position has not asked the registry.
        if registered.isEmpty { _ = try shaped(try CaptureRegistry.tables(in: session)) }
        if let fault = faults[capture] { throw fault }
        return registered[capture]
    }

    private func shape(of table: CapturedTable) throws -> ShapedTable {
        if let known = found[table] { return known }
        if let fault = unfit[table] { throw fault }
        do {
            let shape = try ShapedTable(table, by: rules, in: session)
            found[table] = shape
            return shape
        } catch {
            guard let fault = (error as? TidemarkError) ?? (error as? PostgresFailure)?.reported("a table cannot be shaped"), fault.retry == .never else { throw error }
            var named = fault
            named.table = table.name
            unfit[table] = named
            throw named
        }
    }
}
