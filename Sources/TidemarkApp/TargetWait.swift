import Glibc
package import TidemarkCore

/// Waits from outside until a pipeline's target has what its source had at one moment. Reads both, and writes nothing.
package final class TargetWait {
    package let definition: PipelineDefinition
    /// What the source had.
    package let moment: Snapshot
    /// The same as a text that another process may wait for.
    package let position: String
    private let tables: [TablePattern]
    private let identity: String
    private var source: (any SourceAdministration)?
    private var target: (any TargetAdministration)?
    /// Where the cursor was at the last look into the log, which would find the same again.
    private var looked: Snapshot?
    /// Why it is not there yet.
    private var reason = "nobody has looked yet"
    private let clock = ContinuousClock()

    /// - Parameters:
    ///   - position: what `tidemark.position()` said, of a SQLite source an id of its log; nil for now.
    ///   - tables: changes of these tables only; empty for all.
    package init(_ definition: PipelineDefinition, until position: String? = nil, tables: [String] = []) throws {
        self.definition = definition
        self.tables = tables.map { TablePattern($0) }
        try definition.refuseIfPolledOnly("wait")
        let opened = try definition.openSourceAdministration()
        (source, identity, moment) = try definition.naming {
            guard let identity = try opened.identity() else {
                throw TidemarkError(
                    "the source is not set up", why: "it has no change log", remedy: "Type: tidemark setup --pipeline \(definition.name) …")
            }
            return (opened, identity, try position.map { try Self.moment($0, in: opened, identity) } ?? opened.moment())
        }
        self.position = position ?? Self.text(of: moment, in: identity)
        // A name that nothing has would be there at once.
        if !tables.isEmpty { _ = try definition.recordedTables(tables, in: opened) }
    }

    /// The installation is the last part of what a server's database is called.
    private static func text(of moment: Snapshot, in identity: String) -> String {
        guard case .transactions = moment else { return moment.description }
        return "\(identity.split(separator: "/").last ?? ""):\(moment)"
    }

    private static func moment(_ position: String, in source: any SourceAdministration, _ identity: String) throws -> Snapshot {
        if let moment = Snapshot(position), case .change = moment, case .change = try source.moment() { return moment }
        guard let colon = position.firstIndex(of: ":"), let moment = Snapshot(String(position[position.index(after: colon)...])),
            case .transactions = moment
        else {
            throw UsageError(
                "“\(position.prefix(100))” is no position: it is what select tidemark.position() returns at a PostgreSQL source, of a SQLite source the highest id of data_changes.")
        }
        guard identity.hasSuffix("/" + position[..<colon]) else {
            throw TidemarkError(
                "the position is another source's", why: "it is one of installation \(position[..<colon]), and the source is \(identity)",
                remedy: "Ask for it where the application writes now: select tidemark.position()")
        }
        return moment
    }

    /// Returns once it is there.
    /// - Throws: at the deadline, with the reason; before it, where it never will be.
    package func wait(until deadline: ContinuousClock.Instant) throws {
        try definition.naming {
            var pauseMs = 2.0
            while true {
                do {
                    if try isThere() { return }
                } catch let failure as TidemarkError where failure.retry == .later {
                    reason = "\(failure.what): \(failure.why)"
                    (source, target, looked) = (nil, nil, nil)
                }
                let leftMs = clock.now.duration(to: deadline) / .milliseconds(1)
                guard leftMs > 0 else { throw isLate() }
                usleep(UInt32(min(pauseMs, leftMs) * 1_000))
                pauseMs = min(pauseMs * 1.5, 100)
            }
        }
    }

    private func isThere() throws -> Bool {
        let target = try target ?? definition.openTargetAdministration()
        self.target = target
        guard let stored = try target.cursor(of: definition.name) else {
            throw TidemarkError(
                "the pipeline is not set up", why: "the target holds no cursor for it", remedy: "Type: tidemark status --pipeline \(definition.name) …")
        }
        if let closedAt = stored.closedAt { throw StoredCursor.isClosed(at: closedAt, pipeline: definition.name) }
        guard stored.cursor.source == identity else {
            throw TidemarkError(
                "the target follows another source", why: "its cursor is for \(stored.cursor.source), this source is \(identity)",
                remedy: "Point --source at the right database.")
        }
        let copying = try target.copies(of: definition.name).filter { copy in copy.state != .done && isAwaited(copy.table) }
        guard copying.isEmpty else {
            reason = "these tables are still being copied: \(copying.map(\.table.description).joined(separator: ", "))"
            return false
        }
        reason = words(stored)
        let place = stored.cursor.snapshot
        if moment.isContained(in: place) { return true }
        // While nothing is logged, the cursor stays where it is.
        guard looked != place else { return false }
        let source = try source ?? definition.openSourceAdministration()
        self.source = source
        let isLogged = try source.isLogged(between: place, and: moment, of: tables)
        try refuseLost(source)
        looked = place
        return !isLogged
    }

    private func isAwaited(_ table: TableName) -> Bool { tables.isEmpty || tables.contains { $0.matches(table) } }

    /// What is not in the log may have been given up, or never been logged.
    private func refuseLost(_ source: any SourceAdministration) throws {
        if let loss = try source.loss(of: definition.name) { throw loss.error(definition.name) }
        guard let stop = try source.status(of: definition.name, at: nil, settledThrough: [:]).captureStop else { return }
        throw TidemarkError(
            "capture is stopped", why: "since \(stop.at) nothing is logged: \(stop.why)",
            remedy: "Type: tidemark status --pipeline \(definition.name) …")
    }

    private func words(_ stored: StoredCursor) -> String {
        if let failure = stored.failure { return "its worker stopped: \(failure)" }
        if let hold = stored.hold { return "it is held (\(hold.reason.rawValue)) by \(hold.by) since \(hold.at)" }
        if definition.delaySeconds > 0 { return "it stays \(TimeSpan.text(definition.delaySeconds)) behind on purpose" }
        return "the target has everything up to change \(stored.cursor.lastID)\(stored.appliedAt.map { ", applied at \($0)" } ?? "")"
    }

    private func isLate() -> TidemarkError {
        TidemarkError(
            "the target does not have it yet", why: reason,
            remedy: "What was committed stays committed. To see why, type: tidemark status --pipeline \(definition.name) …", retry: .later)
    }
}
