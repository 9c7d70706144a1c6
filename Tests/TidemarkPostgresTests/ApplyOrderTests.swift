import Testing
import TidemarkCore

@testable import TidemarkPostgres

@Suite("Apply: order within a window")
struct ApplyOrderTests {
    private static let seats = "create table seat (id int primary key, place int unique); insert into seat values (1, 10), (2, 20)"

    private func seats() throws -> ApplyBench {
        let bench = try ApplyBench(Self.seats)
        bench.capture(1, "seat", ["id", "place"], key: ["id"])
        return bench
    }

    @Test("F1: two rows that swap a unique value pass, on one page and on two", arguments: [false, true])
    func swap(onTwoPages: Bool) throws {
        let bench = try seats()
        let (first, second) = (
            TestChange.up(1, #"{"id":1}"#, #"{"id":1,"place":20}"#), TestChange.up(1, #"{"id":2}"#, #"{"id":2,"place":10}"#)
        )
        if onTwoPages {
            // The first page alone passes after a retry, the second cannot; a page is gone by then.
            let filler = TestChange.up(1, #"{"id":3}"#, #"{"id":3,"place":30}"#)
            let error = bench.refusal(.paged, [[filler], [first, second]])
            #expect(error?.retry == .staged)
            #expect(try bench.rows("seat") == ["(1,10)", "(2,20)"])
            try bench.apply(.staged, [[filler], [first], [second]])
            #expect(try bench.rows("seat") == ["(1,20)", "(2,10)", "(3,30)"])
        } else {
            try bench.apply(.paged, [[first, second]])
            #expect(try bench.rows("seat") == ["(1,20)", "(2,10)"])
        }
    }

    @Test("F1: a clash with a row of the target's own stops, and names the row and the change")
    func realClash() throws {
        let bench = try seats()
        try bench.session.run("insert into seat values (99, 90)")
        let changes: [TestChange] = (3...40).map { .up(1, #"{"id":\#($0)}"#, #"{"id":\#($0),"place":\#($0 == 17 ? 90 : $0 + 1000)}"#) }
        for order in [ApplyOrder.paged, .staged] {
            let error = bench.refusal(order, [changes])
            #expect(error?.key == #"{"id":17}"#)
            #expect(error?.table?.name == "seat")
            #expect(error?.retry == .never)
            #expect(error?.description.contains("seat_place_key") == true)
            #expect(error?.description.contains("90") == false)
        }
        #expect(try bench.rows("seat").count == 3)
        #expect(bench.cursor.lastID == 0)
    }

    @Test("F1: an exclusion constraint is met like a unique one")
    func exclusion() throws {
        let bench = try ApplyBench(
            """
            create table stay (id int primary key, days int4range, exclude using gist (days with &&));
            insert into stay values (1, '[1,5)'), (2, '[5,9)')
            """)
        bench.capture(1, "stay", ["id", "days"], key: ["id"])
        try bench.follow([
            [.up(1, #"{"id":3}"#, #"{"id":3,"days":"[20,30)"}"#)],
            [.up(1, #"{"id":1}"#, #"{"id":1,"days":"[5,9)"}"#), .up(1, #"{"id":2}"#, #"{"id":2,"days":"[1,5)"}"#)],
        ])
        #expect(try bench.rows("stay") == [#"(1,"[5,9)")"#, #"(2,"[1,5)")"#, #"(3,"[20,30)")"#])
    }

    @Test("a staged window is the last image of each row, with truncation as a barrier, over pages")
    func stagedNetEffect() throws {
        let bench = try seats()
        bench.capture(2, "line", ["a"])
        try bench.session.run("create table line (a int); insert into line values (0)")
        try bench.apply(.staged, [
            [.up(1, #"{"id":5}"#, #"{"id":5,"place":1}"#), .row(2, #"{"a":1}"#), .rowGone(2, #"{"a":0}"#)],
            [.truncate(1), .truncate(2), .up(1, #"{"id":6}"#, #"{"id":6,"place":1}"#), .rowGone(2, #"{"a":3}"#)],
            [.up(1, #"{"id":7}"#, #"{"id":7,"place":2}"#), .gone(1, #"{"id":6}"#), .row(2, #"{"a":3}"#), .row(2, #"{"a":4}"#)],
        ])
        #expect(try bench.rows("seat") == ["(7,2)"])
        #expect(try bench.rows("line") == ["(4)"])
    }

    @Test("F2: staging in replica role fires no cascade of the target")
    func noCascade() throws {
        let bench = try ApplyBench(
            """
            create table ca (id int primary key, v text unique);
            create table cb (id int primary key, a int references ca on delete cascade);
            insert into ca values (1, 'x'), (2, 'y'); insert into cb values (1, 1)
            """)
        bench.capture(1, "ca", ["id", "v"], key: ["id"])
        try bench.follow([[.up(1, #"{"id":1}"#, #"{"id":1,"v":"y"}"#), .up(1, #"{"id":2}"#, #"{"id":2,"v":"x"}"#)]])
        #expect(try bench.rows("ca") == ["(1,y)", "(2,x)"])
        #expect(try bench.rows("cb") == ["(1,1)"])
    }

    @Test("F3: a key that changes only its text arrives with its new text", arguments: [ApplyOrder.paged, .staged])
    func keyText(order: ApplyOrder) throws {
        let bench = try ApplyBench(
            """
            create extension citext;
            create collation nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
            create table n (k numeric primary key, v int); insert into n values (1.0, 1), (2, 2);
            create table c (k citext primary key, v int); insert into c values ('Abc', 1);
            create table f (k char(4) primary key, v int); insert into f values ('ab', 1);
            create table u (k text collate nocase primary key, v int); insert into u values ('Straße', 1)
            """)
        for (number, name) in zip(Int32(1)..., ["n", "c", "f", "u"]) { bench.capture(number, name, ["k", "v"], key: ["k"]) }
        try bench.apply(order, [[
            .gone(1, #"{"k":1.0}"#), .up(1, #"{"k":1.00}"#, #"{"k":1.00,"v":1}"#),
            .up(1, #"{"k":2.0}"#, #"{"k":2.0,"v":7}"#), .gone(1, #"{"k":2.000}"#), .up(1, #"{"k":2.00}"#, #"{"k":2.00,"v":8}"#),
            .gone(2, #"{"k":"Abc"}"#), .up(2, #"{"k":"aBC"}"#, #"{"k":"aBC","v":2}"#),
            .up(3, #"{"k":"ab  "}"#, #"{"k":"ab  ","v":3}"#), .up(3, #"{"k":"ab"}"#, #"{"k":"ab","v":4}"#),
            .gone(4, #"{"k":"Straße"}"#), .up(4, #"{"k":"straße"}"#, #"{"k":"straße","v":5}"#),
        ]])
        #expect(try bench.rows("n") == ["(1.00,1)", "(2.00,8)"])
        #expect(try bench.rows("c") == ["(aBC,2)"])
        #expect(try bench.rows("f") == ["(\"ab  \",4)"])
        #expect(try bench.rows("u") == ["(straße,5)"])
    }

    @Test("F3: identity columns GENERATED ALWAYS, in the key and beside it")
    func identity() throws {
        let bench = try ApplyBench(
            """
            create table k (id int generated always as identity primary key, v int);
            create table b (id int primary key, n int generated always as identity, v int);
            insert into k overriding system value values (1, 1);
            insert into b (id, v) values (1, 1)
            """)
        bench.capture(1, "k", ["id", "v"], key: ["id"])
        bench.capture(2, "b", ["id", "n", "v"], key: ["id"])
        for order in [ApplyOrder.paged, .staged] {
            let v = order == .paged ? 5 : 6
            try bench.apply(order, [[
                .up(1, #"{"id":1}"#, #"{"id":1,"v":\#(v)}"#), .up(1, #"{"id":9}"#, #"{"id":9,"v":\#(v)}"#),
                .up(2, #"{"id":1}"#, #"{"id":1,"n":4\#(v),"v":2}"#),
            ]])
            #expect(try bench.rows("k") == ["(1,\(v))", "(9,\(v))"])
            #expect(try bench.rows("b") == ["(1,4\(v),2)"])
        }
    }

    @Test("B7: whole rows, all insertions before all deletions, whatever the pages; each deletion takes one row")
    func wholeRows() throws {
        let bench = try ApplyBench(
            """
            create table w (a int, t text, n numeric);
            insert into w values (1, 'x', 1.0), (1, 'x', 1.0), (1, 'x', 1.00), (2, null, null)
            """)
        bench.capture(1, "w", ["a", "t", "n"])
        try bench.apply(.paged, [
            [.rowGone(1, #"{"a":3,"t":"late","n":null}"#), .rowGone(1, #"{"a":1,"t":"x","n":1.0}"#)],
            [.row(1, #"{"a":3,"t":"late","n":null}"#), .rowGone(1, #"{"a":2,"t":null,"n":null}"#)],
        ])
        #expect(try bench.rows("w") == ["(1,x,1.0)", "(1,x,1.00)"])
        let error = bench.refusal(.paged, [[.rowGone(1, #"{"a":1,"t":"x","n":1.0}"#), .rowGone(1, #"{"a":1,"t":"x","n":1.0}"#)]])
        #expect(error?.what.contains("is not on the target") == true)
        #expect(error?.changeID == 6)
        #expect(try bench.rows("w").count == 2)
    }

    @Test("B6: a deferrable or missing unique index on the key is refused with the statement to type")
    func keyOfTheTarget() throws {
        let bench = try ApplyBench(
            """
            create table d (id int primary key deferrable, v int); create unique index on d (id);
            create table m (id int, v int);
            create table p (id int not null, v int); create unique index on p (id) where v > 0
            """)
        for (number, name) in zip(Int32(1)..., ["d", "m", "p"]) { bench.capture(number, name, ["id", "v"], key: ["id"]) }
        for number in Int32(1)...3 {
            let error = bench.refusal(.paged, [[.up(number, #"{"id":1}"#, #"{"id":1,"v":1}"#)]])
            #expect(error?.remedy.contains(number == 1 ? #"drop constraint "d_pkey""# : "create unique index on") == true)
        }
    }

    @Test("changes of two generations of one table keep their order", arguments: [ApplyOrder.paged, .staged])
    func generations(order: ApplyOrder) throws {
        let bench = try seats()
        bench.capture(2, "seat", ["id", "place"], key: ["id"])
        try bench.apply(order, [[
            .up(1, #"{"id":3}"#, #"{"id":3,"place":3}"#), .up(1, #"{"id":4}"#, #"{"id":4,"place":4}"#),
            .gone(2, #"{"id":3}"#), .up(2, #"{"id":4}"#, #"{"id":4,"place":44}"#),
        ]])
        #expect(try bench.rows("seat") == ["(1,10)", "(2,20)", "(4,44)"])
    }

    @Test("a delete of a keyed row that is not there is no error")
    func idempotent() throws {
        let bench = try seats()
        try bench.apply(.paged, [[.gone(1, #"{"id":77}"#), .up(1, #"{"id":1}"#, #"{"id":1,"place":11}"#)]])
        #expect(try bench.rows("seat") == ["(1,11)", "(2,20)"])
    }
}
