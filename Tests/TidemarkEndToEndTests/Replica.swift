import Foundation
import Testing
import TidemarkTestSupport

@testable import TidemarkPostgres

/// A source and a target with the same tables, and the binary between them.
struct Replica {
    let source: String
    let target: String
    let onSource: PostgresSession
    let onTarget: PostgresSession

    /// - Parameter schema: runs on both sides before capture is set up; without one it is not.
    init(
        _ schema: String, source: ScratchCluster = .shared, target: ScratchCluster = .shared
    ) throws {
        self.source = try source.database("source")
        self.target = try target.database("target")
        onSource = try PostgresSession(self.source)
        onTarget = try PostgresSession(self.target)
        for session in [onSource, onTarget] {
            try session.run("set search_path = public; set session_replication_role = origin")
            if !schema.isEmpty { try session.run(schema) }
        }
        guard !schema.isEmpty else { return }
        let setup = tidemark("setup")
        #expect(setup.status == 0, "\(setup.output)")
        // Both sides hold the same: from here on the stream alone has to bring the rows.
        let start = tidemark("run", "--once", "--no-copy")
        #expect(start.status == 0, "\(start.output)")
    }

    /// Runs the built binary with this source and target.
    func tidemark(_ command: String...) -> (status: Int32, output: String) {
        Shell.run(Self.binary, command + ["--source", source, "--target", target])
    }

    static var binary: String { Shell.tidemark }

    func follow() {
        let run = tidemark("run", "--once")
        #expect(run.status == 0, "\(run.output)")
    }

    /// Every row of a table as text, in an order of its own.
    static func rows(_ table: String, _ session: PostgresSession) throws -> String {
        try session.query("select coalesce(string_agg(r::text, e'\\n' order by r::text), '') from \(table) r")[0, 0] ?? ""
    }

    /// Looks again until it is so, for half a minute at most.
    func wait(_ isSo: () throws -> Bool) throws {
        let deadline = Date().addingTimeInterval(30)
        while try !isSo() {
            guard Date() < deadline else {
                Issue.record("it did not come about in 30 s")
                return
            }
        }
    }

    func expectEqual(_ tables: String...) throws {
        // Sessions of their own: a test may have changed how the others write values.
        let (sourceReader, targetReader) = (try PostgresSession(source), try PostgresSession(target))
        for session in [sourceReader, targetReader] { try session.run("set search_path = public") }
        for table in tables {
            #expect(try Self.rows(table, targetReader) == Self.rows(table, sourceReader), "table \(table)")
        }
    }
}

extension PostgresSession {
    /// A session that looks into one schema.
    convenience init(_ url: String, schema: String) throws {
        try self.init(url)
        try run("set search_path = \(schema)")
    }
}
