import TidemarkBlocking
package import TidemarkCore

/// Takes a pipeline's target back to a place that its source was at, as one window that leads backwards. The stream
/// applies forwards what came behind the place when it goes on.
package struct Rewind: Sendable {
    package typealias Opening<Side> = @Sendable () throws -> Side

    package struct Outcome: Sendable {
        package var place: HistoryPlace
        package var from: Cursor
        /// How many rows were put back, or would be.
        package var rows = 0
    }

    private let name: String
    private let openHistory: Opening<any SourceHistory>
    private let openTarget: Opening<any ChangeTarget>
    private let openRows: Opening<any RowTarget>
    private let openAdministration: Opening<any TargetAdministration>
    private let openRoles: Opening<any RoleAdministration>

    package init(
        _ name: String, history: @escaping Opening<any SourceHistory>, target: @escaping Opening<any ChangeTarget>,
        rows: @escaping Opening<any RowTarget>, administration: @escaping Opening<any TargetAdministration>,
        roles: @escaping Opening<any RoleAdministration>
    ) {
        (self.name, openHistory, openTarget, openRows) = (name, history, target, rows)
        (openAdministration, openRoles) = (administration, roles)
    }

    /// What is to be done, once it is known to be possible.
    private struct Way: Sendable {
        var place: HistoryPlace
        var cursor: Cursor
        var tables: [CapturedTable]
        var window: Window {
            Window(start: cursor.snapshot, end: place.snapshot, witness: place.witness, afterID: 0, throughID: place.lastID)
        }
    }

    /// Puts the rows back and moves the cursor, in one transaction of the target. The pipeline is paused then.
    package func run(to name: PlaceName, by worker: String) async throws -> Outcome {
        let source = DedicatedThread<(any SourceHistory)?> { nil }
        let target = DedicatedThread<(any ChangeTarget)?> { nil }
        defer {
            source.stop()
            target.stop()
        }
        // Before the cursor is read: from here on no worker takes it elsewhere.
        let wasPaused = try openAdministration().cursor(of: self.name)?.hold != nil
        let roles = try openRoles()
        _ = try roles.hold(self.name, for: .paused, by: worker)
        do {
            let openTarget = openTarget
            let cursor = try await target.run { target in
                let opened = try openTarget()
                target = opened
                return try opened.takeOver(worker: worker)
            }
            let way = try await way(to: name, from: cursor, source)
            let rows = try await naming {
                try await source.run { try $0?.keep(self.name, from: way.place) }
                do {
                    return try await apply(way, .paged, source, target)
                } catch let failure as TidemarkError where failure.retry == .staged {
                    return try await apply(way, .staged, source, target)
                }
            }
            // A worker that was just telling the source how far it had come may have been later.
            try await source.run { try $0?.keep(self.name, from: way.place) }
            return Outcome(place: way.place, from: way.cursor, rows: rows)
        } catch {
            if !wasPaused { try? roles.release(self.name) }
            throw error
        }
    }

    /// The same as SQL for a person to run, which moves the cursor too. Changes nothing.
    package func plan(to name: PlaceName, _ receive: @escaping @Sendable (String) -> Void) async throws -> Outcome {
        let source = DedicatedThread<(any SourceHistory)?> { nil }
        let writer = DedicatedThread<(any RowTarget)?> { nil }
        defer {
            source.stop()
            writer.stop()
        }
        guard let cursor = try openAdministration().cursor(of: self.name)?.cursor else { throw isNotSetUp }
        let way = try await way(to: name, from: cursor, source)
        let (pages, openRows) = (startReading(way, source), openRows)
        return try await naming {
            try await writer.run { rows in
                defer { pages.abandon() }
                let opened = try openRows()
                rows = opened
                var moved = way.cursor.moved(over: way.window)
                moved.lastID = way.place.lastID
                var statements: [String] = []
                let tables = Dictionary(uniqueKeysWithValues: way.tables.map { ($0.capture, $0) })
                while let page = try pages.next() {
                    for run in page.runsOfOneTable {
                        guard let table = run.changes.first.flatMap({ tables[$0.capture] }) else { continue }
                        statements += try opened.statements(for: run, of: table)
                    }
                }
                for line in try opened.script(of: statements, moving: way.cursor, to: moved) { receive(line) }
                return Outcome(place: way.place, from: way.cursor, rows: statements.count)
            }
        }
    }

    private func way(
        to place: PlaceName, from cursor: Cursor, _ source: DedicatedThread<(any SourceHistory)?>
    ) async throws -> Way {
        let (openHistory, name) = (openHistory, name)
        return try await naming {
            let copies = try openAdministration().copies(of: name)
            guard try openAdministration().parked(of: name).transactions.isEmpty else { throw hasParked }
            return try await source.run { source in
                let history = try openHistory()
                source = history
                guard try history.identity() == cursor.source else {
                    throw TidemarkError(
                        "the source is not the one that the target follows", why: "the target's cursor is for \(cursor.source)",
                        remedy: "Point --source at the right database.")
                }
                let tables = try Self.streamed(try history.capturedTables(), try history.selection(of: name), copies)
                let found = try history.place(place)
                guard found.snapshot != cursor.snapshot, found.snapshot.isContained(in: cursor.snapshot) else {
                    throw TidemarkError(
                        "that place is not behind the target",
                        why: "the newest one named is at \(found.time), change \(found.lastID), and the target is at change \(cursor.lastID)",
                        remedy: "To go forward, let the worker go on: tidemark run …")
                }
                try history.requireOldImages(of: tables, from: cursor.snapshot, backTo: found)
                return Way(place: found, cursor: cursor, tables: tables)
            }
        }
    }

    /// Going on from there would bring the changes that are parked a second time.
    private var hasParked: TidemarkError {
        TidemarkError(
            "the target cannot be taken back", pipeline: name, why: "it keeps parked changes, which are part of what would be taken back",
            remedy: "Settle them first: tidemark parked list … names them.")
    }

    private var isNotSetUp: TidemarkError {
        TidemarkError(
            "there is nothing to take back", pipeline: name, why: "the target holds no cursor for it",
            remedy: "Check --target and --pipeline; tidemark status … shows what a database holds.")
    }

    private static func streamed(
        _ captured: [CapturedTable], _ selection: TableSelection?, _ copies: [TableCopy]
    ) throws -> [CapturedTable] {
        guard let selection else {
            throw TidemarkError(
                "the pipeline is not set up", why: "the source does not know it", remedy: "Type: tidemark setup --source … --target …")
        }
        let tables = captured.filter { !$0.isRetired && selection.takes($0.name) }
        let known = Dictionary(copies.map { ($0.table, $0) }, uniquingKeysWith: { $1 })
        if let left = tables.first(where: { known[$0.name]?.isLeft ?? false }) {
            throw TidemarkError(
                "a table is being copied", table: left.name, why: "the target has a part of its rows only",
                remedy: "Let the copy come to its end first: tidemark copy … or tidemark run …")
        }
        return tables.filter { known[$0.name]?.isStreamed(keyed: !$0.keyColumns.isEmpty) ?? true }
    }

    private func startReading(_ way: Way, _ source: DedicatedThread<(any SourceHistory)?>) -> PageSlots<ChangePage> {
        let slots = PageSlots<ChangePage>()
        source.submit { source in
            do {
                try source?.readBack(way.tables, from: way.cursor.snapshot, to: way.place) { page in
                    guard slots.offer(page) else { throw Abandoned() }
                }
                slots.finish(.success(()))
            } catch {
                slots.finish(.failure(error))
            }
        }
        return slots
    }

    private func apply(
        _ way: Way, _ order: ApplyOrder, _ source: DedicatedThread<(any SourceHistory)?>, _ target: DedicatedThread<(any ChangeTarget)?>
    ) async throws -> Int {
        let pages = startReading(way, source)
        let tables = Dictionary(uniqueKeysWithValues: way.tables.map { ($0.capture, $0) })
        return try await target.run { target in
            defer { pages.abandon() }
            var rows = 0
            _ = try target?.apply(way.window, tables: tables, moving: way.cursor, order: order) {
                let page = try pages.next()
                rows += page?.changes.count ?? 0
                return page
            }
            return rows
        }
    }

    /// Puts the pipeline's name, and the log's own ids, into errors of parts that do not know them.
    private func naming<T>(_ body: () async throws -> T) async throws -> T {
        do {
            return try await body()
        } catch var failure as TidemarkError {
            failure.pipeline = failure.pipeline ?? name
            if let id = failure.changeID, id > BackwardID.origin / 2 { failure.changeID = BackwardID.logged(id) }
            throw failure
        }
    }
}

extension ChangePage {
    /// The page in its order, cut where the table changes.
    fileprivate var runsOfOneTable: [ChangePage] {
        var runs: [ChangePage] = []
        bytes.withUnsafeBytes { bytes in
            for change in changes {
                if runs.last?.changes.last?.capture != change.capture { runs.append(ChangePage()) }
                runs[runs.count - 1].append(
                    id: change.id, capture: change.capture, operation: change.operation,
                    key: change.key.map { UnsafeRawBufferPointer(rebasing: bytes[$0]) },
                    image: change.image.map { UnsafeRawBufferPointer(rebasing: bytes[$0]) })
            }
        }
        return runs
    }
}
