import Foundation
import TidemarkCore

/// What was open at a source at one moment, as a reader without any rights can know it, to be asked later whether it has ended.
///
/// Not by transaction ids: a transaction draws its time, or a number of a sequence, before it draws an id, which it does with its first
/// write. But every one holds a lock on its own virtual id while it lasts, and everybody may read the locks.
struct OpenTransactions: Codable {
    /// The server's clock, before the look.
    private var at: String
    /// The server, and since when it runs: virtual ids are its own.
    private var server: String
    /// Virtual ids, of this database.
    private var open: [String]
    /// Ids, of this database.
    private var prepared: [String]
    /// No transaction has drawn a higher one.
    private var xmax: String
    private var isStandby: Bool

    /// A standby knows of its primary's transactions only what they have written: such that began before have to write, or end, within this
    /// time; it is the overlap that goes without saying.
    private static let standbySeconds = IncrementalReading.overlapSeconds

    private static let virtualIDs = """
        select l.virtualtransaction from pg_locks l left join pg_stat_activity a on a.pid = l.pid
        where l.locktype = 'virtualxid' and l.mode = 'ExclusiveLock' and l.granted and l.pid <> pg_backend_pid()
          -- Who has no user is the server itself: autovacuum, for hours.
          and (a.pid is null or a.usesysid is not null
               and (a.datid is null or a.datid = (select oid from pg_database where datname = current_database())))
        """
    private static let server = "pg_postmaster_start_time() || case when pg_is_in_recovery() then ' standby' else '' end"

    /// Has to come after the look that it is to answer for.
    init(in session: PostgresSession) throws(PostgresFailure) {
        let now = try session.query("select clock_timestamp(), \(Self.server), pg_snapshot_xmax(pg_current_snapshot()), pg_is_in_recovery()")
        (at, server, xmax, isStandby) = (now[0, 0] ?? "", now[0, 1] ?? "", now[0, 2] ?? "0", now[0, 3] == "t")
        // In this order: one that is prepared meanwhile is in both, and not in neither.
        let open = try session.query(Self.virtualIDs)
        self.open = (0..<open.count).compactMap { open[$0, 0] }
        let prepared = try session.query("select transaction from pg_prepared_xacts where database = current_database()")
        self.prepared = (0..<prepared.count).compactMap { prepared[$0, 0] }
    }

    /// Does nothing go on that could commit something older? Not where that cannot be known.
    var areNone: Bool { open.isEmpty && prepared.isEmpty && !isStandby }

    var horizon: String {
        // Strings always encode.
        (try? JSONEncoder().encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    /// - Throws: where the text is none of these.
    init(horizon: String) throws {
        do {
            self = try JSONDecoder().decode(Self.self, from: Data(horizon.utf8))
        } catch {
            throw TidemarkError(
                "a table's place cannot be read", why: "what the source said of open transactions is “\(horizon)”",
                remedy: "tidemark.sync_unit, or tidemark_sync_unit, of the target was altered by hand: set next_mark and next_mark_horizon of its row to null.")
        }
    }

    func haveEnded(in session: PostgresSession) throws(PostgresFailure) -> Bool {
        let here = try session.query("select \(Self.server), pg_is_in_recovery()")
        guard here[0, 0] == server, here[0, 1] != "t" else {
            // Another server than then, started since, or a standby: ids are all that says something, and the time.
            let rows = try session.query(
                """
                select pg_snapshot_xmin(pg_current_snapshot()) >= $1::xid8
                   and clock_timestamp() >= $2::timestamptz + make_interval(secs => \(Self.standbySeconds))
                """, [.text(xmax), .text(at)])
            return rows[0, 0] == "t"
        }
        let stillOpen = try session.query("select exists (\(Self.virtualIDs) and l.virtualtransaction = any ($1::text[]))", [.text(Self.array(open))])
        guard stillOpen[0, 0] != "t" else { return false }
        // One that was open may have been prepared since; which of those that were it was, nobody says.
        let stillPrepared = try session.query(
            """
            select exists (select from pg_prepared_xacts where database = current_database()
                           and (transaction::text = any ($1::text[]) or prepared >= $2::timestamptz))
            """, [.text(Self.array(prepared)), .text(at)])
        return stillPrepared[0, 0] != "t"
    }

    private static func array(_ ids: [String]) -> String { "{\(ids.joined(separator: ","))}" }
}
