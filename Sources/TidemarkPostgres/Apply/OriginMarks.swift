import TidemarkCore

/// Says, in a target whose capture takes what is applied to it, where the rows were made first that a transaction writes: before
/// it writes them, and for each run of one origin. Does nothing in any other target. Confined to one thread.
final class OriginMarks {
    private let session: PostgresSession
    private let prepared: PreparedStatements
    private let context: ApplyContext
    /// Where what has no origin of its own was made: the pipeline's source.
    private var source: String?
    /// What the transaction at hand has said last.
    private var marked: String?
    /// Which source the database is itself, once it is one.
    private var identity: String?
    private var hasLooked = false

    /// Has each run of changes to be marked?
    var areWanted: Bool { context.marksOrigins }

    init(_ session: PostgresSession, _ prepared: PreparedStatements, _ context: ApplyContext) {
        (self.session, self.prepared, self.context) = (session, prepared, context)
    }

    /// A transaction begins, which applies changes of this source; nothing is said in it yet.
    func begin(source: String) { (self.source, marked, hasLooked) = (source, nil, identity != nil) }

    /// - Parameter origin: of what is written from now on; nil for the pipeline's source.
    func mark(origin: String?) throws {
        guard areWanted, let source else { return }
        try mark(AppliedOrigin.text(origin, from: source))
    }

    /// What `body` writes was decided here: other ends are told, also the one that brought what it was decided over.
    func markingOwn(_ body: () throws -> Void) throws {
        guard areWanted, let before = marked else { return try body() }
        try mark(AppliedOrigin.own)
        try body()
        try mark(before)
    }

    private func mark(_ text: String) throws {
        guard text != marked else { return }
        do {
            try prepared.query("select tidemark.mark_applied($1)", [.text(text)])
        } catch {
            throw fault(error)
        }
        marked = text
    }

    /// Looked for once in a transaction, until it is known.
    func ownIdentity() throws -> String? {
        if !hasLooked { (identity, hasLooked) = (try SourceIdentity.ifInstalled(in: session), true) }
        return identity
    }

    /// Changes that were first made here come back only where the pipeline began before the database was a source itself, and
    /// does not know yet what to leave out.
    /// - Parameters:
    ///   - tables: where those that others write to leave them out themselves.
    ///   - settle: waits for what the server still works on.
    func refuseOwn(in page: ChangePage, of tables: [Int32: CapturedTable], settling settle: () throws -> Void) throws {
        func isConcerned(_ index: Int) -> Bool { page.origin(index) != nil && tables[page.changes[index].capture]?.conflicts == nil }
        guard page.changes.indices.contains(where: isConcerned) else { return }
        if !hasLooked { try settle() }
        guard let identity = try ownIdentity(), let index = page.changes.indices.first(where: { isConcerned($0) && page.origin($0) == identity }) else { return }
        throw TidemarkError(
            "a change came back to where it was made", pipeline: context.pipeline, changeID: page.changes[index].id,
            why: "the target has become a source since the pipeline began", remedy: "Nothing to do: the worker looks again.", retry: .later)
    }

    private func fault(_ failure: PostgresFailure) -> any Error {
        switch failure.sqlState {
        case "42501":
            TidemarkError(
                "the origin of changes cannot be noted", pipeline: context.pipeline,
                why: "capture of the target passes on what is applied to it, and the role may not say where that comes from",
                remedy: "Type on the target: grant execute on function tidemark.mark_applied(text) to \(PostgresIdentifier.quoted(context.role));")
        case "42883", "42P01", "3F000":
            TidemarkError(
                "the origin of changes cannot be noted", pipeline: context.pipeline, why: "capture was just removed from the target",
                remedy: "Nothing to do: the worker looks again.", retry: .later)
        default: failure
        }
    }
}
