import TidemarkCore

/// What pages hold of a window, besides its changes: readers that want the same can have the same pages.
struct JointForm: Hashable {
    /// Nil where changes are handed over as they were logged.
    var shaping: TableRules?
    var hasTransactions = false
    var applied = AppliedChanges.leftOut
    var keptBefores: Set<Int32> = []
}

/// A source whose log other pipelines of this process read, too: looks and pages are taken from whoever is at the same place
/// and was there first.
///
/// Another one's look holds for this reader where its own would have found the same: both are at the same place, with the same witness;
/// they read the same running server, or file; and the catalogue is in a state in which this reader's own look has found
/// capture of what it takes whole.
final class JointSource: ChangeSource {
    private let source: any ChangeSource
    private let logs: JointLogs
    private let figures: PipelineMeter
    private var form: JointForm
    private var keepsEveryChange = false
    /// Nil until the first look, and where the engine lets nobody read for another.
    private var membership: (log: JointLog, reader: JointLog.Reader)?
    private var hasAsked = false
    /// The state of the catalogue that an own look has proven, and for what.
    private var proven: (catalog: String, taken: TakenTables)?
    /// What another one's look has found quiet.
    private var quiet: (place: Snapshot, moment: Snapshot)?

    init(_ source: any ChangeSource, in logs: JointLogs, shapedBy rules: TableRules, figures: PipelineMeter) {
        (self.source, self.logs, self.figures) = (source, logs, figures)
        form = JointForm(shaping: rules.isShaping ? rules : nil)
    }

    deinit {
        if let membership { membership.log.leave(membership.reader) }
    }

    private func joined() throws -> (log: JointLog, reader: JointLog.Reader)? {
        if !hasAsked {
            hasAsked = true
            membership = try source.logName().map { name in
                let log = logs.log(named: name)
                return (log, log.enter())
            }
        }
        return membership
    }

    func windows(after cursor: Cursor, taking taken: TakenTables, upTo end: Snapshot?) throws -> [Window] {
        guard end == nil, let (log, reader) = try joined() else { return try source.windows(after: cursor, taking: taken, upTo: end) }
        quiet = nil
        if proven?.taken != taken { proven = nil }
        switch log.turn(of: reader, at: cursor, proven: proven?.catalog) {
        case .follow(let look):
            try source.requireWitness(of: cursor)
            let sequences = try source.sequences(taken.selection, after: cursor, witness: look.witness)
            return look.windows.map { window in
                var window = window
                window.sequences = sequences
                return window
            }
        case .nothing(let moment):
            quiet = moment.map { (cursor.snapshot, $0) }
            return []
        case .look(let landing):
            do {
                if let landing, let windows = try land(at: landing, after: cursor, taking: taken, log, reader) { return windows }
                return try look(after: cursor, taking: taken, log, reader)
            } catch {
                log.fail(reader)
                throw error
            }
        }
    }

    /// To be at the same place as those who are there already. Their witness was committed after that moment, too, and stays as
    /// long as a cursor names it.
    /// - Returns: nil where a look to wherever there is something says more.
    private func land(
        at landing: JointLook, after cursor: Cursor, taking taken: TakenTables, _ log: JointLog, _ reader: JointLog.Reader
    ) throws -> [Window]? {
        guard let there = landing.windows.last else { return nil }
        var windows: [Window]
        do {
            windows = try source.windows(after: cursor, taking: taken, upTo: there.end)
        } catch let failure as TidemarkError where failure.retry != .later {
            return nil
        }
        guard let last = windows.last, last.end == there.end, let catalog = source.provenCatalog else { return nil }
        // A row of the log is one witness, whoever looks; a tick is each look's own.
        if case .change = there.end, last.witness != there.witness { return nil }
        proven = (catalog, taken)
        for index in windows.indices where windows[index].witness == last.witness { windows[index].witness = there.witness }
        (windows[windows.count - 1].heartbeat, windows[windows.count - 1].endedAt) = (there.heartbeat, there.endedAt)
        log.land(windows, of: reader)
        return windows
    }

    private func look(
        after cursor: Cursor, taking taken: TakenTables, _ log: JointLog, _ reader: JointLog.Reader
    ) throws -> [Window] {
        let windows = try source.windows(after: cursor, taking: taken, upTo: nil)
        guard !windows.isEmpty else {
            log.endWithNothing(source.quiet(after: cursor), of: reader)
            return []
        }
        guard let catalog = source.provenCatalog else {
            proven = nil
            log.fail(reader)
            return windows
        }
        proven = (catalog, taken)
        log.end(JointLook(cursor: cursor, windows: windows, catalog: catalog), of: reader)
        return windows
    }

