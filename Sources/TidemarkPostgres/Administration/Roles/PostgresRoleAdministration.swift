import Glibc
import PostgresSQL
package import TidemarkCore

/// Changes what one PostgreSQL database is to a pipeline.
package final class PostgresRoleAdministration: RoleAdministration {
    private let session: PostgresSession
    private let side: String

    package init(_ url: String, side: String) throws {
        session = try reporting("the \(side) cannot be reached") { try PostgresSession(url) }
        self.side = side
    }

    package func installRoles() throws {
        let what = "what keeps roles cannot be made in the \(side)"
        try reporting(what) { try OwnSchema(session: session).make(by: PostgresSQL.roles, doing: what) }
    }

    /// A lock of the session's: it goes when the process does.
    package func claim(_ pipeline: String) throws {
        try reporting("the \(side)'s role cannot be claimed") {
            let rows = try session.query("select pg_try_advisory_lock(hashtextextended('tidemark roles ' || $1, 0))", [.text(pipeline)])
            guard rows[0, 0] == "t" else { throw RoleChangeUnderWay.error(pipeline) }
        }
    }

    package func standing(of pipeline: String) throws -> Standing? {
        try reporting("the \(side)'s role cannot be read") {
            try OwnSchema(session: session).refuseForeign()
            return try RoleRecord(session: session, pipeline: pipeline).read()
        }
    }

    package func note(_ standing: Standing, of pipeline: String) throws {
        try reporting("the \(side)'s role cannot be noted") { try RoleRecord(session: session, pipeline: pipeline).note(standing) }
    }

    /// Of functions that may not be there yet: they are made, asked, and rolled back.
    package func planGuard(on tables: [TableName], made: [TableName], of pipeline: String) throws -> [PlannedStatement] {
        try reporting("the guard cannot be planned") {
            try OwnSchema(session: session).refuseForeign()
            try session.run(TableLocks.begin)
            defer { session.rollback() }
            try session.run(PostgresSQL.roles)
            return try Guard(session: session, pipeline: pipeline).plan(tables, made: made)
        }
    }

    @discardableResult
    package func raiseGuard(on tables: [TableName], of pipeline: String, noting standing: Standing, waitMs: Int) throws -> Double {
        try reporting("the \(side)'s tables cannot be guarded") {
            let relations = try Guard(session: session, pipeline: pipeline).relations(tables)
            return try trying(waitMs, "the \(side)'s tables cannot be guarded", on: relations, of: pipeline) { tryMs in
                try session.query(
                    "select tidemark.raise_guard($1::regclass[], $2, $3)", [.text(relations), .text(pipeline), .text(String(tryMs))])
                try RoleRecord(session: session, pipeline: pipeline).note(standing)
            }
        }
    }

    package func liftGuard(of pipeline: String, noting standing: Standing, closing cursor: Cursor?) throws {
        try reporting("the guard of the \(side)'s tables cannot be lifted") {
            let guarded = try Guard(session: session, pipeline: pipeline).relations(guardedTables(of: pipeline).sorted())
            try trying(Self.liftWaitMs, "the guard of the \(side)'s tables cannot be lifted", on: guarded, of: pipeline) { tryMs in
                // The cursor first: a worker that is at it holds it before it holds tables.
                if let cursor {
                    try session.query("select set_config('lock_timeout', $1, true)", [.text(String(tryMs))])
                    try close(cursor, of: pipeline)
                }
                try session.query("select tidemark.lift_guard($1, $2)", [.text(pipeline), .text(String(tryMs))])
                try RoleRecord(session: session, pipeline: pipeline).note(standing)
            }
        }
    }

    private func close(_ cursor: Cursor, of pipeline: String) throws {
        let closed = try session.query(
            """
            update tidemark.cursor set closed_at = now(), epoch = epoch + 1, hold = null, held_by = null, held_at = null
            where pipeline = $1 and epoch = $2
            """, [.text(pipeline), .text(String(cursor.epoch))])
        guard closed.affected == 1 else { throw try CursorRow(session: session, pipeline: pipeline).elsewhere(than: cursor) }
    }

    package func forget(_ pipeline: String) throws {
        try reporting("the guard of the \(side)'s tables cannot be lifted") {
            guard try Guard(session: session, pipeline: pipeline).isInstalled() else { return }
            let guarded = try Guard(session: session, pipeline: pipeline).relations(guardedTables(of: pipeline).sorted())
            try trying(Self.liftWaitMs, "the guard of the \(side)'s tables cannot be lifted", on: guarded, of: pipeline) { tryMs in
                try session.query("select tidemark.lift_guard($1, $2)", [.text(pipeline), .text(String(tryMs))])
                try session.query("delete from tidemark.role where pipeline = $1", [.text(pipeline)])
            }
        }
    }

    package func planForgetting(_ pipeline: String) throws -> [PlannedStatement] {
        try reporting("the guard cannot be planned") {
            guard try standing(of: pipeline) != nil else { return [] }
            let name = PostgresIdentifier.literal(pipeline)
            return [
                PlannedStatement("select tidemark.lift_guard(\(name), \(Self.tryMs))", lock: "SHARE ROW EXCLUSIVE on the tables that are guarded; who only reads goes on"),
                PlannedStatement("delete from tidemark.role where pipeline = \(name)", lock: "none on any table of yours"),
            ]
        }
    }

    package func guardedTables(of pipeline: String) throws -> Set<TableName> {
        try reporting("the guard of the \(side)'s tables cannot be read") { try Guard(session: session, pipeline: pipeline).tables() }
    }

    package func unguarded(_ tables: [TableName], of pipeline: String) throws -> [TableName] {
        try reporting("the guard of the \(side)'s tables cannot be read") {
            try Guard(session: session, pipeline: pipeline).missing(on: tables)
        }
    }

    package func hold(_ pipeline: String, for reason: CursorHold.Reason, by holder: String) throws -> Cursor {
        try reporting("the pipeline cannot be held") {
            let row = CursorRow(session: session, pipeline: pipeline)
            let rows = try session.query(
                """
                update tidemark.cursor set epoch = epoch + 1, hold = $2, held_by = $3, held_at = now()
                where pipeline = $1 and closed_at is null and (hold is null or hold in ('paused', $2) or held_by = $3)
                returning \(CursorRow.columns)
                """, [.text(pipeline), .text(reason.rawValue), .text(holder)])
            if rows.count == 0, let refusal = try row.stored()?.refusal(of: nil, pipeline: pipeline) { throw refusal }
            return try row.parsed(rows)
        }
    }

    package func release(_ pipeline: String) throws {
        try reporting("the pipeline cannot be released") {
            try session.query("update tidemark.cursor set hold = null, held_by = null, held_at = null where pipeline = $1", [.text(pipeline)])
        }
    }

    package func follow(_ cursor: Cursor, tables: [TableName: Int32], of pipeline: String) throws {
        try reporting("the \(side) cannot follow another database") {
            try transaction {
                try session.query(
                    """
                    insert into tidemark.cursor as c (pipeline, source, snapshot, witness, last_id, epoch, revision) values ($1, $2, $3, $4, $5, 1, 1)
                    on conflict (pipeline) do update set source = excluded.source, snapshot = excluded.snapshot, witness = excluded.witness,
                        last_id = excluded.last_id, epoch = c.epoch + 1, revision = c.revision + 1, applied_at = null, failure = null,
                        hold = null, held_by = null, held_at = null, closed_at = null, source_at = null, seen_id = null, seen_at = null
                    """,
                    [
                        .text(pipeline), .text(cursor.source), .text(cursor.snapshot.description), .text(cursor.witness),
                        .text(String(cursor.lastID)),
                    ])
                try session.query("delete from tidemark.table_copy where pipeline = $1", [.text(pipeline)])
                try session.query("delete from tidemark.table_proof where pipeline = $1", [.text(pipeline)])
                try ParkedRecords(session: session, pipeline: pipeline).discard(nil, because: "the database follows another one")
                for (table, capture) in tables.sorted(by: { $0.key < $1.key }) {
                    var copy = TableCopy(table, .keep)
                    copy.capture = capture
                    try CopyRecords(session: session, pipeline: pipeline).save(copy)
                }
            }
        }
    }

    // MARK: Waiting for writers

    /// Shorter than the time after which a server looks for deadlocks, by default: an application's transaction must
    /// not be ended for what waits here.
    private static let tryMs = 500
    /// Between two tries nothing is locked, for as long as who waited behind one may need.
    private static let pauseMs = 250
    private static let liftWaitMs = 30_000

    /// Runs a transaction that locks tables against writers, again until the time is over.
    /// - Parameter body: with how long it may wait in all.
    /// - Returns: how long the last try took, in seconds.
    @discardableResult
    private func trying(
        _ waitMs: Int, _ what: String, on relations: String, of pipeline: String, _ body: (Int) throws -> Void
    ) throws -> Double {
        let clock = ContinuousClock()
        let deadline = clock.now + .milliseconds(waitMs)
        while true {
            do {
                let begun = clock.now
                let left = (deadline - begun) / .milliseconds(1)
                try transaction { try body(min(Self.tryMs, max(Int(left), 10))) }
                return (clock.now - begun) / .seconds(1)
            } catch let failure as PostgresFailure where Self.saysWriting.contains(failure.sqlState) {
                guard clock.now < deadline else {
                    throw try LockHolders(session: session).refusal(what, on: relations, pipeline: pipeline)
                }
                usleep(UInt32(Self.pauseMs) * 1_000)
            }
        }
    }

    /// A lock that was not to be had in time, and a deadlock, which is found here first.
    private static let saysWriting: Set = ["55P03", "40P01"]

    private func transaction(_ body: () throws -> Void) throws {
        try session.run("begin")
        do {
            try body()
            try session.run("commit")
        } catch {
            session.rollback()
            throw error
        }
    }
}
