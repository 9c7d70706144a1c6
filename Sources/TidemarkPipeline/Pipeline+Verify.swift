import Logging
import TidemarkBlocking
package import TidemarkCore

/// What is to be compared, and how gently.
package struct VerifyRequest: Sendable {
    /// Nil for all of the pipeline.
    package var tables: [TableName]?
    package var repair = Repair.none
    /// How many differences of a table are kept, to be shown.
    package var listedMax = 20
    /// Rows a second, of all lanes together; nil for as fast as it goes.
    package var rowsPerSecond: Int?
    /// When the look began, as it is to be recorded.
    package var startedAt: String
    /// Goes on where a look that was interrupted had come to.
    package var resumes = false
    /// For how long a pipeline that is behind is waited for.
    package var waitMaxSeconds = 60.0

    package enum Repair: Sendable { case none, plan, apply }

    package init(startedAt: String) { self.startedAt = startedAt }
}

/// What was found of one table.
package struct TableVerdict: Sendable {
    package var proof: TableProof
    /// The snapshot at which its first part was compared.
    package var firstSnapshot: String
    package var counts: [RowDifference.Kind: Int64] = [:]
    package var listed: [RowDifference] = []
    /// What a repair would run.
    package var plan: [String] = []
    /// Has the target's record of it an end?
    var isSaved = false
    /// Is it equal now?
    package var isEqual: Bool { proof.differences == proof.repaired }
}

/// How far a pipeline is behind: changes, and the age of the oldest in seconds.
package typealias Lag = @Sendable () throws -> (changes: Int64, seconds: Double)

extension Pipeline {
    /// Compares tables on both sides, beside the worker: in one snapshot of the source, and with the target
    /// at exactly that place.
    ///
    /// - Parameters:
    ///   - lag: looked at before each position is taken.
    ///   - report: gets each table's verdict as soon as there is one.
    /// - Throws: before it has compared all where the pipeline is behind for too long, or held by a table.
    package func verify(_ request: VerifyRequest, lag: @escaping Lag, report: @Sendable (TableVerdict) -> Void) async throws {
        let cursor = try await naming { try await self.connect(takingOver: false) }
        try await naming { try await self.verify(request, after: cursor, lag: lag, report: report) }
    }

    /// The same as the pipeline's own worker.
    func verify(
        _ request: VerifyRequest, after start: Cursor, lag: @escaping Lag, report: @Sendable (TableVerdict) -> Void
    ) async throws {
        var (cursor, failures) = (start, 0)
        var left = try await verdicts(for: request)
        while !left.isEmpty {
            guard !stopping else { throw Self.wasStopped(at: cursor) }
            try await wait(for: lag, request)
            do {
                // Of what is compared to the end, and could not be saved, no more is compared.
                let unsaved = left.filter { $0.proof.finishedAt != nil }.map(\.proof.table)
                if unsaved.isEmpty { cursor = try await verifyRound(&left, request, after: cursor) } else { try await save(&left, unsaved) }
                failures = 0
            } catch let failure as TidemarkError where failure.retry == .later && failures < Self.failuresMax && !stopping {
                // A table that somebody alters, a file that somebody writes: what was compared before stays compared.
                failures += 1
                log.debug("\(failure.what): \(failure.why)")
                cursor = try await reload()
            }
            for done in left where done.isSaved { report(done) }
            left.removeAll(where: \.isSaved)
        }
    }

    /// The tables to look at, each with what an interrupted look has found.
    private func verdicts(for request: VerifyRequest) async throws -> [TableVerdict] {
        let names = request.tables ?? copies.values.filter { $0.state == .done }.map(\.table).sorted()
        if let unknown = names.first(where: { copies[$0] == nil }) { throw Self.isNotTaken(unknown, settings.name) }
        if let unfinished = names.first(where: { copies[$0]?.state != .done }) {
            throw TidemarkError(
                "a table cannot be compared", pipeline: settings.name, table: unfinished, why: "its copy is not complete",
                remedy: "Let tidemark run … or tidemark copy … finish it; tidemark status … says how far it is.")
        }
        if request.repair != .none { for name in names { try refuseIfParked(name, "repair") } }
        guard !names.isEmpty else {
            throw TidemarkError(
                "there is nothing to compare", pipeline: settings.name, why: "no table of the pipeline is copied yet",
                remedy: "Type tidemark run …, which copies them.")
        }
        let known = try await lane(0).load { try $0.proofs() }
        // The latest look, unless it has come to the end of every table.
        let latest = known.compactMap(\.startedAt).max()
        let isComplete = names.allSatisfy { name in
            known.contains { $0.table == name && $0.startedAt == latest && $0.finishedAt != nil }
        }
        let interrupted = isComplete ? nil : latest
        return names.compactMap { name in
            let earlier = known.first { $0.table == name && $0.startedAt == interrupted }
            guard request.resumes, interrupted != nil, let earlier else {
                var proof = TableProof(name)
                proof.startedAt = request.resumes ? interrupted ?? request.startedAt : request.startedAt
                return TableVerdict(proof: proof, firstSnapshot: "")
            }
            return earlier.finishedAt == nil ? TableVerdict(proof: earlier, firstSnapshot: earlier.snapshot) : nil
        }
    }

