import Testing
import TidemarkCore

@testable import TidemarkPostgres

@Suite("Apply: truncation")
struct ApplyTruncationTests {
    private static let partitioned = """
        create table r (k int, id int, primary key (k, id)) partition by list (k);
        create table r1 partition of r for values in (1); create table r2 partition of r for values in (2);
        insert into r values (1, 1), (1, 2), (2, 1)
        """

    @Test("F4: tables that refer to each other are truncated together; one that others refer to is emptied", arguments: [ApplyOrder.paged, .staged])
    func referenced(order: ApplyOrder) throws {
        let bench = try ApplyBench(
            """
            create table fa (id int primary key); create table fb (id int primary key, a int references fa);
            create table outside (a int references fa);
            insert into fa values (1); insert into fb values (1, 1); insert into outside values (1)
            """)
        bench.capture(1, "fa", ["id"], key: ["id"])
        bench.capture(2, "fb", ["id", "a"], key: ["id"])
        try bench.apply(order, [[.up(1, #"{"id":5}"#, #"{"id":5}"#), .truncate(1), .truncate(2), .up(1, #"{"id":7}"#, #"{"id":7}"#)]])
        #expect(try bench.rows("fa") == ["(7)"])
        #expect(try bench.rows("fb") == [])
        // Never CASCADE: a table outside the pipeline keeps its rows.
        #expect(try bench.rows("outside") == ["(1)"])
    }

    @Test("C2: truncation of one leaf empties that leaf only, after what came before it", arguments: [ApplyOrder.paged, .staged])
    func leaf(order: ApplyOrder) throws {
        let bench = try ApplyBench(Self.partitioned)
        bench.capture(1, "r", ["k", "id"], key: ["k", "id"])
        try bench.apply(order, [[
            .up(1, #"{"k":1,"id":8}"#, #"{"k":1,"id":8}"#), .up(1, #"{"k":2,"id":8}"#, #"{"k":2,"id":8}"#),
            .truncate(1, leaf: "r1"), .up(1, #"{"k":1,"id":9}"#, #"{"k":1,"id":9}"#),
        ]])
        #expect(try bench.rows("r") == ["(1,9)", "(2,1)", "(2,8)"])
    }

    @Test("C2: truncation of the root, logged with all its leaves, also empties a plain target")
    func root() throws {
        let bench = try ApplyBench(Self.partitioned + "; create table q (k int, id int, primary key (k, id)); insert into q values (1, 1)")
        bench.capture(1, "r", ["k", "id"], key: ["k", "id"])
        bench.capture(2, "q", ["k", "id"], key: ["k", "id"])
        // The leaves' truncations fall on another page than the root's.
        try bench.apply(.paged, [
            [.truncate(1), .truncate(2)],
            [
                .truncate(1, leaf: "r1"), .truncate(1, leaf: "r2"), .truncate(2, leaf: "q1"),
                .up(1, #"{"k":1,"id":9}"#, #"{"k":1,"id":9}"#),
            ],
        ])
        #expect(try bench.rows("r") == ["(1,9)"])
        #expect(try bench.rows("q") == [])
    }

    @Test("C2: a leaf that the target lacks stops, and never becomes the root", arguments: [ApplyOrder.paged, .staged])
    func leafMissing(order: ApplyOrder) throws {
        let bench = try ApplyBench(Self.partitioned + "; create table q (k int, id int, primary key (k, id)); insert into q values (1, 1)")
        bench.capture(1, "r", ["k", "id"], key: ["k", "id"])
        bench.capture(2, "q", ["k", "id"], key: ["k", "id"])
        for (capture, leaf) in [(Int32(1), "r3"), (2, "q1"), (2, "q"), (1, "r")] {
            let error = bench.refusal(order, [[.truncate(capture, leaf: leaf)]])
            #expect(error?.why.contains("public.\(leaf)") == true)
            #expect(error?.remedy.contains("tidemark copy --table") == true)
        }
        #expect(try bench.rows("r").count == 3)
        #expect(try bench.rows("q").count == 1)
    }

    @Test("B7, C2: whole rows deleted before their leaf was truncated are not missed")
    func wholeRowsAndLeaf() throws {
        let bench = try ApplyBench(
            """
            create table r (k int, v int) partition by list (k);
            create table r1 partition of r for values in (1); create table r2 partition of r for values in (2);
            insert into r values (1, 1), (2, 1)
            """)
        bench.capture(1, "r", ["k", "v"])
        for order in [ApplyOrder.paged, .staged] {
            try bench.apply(order, [[
                .rowGone(1, #"{"k":1,"v":1}"#), .rowGone(1, #"{"k":2,"v":7}"#), .truncate(1, leaf: "r1"),
                .row(1, #"{"k":2,"v":7}"#), .row(1, #"{"k":1,"v":1}"#),
            ]])
            #expect(try bench.rows("r") == ["(1,1)", "(2,1)"])
        }
    }
}
