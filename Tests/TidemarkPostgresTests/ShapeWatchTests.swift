import Testing
import TidemarkCore
import TidemarkTestSupport

@testable import TidemarkPostgres

/// What changes a table behind capture's back is noticed at the next window's end, without a thorough look at each.
@Suite("PostgreSQL source: the watch over shapes")
struct ShapeWatchTests {
    private let scene: CaptureScene
    private let watch: ShapeWatch
    private let taken = TakenTables(TableSelection())

    init() throws {
        scene = try CaptureScene(
            "create table a (id int primary key, v int); create table b (id int primary key, v int)", attached: "a", "b")
        let session = try scene.connect()
        watch = ShapeWatch(session, PreparedStatements(session))
    }

    @Test("C3: nothing is looked at twice while nothing changes, whatever the tables' rows do")
    func quiet() throws {
        #expect(try watch.refuse(taken) == nil)
        let version = watch.version
        try scene.run("insert into a values (1, 1), (2, 2); update a set v = 3; delete from a where id = 1; analyze a")
        try scene.run("vacuum b")
        #expect(try watch.refuse(taken) == nil)
        #expect(watch.version == version)
    }

    @Test("C3: a change is noticed, also of a transaction that began before one that was seen", arguments: [
        "alter table a disable trigger tidemark_row", "alter table a add x int default 5", "alter table a rename to c",
        "alter table a alter v type bigint using v * 2", "alter table a drop constraint a_pkey", "alter schema public rename to other",
    ])
    func older(change: String) throws {
        let earlier = try scene.connect()
        try earlier.run("begin; \(change)")
        let later = try scene.connect()
        try later.run("alter table b set (fillfactor = 90)")
        #expect(try watch.refuse(taken) == nil)
        try earlier.run("commit")
        #expect(throws: TidemarkError.self) { try watch.refuse(taken) }
        #expect(throws: TidemarkError.self) { try watch.refuse(taken) }
    }

    @Test("C3: a table that setup adds is watched, too")
    func added() throws {
        #expect(try watch.refuse(taken) == nil)
        try scene.run("create table d (id int primary key)")
        try scene.attach("d")
        #expect(try watch.refuse(taken) == nil)
        try scene.run("alter table d add x int default 1")
        #expect(throws: TidemarkError.self) { try watch.refuse(taken) }
    }
}