    static func isNotTaken(_ table: TableName, _ pipeline: String) -> TidemarkError {
        TidemarkError(
            "a table is not the pipeline's", pipeline: pipeline, table: table, why: "setup did not record it",
            remedy: "tidemark status … lists the pipeline's tables; tidemark setup --table … adds one.")
    }

    private func wait(for lag: @escaping Lag, _ request: VerifyRequest) async throws {
        let start = ContinuousClock.now
        var hasSaid = false
        while !stopping {
            let (changes, seconds) = try await OwnThread.run { try lag() }
            guard changes > 0, seconds > Self.lagMaxSeconds else { return }
            if !hasSaid { log.info("waiting for the pipeline, which is \(Amount.text(changes, "change")) behind") }
            hasSaid = true
            guard ContinuousClock.now - start < .seconds(request.waitMaxSeconds) else {
                throw TidemarkError(
                    "the pipeline is behind", pipeline: settings.name,
                    why: "\(Amount.text(changes, "change", ("waits", "wait"))), the oldest for \(Int(seconds)) s, and nothing can be said before they are applied",
                    remedy: "If no worker runs, type: tidemark run … (or tidemark run --once …); then type the command again."
                        + " --wait SECONDS waits longer.", retry: .later)
            }
            try? await Task.sleep(for: .milliseconds(500))
        }
    }

    private static let lagMaxSeconds = 10.0
    private static let failuresMax = 10
    /// A comparison holds a snapshot for longer than a copy does: the stream goes on meanwhile.
    private static let holdFactor = 15

    /// Compares as much as one position is held for.
    private func verifyRound(_ left: inout [TableVerdict], _ request: VerifyRequest, after start: Cursor) async throws -> Cursor {
        let names = left.prefix(Self.tablesPerRound).map(\.proof.table)
        if request.repair != .none { trust(names) }
        let verdicts = left
        let (place, reached, comparisonFailure) = try await atStandstillOnBothSides(on: names, after: start) { standstill, lanes in
            let (reached, failure) = try await self.compare(verdicts, request, at: standstill, on: lanes)
            return (standstill.cursor, reached, failure)
        }
        var (cursor, failure) = (place, comparisonFailure)
        for table in reached {
            guard let index = left.firstIndex(where: { $0.proof.table == table.table.name }) else { continue }
            let before = left[index]
            let found = note(table, in: &left[index], at: place, request)
            guard !found.isEmpty, request.repair != .none else { continue }
            var mended = 0
            do {
                let repaired = try await repair(found, of: table.table.name, planning: request.repair == .plan, after: cursor, counting: &mended)
                cursor = repaired.cursor
                left[index].plan += repaired.plan
            } catch {
                failure = error
                // The next look has to find again what is not repaired: it begins where this one did.
                left[index] = before
                if request.repair == .apply { left[index].add(found.prefix(mended), listingMax: request.listedMax) }
            }
            if request.repair == .apply { left[index].proof.repaired += found.prefix(mended).reduce(0) { $0 + $1.count } }
            // What the tables after it are compared with may be gone.
            if mended < found.count { break }
        }
        try await save(&left, names)
        // What was compared before something failed is compared, and repaired.
        if let failure { throw failure }
        return cursor
    }

    private func compare(
        _ verdicts: [TableVerdict], _ request: VerifyRequest, at standstill: Standstill, on lanes: [RowLane]
    ) async throws -> (reached: [PartDispenser<ComparedRows>.Reached], failure: (any Error)?) {
        let holdMs = try await lane(0).read { $0.holdMaxMs }
        let dispenser = try await parts(of: verdicts, at: standstill, request, holdMs: holdMs)
        let pace = Pace(rowsPerSecond: request.rowsPerSecond)
        let (isOneEngine, repairs, meter) = (connections.sourceEngineIsTargets, request.repair != .none, meter)
        return await work(
            on: dispenser, lanes: lanes, forMs: holdMs < 1000 ? holdMs : holdMs * Self.holdFactor
        ) { part, lane, round in
            let compared = try await Comparison(lane: lane, isOneEngine: isOneEngine).compare(part)
            meter.add(part.table.name, rows: compared.rows, bytes: 0)
            // What is found is repaired before more is: neither piles up.
            if repairs, !compared.differences.isEmpty { await round.close() }
            await pace.wait(after: compared.rows)
            return compared
        }
    }

