import Testing
import TidemarkCore

@testable import TidemarkPostgres

@Suite("Apply: a role that may not hold triggers still")
struct ApplyForeignKeyTests {
    private static let family = """
        create table parent (id int primary key, email text unique);
        create table child (id int primary key, parent int not null references parent on delete cascade);
        create table grandchild (id int primary key, child int not null references child on delete cascade);
        insert into parent values (1, 'a'), (2, 'b'); insert into child values (1, 1), (2, 2); insert into grandchild values (1, 1), (2, 2)
        """

    private func family(_ schema: String = Self.family) throws -> ApplyBench {
        let bench = try ApplyBench(schema, asRole: true)
        bench.capture(1, "grandchild", ["id", "child"], key: ["id"])
        bench.capture(2, "child", ["id", "parent"], key: ["id"])
        bench.capture(3, "parent", ["id", "email"], key: ["id"])
        #expect(!bench.target.context.holdsTriggersStill)
        return bench
    }

    @Test("rows arrive parents first and go children first, whatever the order in the log", arguments: [ApplyOrder.paged, .staged])
    func order(order: ApplyOrder) throws {
        let bench = try family()
        try bench.apply(order, [[
            .up(1, #"{"id":3}"#, #"{"id":3,"child":3}"#), .up(2, #"{"id":3}"#, #"{"id":3,"parent":3}"#),
            .up(3, #"{"id":3}"#, #"{"id":3,"email":"c"}"#),
            .gone(3, #"{"id":2}"#), .gone(2, #"{"id":2}"#), .gone(1, #"{"id":2}"#),
        ]])
        #expect(try bench.rows("parent") == ["(1,a)", "(3,c)"])
        #expect(try bench.rows("child") == ["(1,1)", "(3,3)"])
        #expect(try bench.rows("grandchild") == ["(1,1)", "(3,3)"])
    }

    @Test("F2: a child that moved away from a deleted parent is not taken by the cascade, nor are its own children", arguments: [ApplyOrder.paged, .staged])
    func moved(order: ApplyOrder) throws {
        let bench = try family()
        try bench.apply(order, [[.up(2, #"{"id":1}"#, #"{"id":1,"parent":2}"#), .gone(3, #"{"id":1}"#)]])
        #expect(try bench.rows("parent") == ["(2,b)"])
        #expect(try bench.rows("child") == ["(1,2)", "(2,2)"])
        #expect(try bench.rows("grandchild") == ["(1,1)", "(2,2)"])
    }

    @Test("a unique value passes from a deleted row to a new one")
    func uniqueOfDeleted() throws {
        let bench = try family()
        try bench.apply(.paged, [[
            .gone(1, #"{"id":1}"#), .gone(2, #"{"id":1}"#), .gone(3, #"{"id":1}"#), .up(3, #"{"id":9}"#, #"{"id":9,"email":"a"}"#),
        ]])
        #expect(try bench.rows("parent") == ["(2,b)", "(9,a)"])
    }

    @Test("F2: rows that swap a unique value stop, with the row and the grant; nothing was deleted")
    func swap() throws {
        let bench = try family()
        let error = bench.refusal(.paged, [[.up(3, #"{"id":1}"#, #"{"id":1,"email":"b"}"#), .up(3, #"{"id":2}"#, #"{"id":2,"email":"a"}"#)]])
        #expect(error?.key == #"{"id":1}"#)
        #expect(error?.remedy.contains("grant set on parameter session_replication_role to \"applier_") == true)
        #expect(try bench.rows("grandchild").count == 2)
    }

    @Test("a page whose parents are on the next one asks for staging, and fits then")
    func acrossPages() throws {
        let bench = try family()
        let pages: [[TestChange]] = [
            [.up(3, #"{"id":5}"#, #"{"id":5,"email":"e"}"#)], [.up(2, #"{"id":3}"#, #"{"id":3,"parent":3}"#)],
            [.up(3, #"{"id":3}"#, #"{"id":3,"email":"c"}"#)],
        ]
        #expect(bench.refusal(.paged, pages)?.retry == .staged)
        try bench.apply(.staged, pages)
        #expect(try bench.rows("child").contains("(3,3)"))
    }

    @Test("a cycle of deferrable foreign keys fits, and one that stays open names the row")
    func cycle() throws {
        let bench = try ApplyBench(
            """
            create table a (id int primary key, b int); create table b (id int primary key, a int references a deferrable);
            alter table a add foreign key (b) references b deferrable; 
            create table self (id int primary key, boss int references self)
            """, asRole: true)
        bench.capture(1, "a", ["id", "b"], key: ["id"])
        bench.capture(2, "b", ["id", "a"], key: ["id"])
        bench.capture(3, "self", ["id", "boss"], key: ["id"])
        try bench.follow([[
            .up(1, #"{"id":1}"#, #"{"id":1,"b":1}"#), .up(2, #"{"id":1}"#, #"{"id":1,"a":1}"#),
            .up(3, #"{"id":1}"#, #"{"id":1,"boss":2}"#), .up(3, #"{"id":2}"#, #"{"id":2,"boss":2}"#),
        ]])
        #expect(try bench.rows("a") == ["(1,1)"])
        let error = bench.refusal(.paged, [[.up(1, #"{"id":2}"#, #"{"id":2,"b":1}"#), .up(1, #"{"id":3}"#, #"{"id":3,"b":30}"#)]])
        #expect(error?.key == #"{"id":3}"#)
        #expect(error?.changeID == 6)
        #expect(error?.why.contains("a_b_fkey") == true)
        try bench.apply(.paged, [[.gone(3, #"{"id":2}"#), .gone(3, #"{"id":1}"#)]])
        #expect(try bench.rows("self") == [])
    }

    @Test("a parent that the target lacks stops, with the row, the constraint and the grant")
    func orphan() throws {
        let bench = try family()
        let changes: [TestChange] = (10...30).map { .up(2, #"{"id":\#($0)}"#, #"{"id":\#($0),"parent":\#($0 == 21 ? 77 : 1)}"#) }
        let error = bench.refusal(.paged, [changes])
        #expect(error?.key == #"{"id":21}"#)
        #expect(error?.why.contains("child_parent_fkey") == true)
        #expect(error?.remedy.contains("grant set on parameter") == true)
    }

    @Test("F4: a truncated table that others refer to is never emptied by a cascade")
    func truncation() throws {
        let bench = try family()
        let error = bench.refusal(.paged, [[.truncate(3)]])
        #expect(error?.why.contains("child_parent_fkey") == true)
        #expect(try bench.rows("child").count == 2)
        try bench.apply(.paged, [[.truncate(3), .truncate(2), .truncate(1), .up(3, #"{"id":1}"#, #"{"id":1,"email":"a"}"#)]])
        #expect(try bench.rows("parent") == ["(1,a)"])
        #expect(try bench.rows("grandchild") == [])
    }

    @Test("whole rows that refer to others come after them and go before them", arguments: [ApplyOrder.paged, .staged])
    func wholeRows(order: ApplyOrder) throws {
        let bench = try ApplyBench(
            """
            create table parent (id int primary key); create table line (parent int references parent);
            insert into parent values (1); insert into line values (1)
            """, asRole: true, grants: "grant temporary on database template1 to $role")
        bench.capture(1, "line", ["parent"])
        bench.capture(2, "parent", ["id"], key: ["id"])
        try bench.apply(order, [[
            .row(1, #"{"parent":2}"#), .up(2, #"{"id":2}"#, #"{"id":2}"#), .gone(2, #"{"id":1}"#), .rowGone(1, #"{"parent":1}"#),
        ]])
        #expect(try bench.rows("line") == ["(2)"])
        #expect(try bench.rows("parent") == ["(2)"])
    }

    @Test("F3: an identity column GENERATED ALWAYS beside the key is refused with both ways out")
    func identity() throws {
        let bench = try ApplyBench("create table b (id int primary key, n int generated always as identity)", asRole: true)
        bench.capture(1, "b", ["id", "n"], key: ["id"])
        let error = bench.refusal(.paged, [[.up(1, #"{"id":1}"#, #"{"id":1,"n":1}"#)]])
        #expect(error?.remedy.contains(#"alter column "n" set generated by default"#) == true)
    }

    @Test("from PostgreSQL 15 a role that was granted the parameter holds triggers still")
    func granted() throws {
        let bench = try ApplyBench(
            Self.family, asRole: true, grants: "grant set on parameter session_replication_role to $role")
        #expect(bench.target.context.holdsTriggersStill)
        bench.capture(2, "child", ["id", "parent"], key: ["id"])
        try bench.apply(.paged, [[.up(2, #"{"id":7}"#, #"{"id":7,"parent":77}"#)]])
        #expect(try bench.rows("child").contains("(7,77)"))
    }
}
