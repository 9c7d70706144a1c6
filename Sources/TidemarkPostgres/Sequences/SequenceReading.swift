import TidemarkCore

/// Reads where all sequences stand, at each look at the source: by one statement, which says too whether the catalogue
/// has changed.
///
/// Somebody who holds a sequence (TRUNCATE … RESTART IDENTITY) must not hold the pipeline: it is left out until he ends.
final class SequenceReading {
    private struct Piece {
        let statement: String
        let entries: ArraySlice<SequenceCatalog.Entry>
    }

    private let session: PostgresSession
    private let lockTimeoutMs: Int
    private let leavesOutHeld: Bool
    private var basis: (selection: TableSelection, version: Int, stamp: String, catalog: SequenceCatalog)?
    private var held: Set<String> = []
    private var pieces: [Piece] = []
    private var prepared: Set<String> = []
    /// Never goes back, so that a statement that could not be dropped is in nobody's way.
    private var made = 0

    /// As many as one statement reads: each takes a lock, of which a server has room for so many.
    private static let sequencesPerStatement = 200
    private static let attemptsMax = 3

    /// - Parameter leavesOutHeld: rather than fail.
    init(_ session: PostgresSession, lockTimeoutMs: Int = 5, leavesOutHeld: Bool = true) {
        self.session = session
        self.lockTimeoutMs = lockTimeoutMs
        self.leavesOutHeld = leavesOutHeld
    }

    /// - Parameter version: another one where columns may take their values from other sequences now.
    /// - Returns: nil where those that were found are dropped or held faster than they can be read.
    func states(taking selection: TableSelection, version: Int) throws(PostgresFailure) -> [SequenceState]? {
        if let basis, basis.selection != selection || basis.version != version { forget() }
        for _ in 0..<Self.attemptsMax {
            do {
                let isFresh = basis == nil
                try refresh(taking: selection, version: version)
                let (states, isCurrent) = try read()
                if isCurrent { return states }
                forget()
                // Where sequences come and go all the while, as those of temporary tables do, this is as good as it gets.
                if isFresh { return states }
            } catch {
                guard !error.isConnectionLost else { throw error }
                guard error.sqlState == "55P03" else {
                    // What was dropped, renamed or revoked meanwhile is no longer there at the next attempt.
                    forget()
                    continue
                }
                guard leavesOutHeld else { throw error }
                held = try heldByOthers()
                renew()
            }
        }
        return nil
    }

    private func forget() {
        basis = nil
        held = []
        renew()
    }

    private func renew() {
        for name in prepared { _ = try? session.run("deallocate \(name)") }
        prepared = []
        pieces = []
    }

    private func refresh(taking selection: TableSelection, version: Int) throws(PostgresFailure) {
        if !held.isEmpty {
            let now = try heldByOthers()
            if now != held {
                held = now
                renew()
            }
        }
        if basis == nil {
            // Before the catalogue: what changes meanwhile changes the stamp.
            let stamp = try session.query("select \(Self.stamp)")[0, 0] ?? ""
            basis = (selection, version, stamp, try SequenceCatalog(taking: selection, in: session))
        }
        guard pieces.isEmpty, let basis else { return }
        let readable = basis.catalog.entries.filter { $0.isReadable && !held.contains($0.oid) }
        for first in stride(from: 0, to: max(1, readable.count), by: Self.sequencesPerStatement) {
            let entries = readable[first..<min(readable.count, first + Self.sequencesPerStatement)]
            made += 1
            pieces.append(Piece(statement: "tidemark_sequences_\(made)", entries: entries))
        }
    }

    /// Also says whether the catalogue is still the one that was read.
    private func read() throws(PostgresFailure) -> (states: [SequenceState], isCurrent: Bool) {
        var (states, isCurrent) = ([SequenceState](), true)
        for piece in pieces {
            let rows = try rows(piece)
            for row in 0..<rows.count {
                guard let place = rows[row, 0].flatMap({ Int($0) }) else {
                    isCurrent = isCurrent && rows[row, 3] == basis?.stamp
                    continue
                }
                guard let value = rows[row, 1].flatMap({ Int64($0) }) else { continue }
                states.append(piece.entries[place].state(lastValue: value, isCalled: rows[row, 2] == "t"))
            }
        }
        return (states, isCurrent)
    }

    /// In one round trip, planned once. The time limit is there before the first lock is taken.
    private func rows(_ piece: Piece) throws(PostgresFailure) -> PostgresRows {
        let limit = "set local lock_timeout = '\(lockTimeoutMs)ms'; "
        guard !prepared.contains(piece.statement) else { return try session.last(of: limit + "execute \(piece.statement)") }
        let reads = ["select null::int, null::bigint, null::boolean, \(Self.stamp)"]
            + piece.entries.indices.map { place in
                "select \(place), last_value, is_called, null from \(PostgresIdentifier.quoted(piece.entries[place].name))"
            }
        // A name may be taken by an attempt that failed after it: the next one has another.
        prepared.insert(piece.statement)
        return try session.last(
            of: limit + "prepare \(piece.statement) as \(reads.joined(separator: " union all ")); execute \(piece.statement)")
    }

    /// Whatever makes another catalogue of it writes or removes a row here, or makes the statement fail.
    private static let stamp = """
        (select concat_ws(':', count(*), count(*) filter (where has_sequence_privilege(seqrelid, 'SELECT')), sum(xmin::text::bigint),
            sum(hashint8(xmin::text::bigint))) from pg_sequence)
        """

    /// Also where somebody only waits to hold it: who comes after him waits too.
    private func heldByOthers() throws(PostgresFailure) -> Set<String> {
        let rows = try session.query(
            """
            select distinct relation from pg_locks where locktype = 'relation' and mode = 'AccessExclusiveLock' and pid is distinct from pg_backend_pid()
              and database = (select oid from pg_database where datname = current_database())
              and relation in (select seqrelid from pg_sequence)
            """)
        return Set((0..<rows.count).compactMap { rows[$0, 0] })
    }
}
