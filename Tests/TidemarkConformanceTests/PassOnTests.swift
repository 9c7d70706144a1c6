import Logging
import Testing
import TidemarkApp
import TidemarkCore
import TidemarkPipeline
import TidemarkTestSupport

/// Databases in a chain, and two that follow each other.
@Suite("Passing on", .ownThreads)
struct PassOnTests {
    private static let schema = "create table t (id int primary key, v text); create table w (v text)"

    /// A database that is a source, and a target, and both.
    private struct Station {
        let database: ScratchPostgres

        init(_ name: String) throws {
            database = ScratchPostgres(address: try ScratchCluster.shared.database(name))
            try database.run(PassOnTests.schema)
        }

        func rows() throws -> [String] { try database.rows("t", ["id", "v"]) + database.rows("w", ["v"]) }
        func value(_ sql: String) throws -> String? { try database.rows("(select (\(sql))::text as x) q", ["x"]).first }
        func installation() throws -> String? { try value("select id from tidemark.installation") }

        /// How many changes the log holds of each origin, as the installation that it is; ∅ for this one.
        func logged() throws -> [String] {
            try database.rows(
                """
                (select o, count(*) as n from (select (select split_part(split_part(a.origin, ' ', 1), '/', 3) from tidemark.applied a where a.xid = d.xid and a.after_id < d.id
                    order by a.after_id desc limit 1) as o from tidemark.data_changes d) d group by 1) q
                """, ["o", "n"])
        }
    }

    private static func way(_ name: String, _ source: Station, _ target: Station, kind: CaptureKind = .auto, passesOn: Bool = false) throws -> PipelineDefinition {
        var definition = PipelineDefinition(name: name, source: source.database.address, target: target.database.address)
        (definition.kind, definition.passesOn) = (kind, passesOn)
        _ = try Installation(definition).setUp()
        return definition
    }

    private static func follow(_ definition: PipelineDefinition, _ existing: TableCopy.Existing = .keep) async throws {
        var settings = Pipeline.Settings(name: definition.name, worker: definition.name)
        settings.existing = existing
        let silent = Logger(label: "passing on") { _ in SwiftLogNoOpLogHandler() }
        _ = try await Pipeline(definition, settings, log: silent).runOnce()
    }

    @Test("what A made goes through B and C to E as A's, copied or followed; who does not pass on gets what B made alone", arguments: [CaptureKind.statement, .row])
    func cascade(kind: CaptureKind) async throws {
        let (a, b, c, d, e) = (try Station("a"), try Station("b"), try Station("c"), try Station("d"), try Station("e"))
        let ce = try Self.way("ce", c, e, kind: kind, passesOn: true)
        let bc = try Self.way("bc", b, c, kind: kind, passesOn: true)
        let bd = try Self.way("bd", b, d, kind: kind)
        for way in [ce, bc, bd] { try await Self.follow(way, .refuse) }
        try a.database.run("insert into t select i, 'a' from generate_series(1, 500) i; insert into w values ('a'), ('a')")
        let ab = try Self.way("ab", a, b)
        try await Self.follow(ab, .refuse)
        let (fromA, fromB) = (try #require(try a.installation()), try #require(try b.installation()))
        #expect(try b.logged() == ["\(fromA)|502"])
        try b.database.run("insert into t values (1001, 'b'), (1002, 'b'); insert into w values ('b')")
        try a.database.run("update t set v = 'A' where id <= 3; delete from t where id = 4; delete from w where ctid = (select min(ctid) from w); insert into t values (501, 'a')")
        try await Self.follow(ab)
        #expect(try b.rows().count == 500 + 2 + 2)
        for way in [bc, bd] { try await Self.follow(way) }
        #expect(try c.rows() == b.rows())
        #expect(try d.rows() == ["1001|b", "1002|b", "b"])
        let atC = try c.logged()
        #expect(atC.count == 2 && atC.contains("\(fromB)|3") && atC.contains { $0.hasPrefix("\(fromA)|") })
        try await Self.follow(ce)
        #expect(try e.rows() == b.rows())
        try b.database.run("truncate t")
        try a.database.run("truncate w")
        for way in [ab, bc, bd, ce] { try await Self.follow(way) }
        #expect(try [b, c, e].map { try $0.rows() } == [[], [], []].map { $0 + (try b.database.rows("w", ["v"])) })
        #expect(try d.rows() == ["b"])
    }

    @Test("two that pass on to each other get each change once, and fall quiet")
    func bothWays() async throws {
        let (a, b) = (try Station("a"), try Station("b"))
        let ab = try Self.way("ab", a, b, passesOn: true)
        let ba = try Self.way("ba", b, a, passesOn: true)
        for round in 0..<6 {
            try a.database.run("insert into t values (\(round * 2), 'a'); insert into w values ('a\(round)'); update t set v = v || '+' where id = \(round * 2)")
            try b.database.run("insert into t values (\(round * 2 + 1), 'b'); insert into w values ('b\(round)')")
            async let there: Void = Self.follow(ab)
            async let back: Void = Self.follow(ba)
            _ = try await (there, back)
        }
        for _ in 0..<4 { for way in [ab, ba] { try await Self.follow(way) } }
        #expect(try a.rows() == b.rows() && a.rows().count == 24)
        func count(_ station: Station) throws -> [String?] {
            [try station.value("select count(*) from tidemark.data_changes"), try station.value("select count(*) from tidemark.data_changes where key is null")]
        }
        // Of A's two changes of a row in one window, the last one is what arrives.
        #expect(try count(a) == ["30", "12"])
        let atB = try count(b)
        #expect(try #require(Int(atB[0] ?? "")) <= 30 && atB[1] == "12")
        for _ in 0..<3 { for way in [ab, ba] { try await Self.follow(way) } }
        #expect(try count(a) == ["30", "12"] && count(b) == atB)
    }
}
