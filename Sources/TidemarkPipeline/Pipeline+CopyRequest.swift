import Logging
import TidemarkBlocking
package import TidemarkCore

/// What `tidemark copy` is to do.
package struct CopyRequest: Sendable {
    /// Nil for what is not copied yet.
    package var tables: [TableName]?
    /// What becomes of rows that the target holds.
    package var existing: TableCopy.Existing
    /// Only these rows of the tables named: behind a key, up to a key, for which a condition of the source's
    /// SQL holds. Keys are JSON objects.
    package var after: String?
    package var through: String?
    package var condition: String?

    package init(tables: [TableName]?, existing: TableCopy.Existing) {
        (self.tables, self.existing) = (tables, existing)
    }

    var isPartial: Bool { after != nil || through != nil || condition != nil }
}

extension Pipeline {
    /// Copies tables, or some of their rows, anew, beside the worker if there is one.
    package func copy(_ request: CopyRequest) async throws -> [TableCopy] {
        try await naming {
            // What is merged would stay beside what the table's rule leaves out now.
            if !request.isPartial, request.existing != .merge { self.reshaped.formUnion(request.tables ?? []) }
            var cursor = try await self.connect(takingOver: false)
            let names = request.tables ?? self.copiesLeft.map(\.table)
            if let unknown = names.first(where: { self.generations[$0] == nil }) {
                throw Self.isNotTaken(unknown, self.settings.name)
            }
            if request.isPartial {
                for name in names { cursor = try await self.copyPart(of: name, request, after: cursor) }
                return []
            }
            cursor = try await self.expectAnew(names, request, at: cursor)
            let isLeft = { (name: TableName) in self.copies[name]?.isLeft ?? false }
            self.ownCopies.formUnion(names.filter(isLeft))
            while names.contains(where: isLeft) {
                guard !self.stopping else { throw Self.wasStopped(at: cursor) }
                let known = cursor
                cursor = try await self.advancing(from: known) { try await self.copyRound(after: known) }
            }
            return names.compactMap { self.copies[$0] }
        }
    }

    /// Records that tables are to be copied again. One whose copy was interrupted goes on.
    private func expectAnew(_ names: [TableName], _ request: CopyRequest, at start: Cursor) async throws -> Cursor {
        guard request.tables != nil else { return start }
        let standing = names.compactMap { copies[$0] }.filter { copy in
            copy.state == .done || copy.existing != request.existing || copy.shape != settings.rules.shape(of: copy.table)
        }
        guard !standing.isEmpty else { return start }
        // Before anything is recorded: a copy that is refused must not take its table out of the stream.
        if request.existing == .refuse {
            let tables = try await sourceThread.run { source in try source?.capturedTables() ?? [] }
            for copy in standing {
                guard let table = tables.last(where: { $0.name == copy.table && !$0.isRetired }) else { continue }
                guard try await !lane(0).load({ try $0.hasRows(table) }) else {
                    throw TableCopy.refusal(of: copy.table, pipeline: settings.name)
                }
            }
        }
        for copy in standing {
            if request.existing == .merge { try refuseIfParked(copy.table, "merge the source's rows into") }
            guard request.existing != .merge || !keyless.contains(copy.table) else {
                throw Self.cannotMerge(copy.table, settings.name)
            }
            let anew = anew(copy, request.existing)
            try await retrying(at: start) { cursor, target in try target.save(anew, at: cursor, changesStream: true) }
        }
        return try await reload()
    }

    /// Some rows of a table, written over those that the target has.
    private func copyPart(of name: TableName, _ request: CopyRequest, after start: Cursor) async throws -> Cursor {
        guard !keyless.contains(name) else { throw Self.cannotMerge(name, settings.name) }
        guard copies[name]?.state == .done else {
            throw TidemarkError(
                "some rows of a table cannot be copied", pipeline: settings.name, table: name, why: "its copy is not complete",
                remedy: "Let tidemark run … or tidemark copy … finish it first.")
        }
        meter.begin(name, rows: 0, bytes: 0, expectedRows: 0)
        var (cursor, after, isDone, rows) = (start, request.after, false, Int64(0))
        while !isDone {
            guard !stopping else { throw Self.wasStopped(at: cursor) }
            let begun = after
            let (place, reached, failure) = try await atStandstill(on: [name], after: cursor) { standstill in
                try self.refuseIfParked(name, "copy rows of")
                let (reached, failure) = try await self.copyRows(of: name, after: begun, request, at: standstill)
                return (standstill.cursor, reached, failure)
            }
            for table in reached {
                rows += table.outcomes.reduce(0) { $0 + $1.rows }
                (after, isDone) = (table.through, table.isDone)
            }
            cursor = try await advancing(from: place) {
                if let failure { throw failure }
                return place
            }
        }
        meter.finish(name)
        log.info("copied \(Amount.text(rows, "row")) of table \(name)")
        return cursor
    }

    private func copyRows(
        of name: TableName, after: String?, _ request: CopyRequest, at standstill: Standstill
    ) async throws -> (reached: [PartDispenser<LoadedRows>.Reached], failure: (any Error)?) {
        guard let table = standstill.table(name) else { throw Self.isNotTaken(name, settings.name) }
        var part = TablePart(table, after: after, through: request.through)
        part.condition = request.condition
        let (size, holdMaxMs) = try await lane(0).read { source in
            if let condition = request.condition { try source.check(condition: condition, of: table) }
            return (try source.size(of: table), source.holdMaxMs)
        }
        var dispenser = PartDispenser<LoadedRows>()
        dispenser.add(part, rowsPerPart: rowsPerPart(of: size, holdMaxMs: holdMaxMs))
        return await work(on: dispenser, lanes: [lane(0)], forMs: holdMaxMs) { part, lane, _ in
            try await self.load(part, through: lane, at: standstill.cursor, saving: nil, asChanges: true)
        }
    }

    static func cannotMerge(_ table: TableName, _ pipeline: String) -> TidemarkError {
        TidemarkError(
            "the table's rows cannot be merged", pipeline: pipeline, table: table,
            why: "it has no key by which a row could be told from another",
            remedy: "Type tidemark copy --table \(table) --existing empty …, or give it a key on both sides.")
    }

    /// Compares what was copied, once: a worker's word that the replica is complete.
    func verifyCopies(after cursor: Cursor) async throws -> Cursor {
        var request = VerifyRequest(startedAt: settings.startedAt)
        request.tables = justCopied.sorted()
        justCopied = []
        let log = log
        try await verify(request, after: cursor, lag: { (0, 0) }) { verdict in
            if verdict.isEqual {
                log.info("verified table \(verdict.proof.table): \(Amount.text(verdict.proof.rows, "row", ("is", "are"))) equal at change \(verdict.proof.lastID)")
            } else {
                log.error("table \(verdict.proof.table) differs in \(Amount.text(verdict.proof.differences, "row")); tidemark verify says which")
            }
        }
        return progress.cursor ?? cursor
    }
}
