/// The target of a running pipeline: one connection, confined to one thread; every call blocks.
///
/// Throws `TidemarkError` only. After one that may be retried later, the connection is of no use.
package protocol ChangeTarget: AnyObject {
    /// Takes the pipeline over: raises the epoch, so that an earlier worker's moves fail from now on,
    /// and forgets what stopped that one.
    func takeOver(worker: String) throws -> Cursor

    /// Makes sure that nobody else leads the pipeline: a worker that was stopped for a while, and comes back, would take it from
    /// the one that leads now.
    func requireNoOtherLeader(than worker: String) throws

    /// The cursor as it is, for a process that works on the pipeline beside its worker.
    func cursor() throws -> Cursor

    /// Who was the last to take the pipeline over.
    func lastWorker() throws -> String?

    /// How far the pipeline's tables are copied, once those that are not known yet are recorded as given.
    func copies(expecting missing: [TableCopy]) throws -> [TableCopy]

    /// Keeps what stopped this worker, for `status`. In a transaction of its own, and only while the
    /// worker still holds the pipeline.
    func record(failure: String, epoch: Int64) throws

    /// Puts sequences that are behind the source's where those are, beside any window: before rows that are copied.
    func advance(_ sequences: [SequenceState]) throws

    /// Notes what is known of the source while there is nothing to apply, for a worker that holds the pipeline and a
    /// target that may have to be promoted. Does nothing anywhere else.
    func note(_ heartbeat: SourceHeartbeat, epoch: Int64) throws

    /// Notes, for who waits at the target, that nothing was logged between the cursor and a later moment.
    func note(quietThrough moment: Snapshot, after cursor: Cursor) throws

    /// Applies one window and moves the cursor over it by compare-and-set, in one transaction. Sequences that are behind
    /// are put where the window says before that is committed.
    ///
    /// - Parameters:
    ///   - tables: by the generation that the changes carry.
    ///   - order: how the window's changes meet the tables.
    ///   - faults: for which transactions of the window are parked.
    ///   - nextPage: the window's next page, with what is parked of it, or nil at its end; what it throws rolls back.
    /// - Returns: the cursor as it is in the target now.
    /// - Throws: a `TidemarkError` with `.staged` where the window has to be given again in that order, and
    ///   with `.moved` where another process of the same worker's epoch has moved the cursor.
    func apply(
        _ window: Window, tables: [Int32: CapturedTable], moving cursor: Cursor, order: ApplyOrder,
        parking faults: [ParkedFault], nextPage: () throws -> SplitPage?
    ) throws -> Cursor

    /// Which source this database is itself, if it is captured as well. Where what is applied to it is captured, too, so that it is
    /// passed on, it is marked with the origin that it had.
    func identityAsSource() throws -> String?

    /// Forgets what was kept for conflicts, and can matter no more. Called now and then.
    func forgetSettled() throws

    /// Do two keys of a table name one row of the target exactly if their text is the same? False also where that cannot be said.
    func comparesKeysByText(_ table: CapturedTable) -> Bool

    /// What is parked of the pipeline; nil where the target has no place for it.
    func parkedScope() throws -> ParkedScope?

    /// Applies parked transactions, or gives them up, with those that cannot be told from them, in one transaction, and
    /// raises the cursor's revision: a worker that runs looks anew at what is parked.
    /// - Throws: where they cannot be applied; nothing is changed then.
    func settle(_ settlement: ParkedSettlement) throws -> [SettledTransaction]
}

extension ChangeTarget {
    /// A window of which nothing is parked.
    package func apply(
        _ window: Window, tables: [Int32: CapturedTable], moving cursor: Cursor, order: ApplyOrder,
        nextPage: () throws -> ChangePage?
    ) throws -> Cursor {
        try apply(window, tables: tables, moving: cursor, order: order, parking: []) { try nextPage().map { SplitPage(applied: $0) } }
    }

    /// Of a target that keeps no rows, and refuses none.
    package func parkedScope() throws -> ParkedScope? { nil }
    package func settle(_ settlement: ParkedSettlement) throws -> [SettledTransaction] { throw ParkedSettlement.isUnknown(settlement.ids.first) }

    package func comparesKeysByText(_ table: CapturedTable) -> Bool { false }
}

extension ChangeTarget {
    /// Of engines that have no leases.
    package func requireNoOtherLeader(than worker: String) throws {}

    /// Of engines that are no sources.
    package func identityAsSource() throws -> String? { nil }
    package func forgetSettled() throws {}

    /// Of engines at whose targets nobody waits.
    package func note(quietThrough moment: Snapshot, after cursor: Cursor) throws {}
}

/// How a window's changes meet the target's tables.
package enum ApplyOrder: Sendable {
    /// Page by page: upserts and deletes as they come. The normal form.
    case paged
    /// The whole window is put aside at the target first, then all its deletes and replaced rows are
    /// removed, then the final images inserted: rows that swap a unique value pass (BREAKS F1, F2).
    case staged
}