    private func parts(
        of verdicts: [TableVerdict], at standstill: Standstill, _ request: VerifyRequest, holdMs: Int
    ) async throws -> PartDispenser<ComparedRows> {
        var dispenser = PartDispenser<ComparedRows>()
        let comparison = Comparison(lane: lane(0), isOneEngine: connections.sourceEngineIsTargets)
        for proof in verdicts.prefix(Self.tablesPerRound).map(\.proof) {
            guard let table = standstill.table(proof.table) else { throw Self.isNotTaken(proof.table, settings.name) }
            let size = try await lane(0).read { try $0.size(of: table) }
            var rows: Int? = min(settings.comparedRows / Int(Self.shrinking(forMs: holdMs)), request.rowsPerSecond ?? .max)
            if try await !comparison.agreesOnOrder(of: table) { rows = nil }
            if let wanted = rows, proof.comparedThrough == nil, Self.fitsOnePart(size, of: Int64(wanted)) { rows = nil }
            dispenser.add(TablePart(table, after: proof.comparedThrough), rowsPerPart: rows)
            meter.begin(table.name, rows: proof.rows, bytes: 0, expectedRows: max(size.rows, proof.rows))
        }
        return dispenser
    }

    /// Adds what a round has found to a table's verdict.
    private func note(
        _ reached: PartDispenser<ComparedRows>.Reached, in verdict: inout TableVerdict, at cursor: Cursor, _ request: VerifyRequest
    ) -> [RowDifference] {
        guard !reached.outcomes.isEmpty else { return [] }
        let found = reached.outcomes.flatMap(\.differences)
        verdict.proof.rows += reached.outcomes.reduce(0) { $0 + $1.rows }
        verdict.add(found[...], listingMax: request.listedMax)
        if verdict.firstSnapshot.isEmpty { verdict.firstSnapshot = cursor.snapshot.description }
        (verdict.proof.snapshot, verdict.proof.lastID) = (cursor.snapshot.description, cursor.lastID)
        verdict.proof.positions += 1
        verdict.proof.comparedThrough = reached.through
        if reached.isDone {
            // The target's clock says when, once it is saved.
            verdict.proof.finishedAt = ""
            meter.finish(reached.table.name)
        }
        return found
    }

    private func save(_ left: inout [TableVerdict], _ names: [TableName]) async throws {
        for place in left.indices where names.contains(left[place].proof.table) && left[place].proof.positions > 0 {
            let proof = left[place].proof
            let ended = proof.finishedAt != nil
            let saved = try await lane(0).load { target in
                try target.save(proof, ended: ended)
                return ended ? try target.proofs().first { $0.table == proof.table && $0.finishedAt != nil } : nil
            }
            if let saved { left[place].proof = saved }
            if ended, left[place].isEqual { try await settle(proof.table) }
            left[place].isSaved = ended
        }
    }

    /// A table that is proven equal needs no copy for what passed capture unseen before.
    private func settle(_ name: TableName) async throws {
        guard var copy = copies[name], copy.state == .done, let capture = generations[name], capture > copy.capture else { return }
        copy.capture = capture
        let settled = copy
        try await retrying(at: try await reload()) { cursor, target in try target.save(settled, at: cursor, changesStream: false) }
        know(copy)
    }
}

extension TableVerdict {
    fileprivate mutating func add(_ found: ArraySlice<RowDifference>, listingMax: Int) {
        for difference in found { counts[difference.kind, default: 0] += difference.count }
        listed += found.prefix(max(0, listingMax - listed.count))
        proof.differences += found.reduce(0) { $0 + $1.count }
    }
}

/// Keeps a comparison below a number of rows a second.
actor Pace {
    private let rowsPerSecond: Int?
    private let start = ContinuousClock.now
    private var rows = Int64(0)

    init(rowsPerSecond: Int?) { self.rowsPerSecond = rowsPerSecond }

    func wait(after count: Int64) async {
        rows += count
        guard let rowsPerSecond else { return }
        let due = start + .milliseconds(rows * 1000 / Int64(max(1, rowsPerSecond)))
        try? await Task.sleep(until: due, clock: .continuous)
    }
}
