/// What setup, check, status and teardown do to a source. One connection; every call blocks.
package protocol SourceAdministration: AnyObject {
    /// The user tables of the database that the selection takes, by name.
    func tables(_ selection: TableSelection) throws -> [SourceTable]

    /// The statements that `install` would run now, in their order; nothing is changed.
    func planInstall(_ request: CaptureRequest) throws -> [PlannedStatement]

    /// Makes the log and the registry where they are missing, and touches no table of the user's.
    func installLog() throws

    /// Which database this is, as its cursors name it; nil where the log is not installed.
    func identity() throws -> String?

    /// A place before the first change that capture can log from now on. Nothing is removed from the
    /// log until the pipeline has confirmed its first window.
    func startCursor(of pipeline: String) throws -> Cursor

    /// The tables as they are defined here, in the order of the names given.
    func definitions(of tables: [SourceTable]) throws -> [TableDefinition]

    /// And as the target of a pipeline with these rules has to have them: columns, indexes and foreign keys that are left. They
    /// are given as `shaped` makes them.
    func definitions(of shaped: [SourceTable], as rules: TableRules) throws -> [TableDefinition]

    /// The tables as the target of a pipeline with these rules has them.
    /// - Throws: for a rule that is none for its table.
    func shaped(_ tables: [SourceTable], by rules: TableRules) throws -> [SourceTable]

    /// What is wrong with the rules for these tables: columns that are not there, SQL that is no function of one row.
    func check(_ rules: TableRules, on tables: [SourceTable]) throws -> [Finding]

    /// When and why the pipeline was given up as the log reached its cap; nil where it was not.
    func loss(of pipeline: String) throws -> PipelineLoss?

    /// Removes what the pipeline, whose target is at `cursor`, was the last to need, so that capture may begin again.
    /// A cursor that the source refuses makes none.
    func makeRoom(behind cursor: Cursor, of pipeline: String) throws

    /// Captures what the request selects, renews capture that no longer fits its table, and records
    /// the pipeline and its selection. Twice is a no-op.
    /// - Returns: the tables now captured for the pipeline.
    func install(_ request: CaptureRequest) throws -> [SourceTable]

    /// The application's triggers on these tables, and what else acts on them.
    func surroundings(of tables: [TableName]) throws -> Surroundings

    /// Every pipeline that reads the log here.
    func pipelines() throws -> [String]

    /// What the pipeline was set up with, or nil where the source does not know it.
    func recordedRequest(of pipeline: String) throws -> CaptureRequest?

    /// Everything that would go wrong, or is worth knowing, each with its remedy.
    func check(_ request: CaptureRequest) throws -> [Finding]

    /// Where all sequences stand now that a pipeline with this selection follows: for a switchover, once nobody writes.
    /// - Throws: also for one that cannot be read.
    func sequences(_ selection: TableSelection) throws -> [SequenceState]

    /// Has the sequences of these tables give only the numbers of one site from now on, above all that were given or stored.
    /// Safe to run again, and while others write. How they were is recorded with the pipeline.
    /// - Parameter others: where those stand that give the numbers of the same columns in another database.
    func share(_ sites: SequenceSite, of selection: TableSelection, above others: SequenceFloors, for pipeline: String) throws
    /// The statements that `share` would run now; none where all is so already.
    func planSharing(_ sites: SequenceSite, of selection: TableSelection, above others: SequenceFloors, for pipeline: String) throws -> [PlannedStatement]
    /// Sequences that give numbers of another site, or are about to come to their end.
    func checkSharing(_ sites: SequenceSite, of selection: TableSelection) throws -> [Finding]
    /// Has the sequences count as they did before the pipeline, on from where they stand, unless another one shares them, too.
    func unshare(_ pipeline: String) throws
    func planUnsharing(_ pipeline: String) throws -> [PlannedStatement]

    /// How the log stands for a pipeline whose target is at `cursor`.
    /// - Parameter settledThrough: up to which generation of its capture nothing that passed unseen
    ///   matters to a table any more.
    func status(of pipeline: String, at cursor: Cursor?, settledThrough: [TableName: Int32]) throws -> SourceStatus

    /// Of places in the order of their history, one that this database, which may be a backup that was restored, has come
    /// to: the youngest that can be proven, or the exact one where the engine knows it.
    func place(among history: [WitnessedPlace]) throws -> WitnessedPlace?

    /// Writes a row to the log, in a transaction of its own, that no pipeline takes and every one has to move over: how long
    /// that takes is how long a change takes. It is removed like any other.
    /// - Returns: nil where nothing is logged now, or where the application was writing all the while.
    func writeHeartbeat() throws -> HeartbeatMark?

    /// What the log holds behind a place.
    func changes(after place: Snapshot) throws -> HeldChanges

    /// Now: everything that is committed here is seen from it.
    func moment() throws -> Snapshot

    /// Does the log hold changes that the later moment sees and the earlier one does not? Asked before the pipeline is known
    /// to be given up, or not, it says nothing of one that is.
    /// - Parameter tables: of these tables only; empty for all.
    func isLogged(between earlier: Snapshot, and later: Snapshot, of tables: [TablePattern]) throws -> Bool

    /// The statements that `remove` would run now.
    func planRemoval(of pipeline: String) throws -> [PlannedStatement]

    /// Forgets the pipeline; with the last one, all that tidemark has in the database goes.
    func remove(_ pipeline: String) throws
}

