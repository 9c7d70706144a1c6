package import TidemarkCore

/// Reads an archive's windows, as they would be read from the source that they are of.
package final class ArchiveSource: ChangeSource {
    private let directory: ArchiveDirectory
    private let start: ManifestStart
    private let archived: [ArchivedWindow]
    /// The moments between windows: the place before the first, then the end of each.
    private let places: [Snapshot]
    /// The source's clock when the last window was archived.
    private let archivedUntil: SourceTime?
    /// Changes that the target holds already, as it is a backup of the source itself.
    private let held: HeldChanges
    private var inspected: Set<Int> = []
    private var tables: [Int32: CapturedTable] = [:]
    /// By the window whose file tells them.
    private var sequences: [Int: [SequenceState]] = [:]

    /// Windows handed out at once.
    private static let windowsMax = 256

    /// - Throws: where the manifest is not what was written.
    package init(path: String, holding held: HeldChanges = [:]) throws {
        let directory = ArchiveDirectory(path: path)
        let (manifest, state) = try reporting("the archive cannot be read") {
            let state = try directory.state()
            return (try directory.manifest(for: state), state)
        }
        (self.directory, self.held, start, archived) = (directory, held, manifest.start, manifest.windows)
        places = try ([manifest.start.snapshot] + manifest.windows.map(\.end)).map { text in
            guard let place = Snapshot(text) else { throw ArchiveFault.error(directory.manifestPath, why: "“\(text)” is no place") }
            return place
        }
        archivedUntil = [manifest.windows.last?.endedAt, state?.endedAt].compactMap { $0.flatMap { SourceTime($0) } }.max()
    }

    package func identity() throws -> String { start.source }
    package func capturedTables() throws -> [CapturedTable] { tables.values.sorted { $0.capture < $1.capture } }
    package func selection(of pipeline: String) throws -> TableSelection { TableSelection() }
    package func confirm(_ cursor: Cursor, of pipeline: String) throws -> LogStanding { LogStanding() }
    package func now() throws -> SourceTime { FileStep.now }
    /// Only windows tell them: where they stood at its beginning, the backup knows.
    package func sequences(_ selection: TableSelection) throws -> [SequenceState] { [] }
    package func heartbeat() throws -> SourceHeartbeat { SourceHeartbeat(appliedAt: nil, seenID: nil, seenAt: nil) }
    package func mark() throws {}

    /// Every place with its witness, in order.
    package var history: [WitnessedPlace] {
        zip(places, [start.witness] + archived.map(\.witness)).map { WitnessedPlace(snapshot: $0, witness: $1) }
    }

    /// A cursor at one of the archive's places, or where a source stands within one of its windows.
    package func cursor(at place: WitnessedPlace) -> Cursor {
        let before = places.lastIndex { $0.isContained(in: place.snapshot) } ?? 0
        let lastID = if case .change(let id) = place.snapshot { id } else { archived.prefix(before).map(\.lastID).max() ?? start.lastID }
        return Cursor(source: start.source, snapshot: place.snapshot, witness: place.witness, lastID: lastID, epoch: 0)
    }

    package var windows: [ArchivedWindow] { archived }

    /// Has every file been what was written?
    /// - Parameter report: gets each window once it was looked at.
    package func verify(_ report: (ArchivedWindow) -> Void = { _ in }) throws {
        for index in archived.indices {
            try inspect(index)
            report(archived[index])
        }
    }

    private func inspect(_ index: Int) throws {
        guard inspected.insert(index).inserted else { return }
        try reporting("the archive cannot be read") {
            let found = try WindowFileReader(directory: directory, window: archived[index]).inspect()
            for table in found.tables { tables[table.capture] = table }
            sequences[index] = found.sequences
        }
    }

    /// The first window that holds something which is not seen there.
    private func next(after place: Snapshot) throws -> Int {
        guard let index = archived.indices.first(where: { place != places[$0 + 1] && place.isContained(in: places[$0 + 1]) }) else {
            if let last = places.last, last.isContained(in: place) { return archived.count }
            throw doesNotFit("no window of the archive goes on from there")
        }
        guard places[index].isContained(in: place) else { throw doesNotFit("the archive begins only after it") }
        return index
    }

    private func doesNotFit(_ why: String) -> TidemarkError {
        TidemarkError(
            "the archive does not continue what the target holds", why: why,
            remedy: "Restore a backup that was taken after the archive was begun, of the same source or of a target of it.")
    }

    /// Nothing is handed out before all files up to the end were looked at: a backup is not to be left half way.
    package func windows(after cursor: Cursor, taking taken: TakenTables, upTo end: Snapshot?) throws -> [Window] {
        let first = try next(after: cursor.snapshot)
        let last = end.map { end in places.lastIndex(of: end) ?? 0 } ?? archived.count
        guard first < last else { return [] }
        for index in first..<last { try inspect(index) }
        var from = cursor.snapshot
        return (first..<min(last, first + Self.windowsMax)).map { index in
            defer { from = places[index + 1] }
            var window = Window(
                start: from, end: places[index + 1], witness: archived[index].witness, afterID: archived[index].firstID - 1,
                throughID: archived[index].lastID, sequences: sequences[index] ?? [],
                heartbeat: SourceHeartbeat(appliedAt: archived[index].endedAt, seenID: nil, seenAt: nil))
            window.endedAt = archived[index].endedAt.flatMap { SourceTime($0) }
            return window
        }
    }

    package func reach(after cursor: Cursor, within limit: StreamLimit) throws -> StreamReach {
        let first = try next(after: cursor.snapshot)
        var end = archived.count
        var isFinal = false
        switch limit.until {
        case .time(let time):
            let later = archived.firstIndex { window in window.endedAt.flatMap { SourceTime($0) }.map { $0 > time } ?? true }
            if let later, later < first { throw limit.isBehindTarget(.time(time), why: "it has what was committed up to \(archived[first - 1].endedAt ?? "?")") }
            (end, isFinal) = (later ?? end, later != nil || archivedUntil.map { $0 > time } ?? false)
        case .change(let id):
            let later = archived.firstIndex { $0.lastID >= id }
            let isApplied = later.map { $0 < first } ?? false
            if isApplied || cursor.lastID >= id { throw limit.isBehindTarget(.change(id), why: "change \(max(id, cursor.lastID)) is applied, or is in the backup") }
            (end, isFinal) = (later ?? end, later != nil)
        case .ago, nil: break
        }
        try refuseBefore(places[end])
        guard end > first else { return StreamReach(end: nil, markedAt: nil, isFinal: isFinal) }
        return StreamReach(end: places[end], markedAt: archived[end - 1].endedAt.flatMap { SourceTime($0) }, isFinal: isFinal)
    }

    /// A backup of the source may hold transactions of several windows, and is a state of the source only from where a
    /// window sees all of them.
    package func refuseBefore(_ end: Snapshot) throws {
        guard case .transactions(let snapshot) = end, let unseen = held.first(where: { !snapshot.sees($0.value) }) else { return }
        throw TidemarkError(
            "the backup is younger than that place", changeID: unseen.key, why: "it holds this change, which was not committed there, or is not archived",
            remedy: "Name a later place, or restore an older backup.")
    }

    /// Where the archive ends.
    package var lastPlace: Snapshot { places[places.count - 1] }

    package func read(_ window: Window, captures: [Int32], _ receive: (ChangePage) throws -> Void) throws {
        guard let end = places.lastIndex(of: window.end), end > 0 else { throw doesNotFit("\(window.end) is no place of it") }
        let reader = WindowFileReader(directory: directory, window: archived[end - 1])
        let taken = Set(captures)
        // Where the target stands within the window, it has a part of it.
        let isPart = window.start != places[end - 1]
        var page = ChangePage()
        try reporting("the archive cannot be read") {
            try reader.read(tables: { tables[$0.capture] = $0 }) { line in
                var single = ChangePage()
                guard ChangeLines.read(line, into: &single), let change = single.changes.first else {
                    throw ArchiveFault.error(directory.path(of: reader.window.file), why: "a line in it is no change")
                }
                guard taken.contains(change.capture), held[change.id] == nil else { return }
                if isPart, try isSeen(change.id, single.transactions.first, at: window.start, reader) { return }
                page.append(change, of: single)
                if page.changes.count >= 4096 || page.bytes.count >= 1 << 20 {
                    try receive(page)
                    page = ChangePage()
                }
            }
        }
        if !page.changes.isEmpty { try receive(page) }
    }

    private func isSeen(_ id: Int64, _ transaction: UInt64?, at start: Snapshot, _ reader: WindowFileReader) throws -> Bool {
        switch (start, transaction) {
        case (.change(let last), _): return id <= last
        case (.transactions(let snapshot), let transaction?): return snapshot.sees(transaction)
        case (.transactions, nil): throw ArchiveFault.error(directory.path(of: reader.window.file), why: "change \(id) names no transaction")
        }
    }
}

extension ChangePage {
    mutating func append(_ change: Change, of page: ChangePage) {
        page.bytes.withUnsafeBytes { bytes in
            func part(_ range: Range<Int>?) -> UnsafeRawBufferPointer? { range.map { UnsafeRawBufferPointer(rebasing: bytes[$0]) } }
            append(id: change.id, capture: change.capture, operation: change.operation, key: part(change.key), image: part(change.image))
        }
    }
}
