import TidemarkCore

/// Reads rows of the log, piece by piece in the order of their ids.
///
/// The log's index is one of block ranges (BRIN), which costs writers little. It gives no order, so a piece
/// is sorted: small enough for memory. And it knows only what was summarized: the worker sees to that.
final class LogReading {
    private let session: PostgresSession
    /// What each look and each window asks: planned once.
    private let prepared: PreparedStatements
    private static let idsPerPiece: Int64 = 65_536
    /// How many ids may be drawn before the index is brought up to date: what it does not know is read at each look.
    private static let idsUnsummarized: Int64 = 8_192
    private var summarizedThrough: Int64 = 0
    private var isPrepared = false
    var withTransactions = false
    /// Is nothing to be folded, and each change to name its transaction?
    var keepsEveryChange = false
    /// What becomes of what tidemark applied to the source.
    var applied = AppliedChanges.leftOut
    /// Which captures' changes say what their rows were before.
    var befores = KeptBefores()
    private var knowsOrigins = false

    init(session: PostgresSession, prepared: PreparedStatements) {
        self.session = session
        self.prepared = prepared
    }

    /// Now, and an id that no transaction that is seen now has gone beyond.
    func position() throws -> (now: TransactionSnapshot, lastID: Int64) {
        try prepare()
        let rows = try prepared.query("select pg_current_snapshot(), \(ChangeIDs.last)", [])
        let lastID = Int64(rows[0, 1] ?? "") ?? 0
        if lastID - summarizedThrough > Self.idsUnsummarized {
            try session.query("select tidemark.summarize_log()")
            summarizedThrough = lastID
        }
        return (try TransactionSnapshot.parsed(rows[0, 0]), lastID)
    }

    /// - Parameter ids: above the lower bound, up to the upper one.
    func firstID(
        in ids: Range<Int64>, notSeenBy start: TransactionSnapshot, seenBy end: TransactionSnapshot
    ) throws -> Int64? {
        for piece in Self.pieces(of: ids) {
            let rows = try prepared.query(
                """
                select min(id) from tidemark.data_changes where id between $1 and $2
                  and pg_visible_in_snapshot(xid, $3::pg_snapshot) and not pg_visible_in_snapshot(xid, $4::pg_snapshot)
                """,
                [
                    .text(String(piece.lowerBound)), .text(String(piece.upperBound)), .text(end.description), .text(start.description),
                ])
            if let id = rows[0, 0].flatMap({ Int64($0) }) { return id }
        }
        return nil
    }

    /// An id below every change of a transaction that `start` does not see and `end` does.
    ///
    /// A transaction draws its xid before its ids, and the worker's tick draws its xid after it has
    /// read the last id: so every transaction with a higher xid than the tick's has higher ids. The
    /// xmax of a snapshot says nothing of the kind: it is one above the last that *ended*, and
    /// transactions beyond it may run and have drawn ids already.
    func lowestID(notSeenBy start: TransactionSnapshot, endedIn end: TransactionSnapshot) throws -> Int64 {
        let rows = try prepared.query(
            "select coalesce(max(low_id), 0) from tidemark.tick where xid::text::numeric < $1",
            [.text(String(start.oldestUnseen(endedIn: end)))])
        return Int64(rows[0, 0] ?? "") ?? 0
    }

    func read(
        _ window: Window, above id: Int64, captures: [Int32], shaped: [ShapedTable] = [], _ limits: ReadLimits,
        _ receive: (ChangePage) throws -> Void
    ) throws {
        guard case .transactions(let start) = window.start, case .transactions(let end) = window.end else { return }
        let applied = try applied(after: start, upTo: end)
        for piece in Self.pieces(of: id..<max(id, window.throughID)) {
            let rows = LogRows(
                ids: piece, start: start, end: end, captures: captures, withTransactions: withTransactions || keepsEveryChange, applied: applied,
                kept: befores.captures.intersection(captures), shaped: shaped)
            let sql = try !keepsEveryChange && isRepetitive(rows) ? rows.folded : rows.inOrder
            try session.copyOutChanges(sql, beside: rows.beside, limits) { page in
                try befores.requireLogged(in: page)
                try receive(page)
            }
        }
    }

    /// What to do about what was applied in a window; nil where nothing was, which costs no more than this look.
    private func applied(after start: TransactionSnapshot, upTo end: TransactionSnapshot) throws -> AppliedChanges? {
        if !knowsOrigins { knowsOrigins = try AppliedRecord(session: session).exists() }
        guard knowsOrigins else { return nil }
        let rows = try prepared.query(
            "select exists (select from tidemark.applied where xid >= $1::xid8 and xid < $2::xid8)", [.text(String(start.xmin)), .text(String(end.xmax))])
        return rows[0, 0] == "t" ? applied : nil
    }

    /// Are the same rows changed again and again? Then only the last change of each is worth sending. By a sample: folding
    /// costs about as much as reading.
    private func isRepetitive(_ rows: LogRows) throws -> Bool {
        guard rows.ids.count >= 4 * Self.idsSampled, rows.captures.contains(where: { !rows.kept.contains($0) }) else { return false }
        var sample = rows
        sample.ids = rows.ids.lowerBound...rows.ids.lowerBound + Int64(Self.idsSampled) - 1
        let counted = try session.query(sample.repetition, [])
        guard let changes = counted[0, 0].flatMap({ Int($0) }), let keys = counted[0, 1].flatMap({ Int($0) }) else { return false }
        return changes >= Self.idsSampled / 4 && keys * 3 < changes * 2
    }

    private static let idsSampled = 4_096

    /// Settings of the session, before its first look: a scan of the whole log is never right, and a piece is sorted
    /// in memory.
    private func prepare() throws {
        guard !isPrepared else { return }
        try session.run("set enable_seqscan = off; set jit = off; set work_mem = '32MB'")
        isPrepared = true
    }

    private static func pieces(of ids: Range<Int64>) -> some Sequence<ClosedRange<Int64>> {
        stride(from: ids.lowerBound, to: ids.upperBound, by: Int(idsPerPiece)).lazy.map { first in
            first + 1...min(ids.upperBound, first + idsPerPiece)
        }
    }
}