    func read(_ window: Window, captures: [Int32], _ receive: (ChangePage) throws -> Void) throws {
        guard !keepsEveryChange, let (log, reader) = membership else { return try source.read(window, captures: captures, receive) }
        let (key, wanted) = (JointPages.Key(start: window.start, end: window.end, form: form), Set(captures))
        defer { log.finish(key, by: reader) }
        var (number, lastID, waitedMs) = (0, Int64.min, 0)
        while true {
            switch log.step(of: reader, in: key, at: number, taking: wanted, waitedMs: &waitedMs) {
            case .page(let page):
                number += 1
                lastID = max(lastID, page.changes.last?.id ?? lastID)
                let own = page.taking(wanted)
                figures.takeFromOthers(changes: own.changes.count)
                if !own.changes.isEmpty { try receive(own) }
            case .end: return
            case .alone: return try readOn(window, after: lastID, captures: captures, receive)
            case .forAll:
                var isWhole = false
                defer { log.end(key, by: reader, isWhole: isWhole) }
                try readOn(window, after: lastID, captures: captures) { page in
                    log.add(page, to: key, by: reader)
                    try receive(page)
                }
                isWhole = true
                return
            }
        }
    }

    /// The rest of a window, from behind a change.
    private func readOn(_ window: Window, after id: Int64, captures: [Int32], _ receive: (ChangePage) throws -> Void) throws {
        guard id > .min else { return try source.read(window, captures: captures, receive) }
        guard !source.provesWholeWindows else {
            return try source.read(window, captures: captures) { page in
                let rest = page.keeping { $0.id > id }
                if !rest.changes.isEmpty { try receive(rest) }
            }
        }
        var rest = window
        rest.afterID = max(window.afterID, id)
        try source.read(rest, captures: captures, receive)
    }

    func quiet(after cursor: Cursor) -> Snapshot? {
        if let quiet, quiet.place == cursor.snapshot { return quiet.moment }
        return source.quiet(after: cursor)
    }

    func shape(_ rules: TableRules) throws {
        try source.shape(rules)
        form.shaping = rules.isShaping ? rules : nil
    }

    func noteTransactions() {
        source.noteTransactions()
        form.hasTransactions = true
    }

    func follow(_ applied: AppliedChanges) throws {
        try source.follow(applied)
        form.applied = applied
    }

    func keepBefore(of captures: Set<Int32>) throws {
        try source.keepBefore(of: captures)
        form.keptBefores = captures
    }

    func keepEveryChange(_ isWanted: Bool) {
        source.keepEveryChange(isWanted)
        keepsEveryChange = isWanted
    }

    // What each reader does by itself.

    func identity() throws -> String { try source.identity() }
    func logName() throws -> String? { try source.logName() }
    func requireWitness(of cursor: Cursor) throws { try source.requireWitness(of: cursor) }
    var provesWholeWindows: Bool { source.provesWholeWindows }
    var provenCatalog: String? { source.provenCatalog }
    func promotion(since cursor: Cursor) throws -> String? { try source.promotion(since: cursor) }
    func capturedTables() throws -> [CapturedTable] { try source.capturedTables() }
    func selection(of pipeline: String) throws -> TableSelection { try source.selection(of: pipeline) }
    func sequences(_ selection: TableSelection) throws -> [SequenceState] { try source.sequences(selection) }
    func sequences(_ selection: TableSelection, after cursor: Cursor, witness: String) throws -> [SequenceState] {
        try source.sequences(selection, after: cursor, witness: witness)
    }
    func now() throws -> SourceTime { try source.now() }
    func mark() throws { try source.mark() }
    func reach(after cursor: Cursor, within limit: StreamLimit) throws -> StreamReach { try source.reach(after: cursor, within: limit) }
    func heartbeat() throws -> SourceHeartbeat { try source.heartbeat() }
    func confirm(_ cursor: Cursor, of pipeline: String) throws -> LogStanding { try source.confirm(cursor, of: pipeline) }
    func announce(_ waiting: Waiting, of pipeline: String) throws { try source.announce(waiting, of: pipeline) }
    func acknowledge(_ place: Acknowledgement, of pipeline: String) throws { try source.acknowledge(place, of: pipeline) }
}

extension ChangePage {
    /// The changes of these generations.
    fileprivate func taking(_ captures: Set<Int32>) -> ChangePage { keeping { captures.contains($0.capture) } }

    fileprivate func keeping(_ isKept: (Change) -> Bool) -> ChangePage {
        guard !changes.allSatisfy(isKept) else { return self }
        var page = ChangePage()
        for index in changes.indices where isKept(changes[index]) { page.take(index, from: self) }
        return page
    }
}