extension SourceAdministration {
    /// Of engines that hand over what they hold.
    package func definitions(of shaped: [SourceTable], as rules: TableRules) throws -> [TableDefinition] {
        guard !rules.isShaping else { throw Unshapeable.error() }
        return try definitions(of: shaped)
    }

    package func shaped(_ tables: [SourceTable], by rules: TableRules) throws -> [SourceTable] {
        guard !rules.isShaping else { throw Unshapeable.error() }
        return tables
    }

    package func check(_ rules: TableRules, on tables: [SourceTable]) throws -> [Finding] {
        guard rules.isShaping else { return [] }
        let error = Unshapeable.error()
        return [Finding(.problem, "\(error.what): \(error.why)", remedy: error.remedy)]
    }
}

/// Who may wait in a database that has roles: at a source for its targets, at a target for what was seen at its source.
package protocol WaitRights: AnyObject {
    /// Those of the roles that there are here.
    func existing(_ roles: [String]) throws -> [String]
    /// What `grant` and `revoke` would run.
    func planWaiting(granting: [String], revoking: [String], of pipeline: String) throws -> [PlannedStatement]
    /// Lets roles call the functions that wait, and none besides. Recorded: a later setup grants what is new.
    func grantWaiting(_ roles: [String], of pipeline: String) throws
    func revokeWaiting(_ roles: [String], of pipeline: String) throws
}

