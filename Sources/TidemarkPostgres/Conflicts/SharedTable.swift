import TidemarkCore

/// A table of the target that others write to as well, with what becomes of conflicts in it.
struct SharedTable {
    let target: TargetTable
    let rule: ConflictRule
    let session: PostgresSession
    let context: ApplyContext
    let rows: SharedRows
    /// By which rows with different keys can be in each other's way.
    let uniqueIndexes: [UniqueIndex]
    /// The names of those that other columns than the replicated ones take part in: what violates them stops the pipeline.
    let unsettledIndexes: Set<String>

    var captured: CapturedTable { target.captured }
    var name: TableName { captured.atTarget }

    /// - Throws: where its conflicts cannot be found or settled here.
    init(_ statements: TableStatements, in session: PostgresSession, context: ApplyContext) throws {
        target = statements.target
        (self.session, self.context) = (session, context)
        rule = target.captured.conflicts ?? ConflictRule(.stop)
        rows = try SharedRows(target, in: session)
        let indexes = try UniqueIndex.all(of: target, in: session)
        uniqueIndexes = indexes.filter { !$0.isForeign }
        unsettledIndexes = Set(indexes.filter(\.isForeign).map(\.name))
        guard context.holdsTriggersStill else { throw holdsNothingStill() }
        guard !captured.keyColumns.isEmpty, statements.keysCompareByText else { throw hasNoSuchKey() }
        let known = Set(target.written.map(\.name))
        let missing = rule.namedColumns.filter { !known.contains($0) }.sorted()
        guard missing.isEmpty else { throw lacksColumns(missing) }
        for column in target.written.sorted(by: { $0.name < $1.name }) where rule.orderColumns.contains(column.name) {
            switch column.growth {
            case .moment, .number: continue
            case .text: guard column.name == rule.versionColumn else { continue }
            case .identifier, .none: break
            }
            throw saysNoOrder(column)
        }
        for (column, strategy) in rule.columns.sorted(by: { $0.key < $1.key }) {
            guard case .json = strategy, let type = target.written.first(where: { $0.name == column }) else { continue }
            guard type.isJSON || type.isText else { throw isNoJSON(type) }
        }
    }

    private func error(_ what: String, _ why: String, _ remedy: String) -> TidemarkError {
        TidemarkError(what, pipeline: context.pipeline, table: captured.name, why: why, remedy: remedy)
    }

    private func holdsNothingStill() -> TidemarkError {
        error(
            "conflicts cannot be settled here",
            "the role may not set session_replication_role, and the target's triggers and foreign keys would act on what is settled",
            "\(context.grantOfReplicaRole) then type: tidemark run …")
    }

    private func hasNoSuchKey() -> TidemarkError {
        let types = target.keys.map { "\($0.quoted) \($0.type)" }.joined(separator: ", ")
        return error(
            "conflicts cannot be settled in this table",
            types.isEmpty ? "it has no key" : "its key (\(types)) can write one value in several ways",
            "Give it a key of integers, texts, uuids, dates or times on both sides, or take its conflict: out of the configuration.")
    }

    private func lacksColumns(_ names: [String]) -> TidemarkError {
        let list = names.map(PostgresIdentifier.quoted).joined(separator: ", ")
        return error(
            "the rule for conflicts names columns that the table has not", "\(PostgresIdentifier.quoted(name)) has no \(list) that is replicated",
            "Correct conflict: of the table, or add the column on both sides and type: tidemark setup …")
    }

    private func saysNoOrder(_ column: TargetColumn) -> TidemarkError {
        let isVersion = column.name == rule.versionColumn
        return error(
            "the rule for conflicts goes by a column that does not say which row is the \(isVersion ? "higher version" : "later one")",
            "\(column.quoted) is \(column.type)" + (column.growth == .text ? ", in which 10 comes before 9" : ""),
            "Name a column of \(isVersion ? "numbers" : "times or numbers") that grows with each write, or another rule.")
    }

    private func isNoJSON(_ column: TargetColumn) -> TidemarkError {
        error(
            "the rule for conflicts merges a column as JSON that is none", "\(column.quoted) is \(column.type)",
            "Name another rule for the column, or type on the target: alter table \(PostgresIdentifier.quoted(name))"
                + " alter column \(column.quoted) type jsonb using \(column.quoted)::jsonb;")
    }

    func truncated(_ changeID: Int64) -> TidemarkError { ConflictRule.truncated(captured.name, pipeline: context.pipeline, changeID: changeID) }

    /// A conflict that the rule stops at, or rows that changed under the window.
    func stopped(at conflict: StoppedConflict) -> TidemarkError {
        TidemarkError(
            "a conflict stops the pipeline", pipeline: context.pipeline, table: captured.name, key: conflict.key, changeID: conflict.changeID,
            why: "both ends changed the row, neither knowing of the other (\(conflict.kind)), and the table's rule is conflict: stop",
            remedy: ConflictRule.stopRemedy(pipeline: context.pipeline), isAboutData: true)
    }

    func changedMeanwhile() -> TidemarkError {
        TidemarkError(
            "rows of the target changed while they were compared", pipeline: context.pipeline, table: captured.name,
            why: "somebody else wrote them after they had been looked at", remedy: "Nothing to do: the window is applied again.", retry: .later)
    }
}

extension TargetTables {
    /// A table with a rule for conflicts.
    func shared(_ capture: Int32) throws -> SharedTable {
        let statements = try statements(capture)
        if let known = sharedTables[capture], known.captured == statements.captured { return known }
        let table = try SharedTable(statements, in: session, context: context)
        sharedTables[capture] = table
        return table
    }
}

extension TargetColumn {
    /// Texts are compared bytewise, so that all ends do it alike.
    var isText: Bool { ["text", "character varying", "character", "bpchar", "name"].contains(baseType.split(separator: "(").first.map(String.init) ?? "") }
}
