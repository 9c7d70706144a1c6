/// The source of a running pipeline: one connection, confined to one thread; every call blocks.
///
/// Throws `TidemarkError` only. After one that may be retried later, the connection is of no use.
package protocol ChangeSource: AnyObject {
    /// Which database this is. A restored dump, a clone or another server differs.
    func identity() throws -> String

    /// Was another server promoted in the place of the one that the cursor's witness was written on? In words for the log;
    /// nil where nothing has changed. That it has what the target saw, `windows` makes sure.
    func promotion(since cursor: Cursor) throws -> String?

    /// Has tables, keys and images be as the target wants them from now on: columns, names and rows as the rules say.
    /// - Throws: where the engine cannot.
    func shape(_ rules: TableRules) throws

    /// The generations of capture that rows of the log may carry, current and retired ones.
    func capturedTables() throws -> [CapturedTable]

    /// Which tables setup recorded for the pipeline. Setup records them before it captures the first
    /// of them, so what is read after a window's end was taken covers every change of the window.
    ///
    /// - Throws: if the pipeline was given up as the log reached its cap; and so does, once this was asked, whatever
    ///   would read a log that may lack what the pipeline needs.
    func selection(of pipeline: String) throws -> TableSelection

    /// Cuts what was committed after the cursor into windows of whole transactions, in order, each
    /// beginning where the one before ends. Empty where there is nothing.
    ///
    /// Before it returns, a witness of all of them is durable in the source.
    /// - Parameters:
    ///   - taken: the tables of the pipeline; what happens to others is no concern of its.
    ///   - end: where the last window has to end; nil for as far as there is anything.
    /// - Throws: if the cursor's own witness is gone, or if rows of a table may have passed capture unseen.
    func windows(after cursor: Cursor, taking taken: TakenTables, upTo end: Snapshot?) throws -> [Window]

    /// Where the sequences stand that a pipeline with this selection follows. What cannot be read just now is left out.
    func sequences(_ selection: TableSelection) throws -> [SequenceState]

    /// Those of them that the target may not know so, for windows that another connection to the same log has found.
    /// - Parameters:
    ///   - cursor: where the windows begin.
    ///   - witness: of the last of them.
    func sequences(_ selection: TableSelection, after cursor: Cursor, witness: String) throws -> [SequenceState]

    /// Which log is read. Two connections with one name read the same at any moment: it names the running server and the database, or
    /// the file. Nil where none may read for another.
    func logName() throws -> String?

    /// - Throws: where the source does not have any more what the cursor saw.
    func requireWitness(of cursor: Cursor) throws

    /// Does only the reading of a window from its beginning prove that nothing is missing from it, or tell what rows were before?
    var provesWholeWindows: Bool { get }

    /// The state of the catalogue in which the last windows were found whole: as long as it is the same, there is nothing
    /// to be refused. Equal texts of two connections to one log mean the same state; nil where none was found whole.
    var provenCatalog: String? { get }

    /// The source's clock.
    func now() throws -> SourceTime

    /// Makes this moment one at which windows may end, if anything was committed since the last one.
    func mark() throws

    /// The youngest marked moment after the cursor that lies within the limit, whose place is fixed to the clock.
    /// - Throws: where the cursor is beyond the limit's place already.
    func reach(after cursor: Cursor, within limit: StreamLimit) throws -> StreamReach

    /// The highest change id drawn so far, and the source's clock.
    func heartbeat() throws -> SourceHeartbeat

    /// Hands over a window's changes in pages, in the order of their ids.
    /// - Parameters:
    ///   - captures: the generations that the pipeline takes; rows of others are left out.
    ///   - receive: takes the next page; what it throws ends the reading and is thrown on.
    func read(_ window: Window, captures: [Int32], _ receive: (ChangePage) throws -> Void) throws

    /// Lets pages tell the transaction of each change from now on, where the engine notes such.
    func noteTransactions()

    /// Says what becomes of changes that tidemark applied here itself; left out unless said. Pages tell the origin of those that
    /// are taken. What was first made in the database that it would go to may be handed over all the same where pages hold what rows
    /// were before: later changes of its transaction were made from it.
    func follow(_ applied: AppliedChanges) throws

    /// Has pages hold every change of these generations, with its transaction, and what its row was before: as `before` of a
    /// change, or of one that has nothing else to say. The first change of a row in a transaction has it, or a later one of
    /// the same; where none has, there was no such row.
    /// - Throws: where the generations' capture does not log that.
    func keepBefore(of captures: Set<Int32>) throws

    /// Has pages tell the transaction of each change, where the engine notes such, and hold each change of a row, also those
    /// that later ones replace; until it is switched off again.
    func keepEveryChange(_ isWanted: Bool)

    /// Tells the source how far a pipeline is durable in its target, and removes from the log what
    /// every pipeline has and nobody wants kept. Called now and then; a call missed costs space, not data.
    /// - Returns: how the log stands to its cap then, which is enforced here too.
    func confirm(_ cursor: Cursor, of pipeline: String) throws -> LogStanding

    /// Notes what those who wait at the source go by, for a worker that holds the pipeline.
    func announce(_ waiting: Waiting, of pipeline: String) throws

    /// Tells those who wait at the source how far the target is. Removes nothing: called after each window, it has to cost little.
    func acknowledge(_ place: Acknowledgement, of pipeline: String) throws

    /// A later moment than the cursor's, of which the last look has shown that nothing was logged between the two; nil where
    /// nothing is known.
    func quiet(after cursor: Cursor) -> Snapshot?
}

extension ChangeSource {
    /// Of engines that have no standbys.
    package func promotion(since cursor: Cursor) throws -> String? { nil }

    /// Of engines that hand over what they hold.
    package func shape(_ rules: TableRules) throws {
        guard !rules.isShaping else { throw Unshapeable.error() }
    }

    /// Of engines at whose sources nobody waits.
    package func announce(_ waiting: Waiting, of pipeline: String) throws {}
    package func acknowledge(_ place: Acknowledgement, of pipeline: String) throws {}
    package func quiet(after cursor: Cursor) -> Snapshot? { nil }

    /// Of engines whose logs each connection reads by itself.
    package func logName() throws -> String? { nil }
    package var provenCatalog: String? { nil }
    package var provesWholeWindows: Bool { true }
    package func requireWitness(of cursor: Cursor) throws {}
    package func sequences(_ selection: TableSelection, after cursor: Cursor, witness: String) throws -> [SequenceState] { try sequences(selection) }

    /// Of engines that nothing is applied to.
    package func follow(_ applied: AppliedChanges) throws {}
    package func keepBefore(of captures: Set<Int32>) throws {
        guard captures.isEmpty else { throw Unresolvable.error() }
    }

    /// Of engines that note none.
    package func noteTransactions() {}
    package func keepEveryChange(_ isWanted: Bool) {}
}

enum Unresolvable {
    static func error() -> TidemarkError {
        TidemarkError(
            "conflicts cannot be settled on this way", why: "one of its ends is no database",
            remedy: "Take conflict: out of the pipeline's tables.")
    }
}