/// What setup, check, status and teardown do to a target. One connection; every call blocks.
package protocol TargetAdministration: AnyObject {
    /// Which source this database is itself, if it is captured as well.
    func identityAsSource() throws -> String?

    func planInstall() throws -> [PlannedStatement]

    /// Makes what keeps the cursors, where it is missing.
    func install() throws

    /// The pipeline's cursor, or nil where there is none.
    func cursor(of pipeline: String) throws -> StoredCursor?

    /// How far the pipeline's tables are copied, and what was found when they were last compared.
    func copies(of pipeline: String) throws -> [TableCopy]
    func proofs(of pipeline: String) throws -> [TableProof]

    /// What is parked of the pipeline.
    func parked(of pipeline: String) throws -> ParkedState

    /// The changes of a parked transaction and those that wait for it, in the order of their ids, behind a change.
    func parkedChanges(of pipeline: String, _ id: Int64, after changeID: Int64, limit: Int) throws -> [KeptChange]

    /// What was done about parked transactions, the newest first.
    func parkedAudit(of pipeline: String, limit: Int) throws -> [SettledTransaction]

    /// Makes what conflicts in these tables are found by: what keeps their deleted rows. Safe to run again; tables of the pipeline
    /// that are none of these are rid of it.
    func prepareConflicts(in tables: [CapturedTable], of pipeline: String) throws
    func planConflicts(in tables: [CapturedTable], of pipeline: String) throws -> [PlannedStatement]
    /// What keeps these tables' rules from being followed here: columns that are not there, keys that have no text of their own, …
    func checkConflicts(in tables: [CapturedTable]) throws -> [Finding]

    /// How many conflicts each table had.
    func conflictCounts(of pipeline: String) throws -> [ConflictCount]
    /// The newest first.
    /// - Parameters:
    ///   - table: of this one only, as the target calls it.
    ///   - id: those before this one, for the next page.
    func conflicts(of pipeline: String, table: TableName?, before id: Int64?, limit: Int) throws -> [Conflict]
    func conflict(_ id: Int64, of pipeline: String) throws -> Conflict?
    /// Writes an image of a conflict as an ordinary write of this database, which its triggers see: every other end gets it.
    func restore(_ image: ConflictImage, of conflict: Conflict, by person: String) throws

    /// Records that tables which are about to be made have to be copied from the first row on, whatever
    /// was known of them.
    func expect(_ copies: [TableCopy], of pipeline: String) throws

    /// What would have to be made here so that the tables are there; empty for those that are.
    /// - Throws: `TidemarkError` for a table that this engine cannot make by itself.
    func creations(of definitions: [TableDefinition]) throws -> [TableCreation]

    /// Runs what comes before a table's rows. What is there already stays as it is.
    func create(_ creation: TableCreation) throws

    /// Places a first cursor; one that is there stays as it is.
    func place(_ cursor: Cursor, of pipeline: String) throws

    /// What keeps the target from holding what the source's tables hold.
    func check(_ tables: [SourceTable]) throws -> [Finding]

    /// What keeps the target's sequences from following these of the source.
    func check(_ sequences: [SequenceState]) throws -> [Finding]

    /// Puts the target's sequences where the source's stand, so that they give next what those would have given. Never
    /// behind what a row of the target has, or the sequence itself has given, in the direction in which it counts.
    /// - Parameter margin: how many values more are taken for given.
    /// - Returns: what could not be set, in words.
    func setSequences(_ states: [SequenceState], margin: Int64) throws -> [String]

    func planRemoval(of pipeline: String) throws -> [PlannedStatement]

    /// Forgets the pipeline; with the last one, all that tidemark has in the database goes.
    func remove(_ pipeline: String) throws
}

extension TargetAdministration {
    /// Of targets that keep no rows.
    package func prepareConflicts(in tables: [CapturedTable], of pipeline: String) throws {
        guard tables.isEmpty else { throw Unresolvable.error() }
    }
    package func planConflicts(in tables: [CapturedTable], of pipeline: String) throws -> [PlannedStatement] { [] }
    package func checkConflicts(in tables: [CapturedTable]) throws -> [Finding] {
        guard !tables.isEmpty else { return [] }
        let error = Unresolvable.error()
        return [Finding(.problem, "\(error.what): \(error.why)", remedy: error.remedy)]
    }
    package func conflictCounts(of pipeline: String) throws -> [ConflictCount] { [] }
    package func conflicts(of pipeline: String, table: TableName?, before id: Int64?, limit: Int) throws -> [Conflict] { [] }
    package func conflict(_ id: Int64, of pipeline: String) throws -> Conflict? { nil }
    package func restore(_ image: ConflictImage, of conflict: Conflict, by person: String) throws { throw Unresolvable.error() }
    package func parked(of pipeline: String) throws -> ParkedState { ParkedState() }
    package func parkedChanges(of pipeline: String, _ id: Int64, after changeID: Int64, limit: Int) throws -> [KeptChange] { [] }
    package func parkedAudit(of pipeline: String, limit: Int) throws -> [SettledTransaction] { [] }
}
