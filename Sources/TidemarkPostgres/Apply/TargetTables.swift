import TidemarkCore

/// The target's tables, as far as the changes so far have needed them. Confined to one thread.
final class TargetTables {
    let session: PostgresSession
    let context: ApplyContext
    let prepared: PreparedStatements
    let origins: OriginMarks
    /// What the pipeline takes, by the generation that changes carry.
    var captured: [Int32: CapturedTable] = [:]
    private var found: [Int32: TableStatements] = [:]
    /// Captures whose log says of rows that they are new, and the target has them: loaded by somebody else.
    private(set) var preloaded: Set<Int32> = []
    private var converters: [Int32: StorageClassImage] = [:]
    /// Where the last window was stopped by a rule for conflicts.
    var stoppedAt: StoppedConflict?
    /// Those of them that others write to, too.
    var sharedTables: [Int32: SharedTable] = [:]

    init(session: PostgresSession, context: ApplyContext) {
        self.session = session
        self.context = context
        prepared = PreparedStatements(session)
        origins = OriginMarks(session, prepared, context)
    }

    /// The statements of a capture's table.
    func statements(_ capture: Int32) throws -> TableStatements {
        if let known = found[capture], known.captured == captured[capture] { return known }
        guard let table = captured[capture] else {
            throw TidemarkError(
                "a change belongs to no table that is known", pipeline: context.pipeline,
                why: "the change log holds the capture \(capture), and the source's registry does not",
                remedy: "tidemark.capture of the source was altered by hand: restore its row, or set the pipeline up again.")
        }
        let target = try TargetTable(table, in: session, context: context)
        let statements = TableStatements(target, holdsTriggersStill: context.holdsTriggersStill)
        found[capture] = statements
        converters[capture] = table.encoding == .storageClasses ? try StorageClassImage(target, context: context) : nil
        return statements
    }

    func forget() {
        found = [:]
        converters = [:]
        sharedTables = [:]
        prepared.forget()
    }

    func expectRows(in table: CapturedTable) { preloaded.insert(table.capture) }

    func keysCompareByText(_ capture: Int32) -> Bool { found[capture]?.keysCompareByText ?? false }

    /// The page as this database reads it: values of another engine are converted, or refused.
    func readable(_ page: ChangePage) throws -> ChangePage {
        var seen: Set<Int32> = []
        for change in page.changes where seen.insert(change.capture).inserted { _ = try statements(change.capture) }
        guard seen.contains(where: { converters[$0] != nil }) else { return page }
        var converted = ChangePage()
        var (key, image, before): ([UInt8], [UInt8], [UInt8]) = ([], [], [])
        for (index, change) in page.changes.enumerated() {
            let was = page.before(index)
            if let converter = converters[change.capture], change.operation.carriesRow || change.operation == .before {
                try converter.convert(change, of: page, key: &key, image: &image)
                try converter.convert(before: was, change, of: page, into: &before)
            } else {
                key = change.key.map { Array(page.bytes[$0]) } ?? []
                image = change.image.map { Array(page.bytes[$0]) } ?? []
                before = was.map { Array(page.bytes[$0]) } ?? []
            }
            key.withUnsafeBytes { keyBytes in
                image.withUnsafeBytes { imageBytes in
                    before.withUnsafeBytes { beforeBytes in
                        converted.append(
                            id: change.id, capture: change.capture, operation: change.operation,
                            key: change.key == nil ? nil : keyBytes, image: change.image == nil ? nil : imageBytes,
                            transaction: page.transactions.isEmpty ? nil : page.transactions[index],
                            before: was == nil ? nil : beforeBytes, origin: page.origin(index))
                    }
                }
            }
        }
        return converted
    }

    /// Says why a change that carries no row stops the pipeline.
    func refusal(of change: Change, in page: ChangePage) -> TidemarkError {
        let key = change.key.map { String(decoding: page.bytes[$0], as: UTF8.self) }
        let table = captured[change.capture]?.name
        if change.operation == .imageTooLarge {
            return TidemarkError(
                "a row is not in the change log", pipeline: context.pipeline, table: table, key: key, changeID: change.id,
                why: "its image was too large for JSON when it was captured",
                remedy: "Make the row smaller, or leave the table out with --exclude and type: tidemark setup …", isAboutData: true)
        }
        return TidemarkError(
            "a table was altered", pipeline: context.pipeline, table: table, changeID: change.id,
            why: "its columns are no longer those that its capture was made for, so rows written since are not in the log",
            remedy: "Type: tidemark setup …, then tidemark copy --table … --existing empty …")
    }
}

extension Operation {
    /// Does a change of this kind say what a row is, or that it is gone?
    var carriesRow: Bool { self == .insert || self == .update || self == .delete }
}
