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
                return try look(after: cursor, taking: taken, landing: landing, log, reader)
            } catch {
                log.fail(reader)
                throw error
            }
        }
    }

    private func look(
        after cursor: Cursor, taking taken: TakenTables, landing: JointLook?, _ log: JointLog, _ reader: JointLog.Reader
    ) throws -> [Window] {
        var windows = try source.windows(after: cursor, taking: taken, upTo: landing?.windows.last?.end)
        guard let last = windows.last else {
            log.endWithNothing(source.quiet(after: cursor), of: reader)
            return []
        }
        guard let catalog = source.provenCatalog else {
            proven = nil
            log.fail(reader)
            return windows
        }
        proven = (catalog, taken)
        guard let there = landing?.windows.last else {
            log.end(JointLook(cursor: cursor, windows: windows, catalog: catalog), of: reader)
            return windows
        }
        // To be at the same place as those who are there already. Their witness was committed after that moment, too, and stays as
        // long as a cursor names it.
        for index in windows.indices where windows[index].witness == last.witness {
            windows[index].witness = there.witness
            if windows[index].end == there.end { (windows[index].heartbeat, windows[index].endedAt) = (there.heartbeat, there.endedAt) }
        }
        log.land(windows, of: reader)
        return windows
    }

    func read(_ window: Window, captures: [Int32], _ receive: (ChangePage) throws -> Void) throws {
        guard !keepsEveryChange, let (log, reader) = membership else { return try source.read(window, captures: captures, receive) }
        let (key, wanted) = (JointPages.Key(start: window.start, end: window.end, form: form), Set(captures))
        var (number, rest) = (0, window)
        while true {
            switch log.step(of: reader, in: key, at: number, taking: wanted) {
            case .page(let page):
                number += 1
                rest.afterID = max(rest.afterID, page.changes.last?.id ?? 0)
                let own = page.taking(wanted)
                figures.takeFromOthers(changes: own.changes.count)
                if !own.changes.isEmpty { try receive(own) }
            case .end: return
            case .alone: return try source.read(rest, captures: captures, receive)
            case .forAll(let all):
                var isWhole = false
                defer { log.end(key, by: reader, isWhole: isWhole) }
                try source.read(rest, captures: all.sorted()) { page in
                    log.add(page, to: key, by: reader)
                    let own = page.taking(wanted)
                    if !own.changes.isEmpty { try receive(own) }
                }
                isWhole = true
                return
            }
        }
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
    fileprivate func taking(_ captures: Set<Int32>) -> ChangePage {
        guard changes.contains(where: { !captures.contains($0.capture) }) else { return self }
        var page = ChangePage()
        for index in changes.indices where captures.contains(changes[index].capture) { page.take(index, from: self) }
        return page
    }
}
