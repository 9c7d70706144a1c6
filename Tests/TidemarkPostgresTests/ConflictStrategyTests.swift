import Testing
import TidemarkCore

@testable import TidemarkPostgres

@Suite("Conflicts: what a rule decides")
struct ConflictStrategyTests {
    private static func row(_ v: String, _ at: Int?, id: Int = 1) -> String { SharedChange.row(v, at, id: id) }

    struct Case: Sendable {
        let rule: ConflictRule
        /// Times of the target's and the source's version.
        let (target, source): (Int?, Int?)
        let sourceCounts: Bool

        init(_ strategy: ConflictRule.Strategy, _ target: Int?, _ source: Int?, source sourceCounts: Bool) {
            (rule, self.target, self.source, self.sourceCounts) = (ConflictRule(strategy), target, source, sourceCounts)
        }
    }

    static let cases = [
        Case(.sourceWins, 9, 1, source: true), Case(.targetWins, 1, 9, source: false), Case(.lastWriteWins(by: "at"), 2, 3, source: true),
        Case(.lastWriteWins(by: "at"), 3, 2, source: false), Case(.highestVersion(by: "at"), nil, 2, source: true),
        Case(.highestVersion(by: "at"), 2, nil, source: false),
        // The same time: the greater image, which begins with its column `at` and differs in `v`.
        Case(.lastWriteWins(by: "at"), 2, 2, source: false), Case(.merge(by: "at"), 2, 3, source: true),
        Case(.custom("source.at = 7 and target.v = 't' and before.v = 'b'"), 9, 7, source: true),
        Case(.custom("source.at = 7 and target.v = 't' and before.v = 'b'"), 9, 8, source: false),
    ]

    @Test("of two updates of one row the one counts that the rule names, and both are kept", arguments: cases)
    func updates(example: Case) throws {
        let shared = try SharedBench(example.rule)
        let base = Self.row("b", 1)
        try shared.write("insert into t values (1, 't', \(example.target.map(String.init) ?? "null"))")
        try shared.apply(.paged, .from(base, to: Self.row("s", example.source), origin: "third"))
        func text(_ v: String, _ at: Int?) -> String { "(1,\(v),\(at.map(String.init) ?? ""))" }
        #expect(try shared.rows == [example.sourceCounts ? text("s", example.source) : text("t", example.target)])
        let found = try #require(try shared.conflicts.first)
        #expect(found.kind == .updateUpdate && found.result == (example.sourceCounts ? .source : .target))
        #expect(found.before == base && found.source == Self.row("s", example.source) && found.target == Self.row("t", example.target))
        #expect(found.outcome == (example.sourceCounts ? found.source : found.target))
        #expect(found.origin == "third" && found.key == #"{"id":1}"# && found.strategy == example.rule.name && found.changeID == 1)
        #expect(try shared.administration.conflictCounts(of: "main").map(\.conflicts) == [1])
        #expect(try shared.administration.conflict(found.id, of: "main") == found)
    }

    @Test("a change made from the row that stands, or to the row that stands, is no conflict", arguments: [ApplyOrder.paged, .staged])
    func noConflict(order: ApplyOrder) throws {
        let shared = try SharedBench(ConflictRule(.targetWins))
        let (a, b, c) = (Self.row("a", 1), Self.row("b", 2), Self.row("c", 3))
        try shared.apply(order, .from(nil, to: a))
        try shared.apply(order, .from(a, to: b), .from(b, to: c))
        #expect(try shared.rows == ["(1,c,3)"])
        try shared.apply(order, .from(a, to: c))
        try shared.apply(order, .from(c, to: nil))
        #expect(try shared.rows.isEmpty)
        // Came and went.
        try shared.apply(order, .from(nil, to: a, in: 90), .from(nil, to: nil, in: 90))
        #expect(try shared.rows.isEmpty && shared.tombstones == [#"{"id":1} \#(c)"#])
        #expect(try shared.conflicts.isEmpty)
    }

    @Test("two insertions, an update of a deleted row and the deletion of an updated one are settled by their versions", arguments: [3, 5])
    func kinds(time: Int) throws {
        let shared = try SharedBench(ConflictRule(.lastWriteWins(by: "at")))
        let sourceCounts = time == 5
        try shared.write("insert into t values (1, 'here', 4), (2, 'b', 1), (3, 'b', 1)")
        try shared.write("delete from t where id = 2; update t set v = 'here', at = 4 where id = 3")
        try shared.write("update tidemark.tombstone set image = '\(Self.row("b", 4, id: 2))'")
        try shared.apply(
            .paged, .from(nil, to: Self.row("there", time)), .from(Self.row("b", 1, id: 2), to: Self.row("there", time, id: 2), key: #"{"id":2}"#),
            .from(Self.row("b", time, id: 3), to: nil, key: #"{"id":3}"#))
        #expect(try shared.rows == (sourceCounts ? ["(1,there,5)", "(2,there,5)"] : ["(1,here,4)", "(3,here,4)"]))
        let result = sourceCounts ? "source" : "target"
        #expect(try shared.kinds == ["insert-insert \(result)", "update-delete \(result)", "delete-update \(result)"])
        #expect(try shared.conflicts.map { $0.outcome == nil } == [false, !sourceCounts, sourceCounts])
        #expect(try shared.conflicts[2].source == nil && shared.conflicts[1].target == nil)
    }

    @Test("an update of a row that is not here and was not deleted here is taken, but where the target wins", arguments: [true, false])
    func unknownRow(targetWins: Bool) throws {
        let shared = try SharedBench(ConflictRule(targetWins ? .targetWins : .lastWriteWins(by: "at")))
        try shared.apply(.paged, .from(Self.row("b", 1), to: Self.row("s", 2)))
        #expect(try shared.rows == (targetWins ? [] : ["(1,s,2)"]))
        #expect(try shared.kinds == ["update-delete \(targetWins ? "target" : "source")"])
    }

    @Test("stop names row and change, and leaves everything as it was until the rows are the same")
    func stop() throws {
        let shared = try SharedBench(ConflictRule(.stop))
        try shared.write("insert into t values (1, 't', 1)")
        let error = shared.refusal(.from(nil, to: Self.row("new", 1, id: 2), key: #"{"id":2}"#), .from(Self.row("b", 1), to: Self.row("s", 1)))
        #expect(error?.key == #"{"id":1}"# && error?.changeID == 2 && error?.retry == .never)
        #expect(error?.why.contains("update-update") == true)
        #expect(try shared.rows == ["(1,t,1)"] && shared.conflicts.isEmpty)
        try shared.write("update t set v = 's'")
        try shared.apply(.paged, .from(Self.row("b", 1), to: Self.row("s", 1)))
    }

    @Test("what stopped the pipeline is recorded with both images, once, and goes on with the image that a person takes")
    func stopRecord() throws {
        let shared = try SharedBench(ConflictRule(.stop), "create table t (id int primary key, v text, at int unique)")
        try shared.write("insert into t values (1, 't', 1)")
        // The source goes on meanwhile, and it is the same conflict still.
        for changes in [[SharedChange.from(Self.row("b", 1), to: Self.row("r", 1), origin: "third")], [.from(Self.row("b", 1), to: Self.row("s", 1), origin: "third")]] {
            let error = try #require(throws: TidemarkError.self) { try shared.apply(.paged, changes) }
            #expect(error.remedy.contains("tidemark conflicts restore"))
            try shared.stop(by: error)
        }
        let found = try #require(try shared.conflicts.first)
        #expect(try shared.conflicts.count == 1)
        #expect(found.result == .stopped && found.kind == .updateUpdate && found.strategy == "stop" && found.origin == "third" && found.key == #"{"id":1}"#)
        #expect(found.before?.contains("b") == true && found.source?.contains("s") == true && found.target?.contains("t") == true && found.outcome == found.target)
        try shared.administration.restore(.source, of: found, by: "anna")
        try shared.apply(.paged, .from(Self.row("b", 1), to: Self.row("s", 1)))
        #expect(try shared.rows == ["(1,s,1)"])
        // A unique value, too.
        try shared.stop(by: #require(shared.refusal(.from(nil, to: Self.row("x", 1, id: 2), key: #"{"id":2}"#))))
        let clash = try #require(try shared.conflicts.last)
        #expect(clash.kind == .unique && clash.result == .stopped && clash.source != clash.target)
        // Who stands and lost is shown, and goes where the source's is taken; who came and lost is shown beside what stands.
        let stands = clash.key == #"{"id":1}"#
        #expect(stands ? clash.source == nil && clash.target?.contains(#""id":1"#) == true : clash.source?.contains("x") == true, "\(clash)")
    }

    @Test("what a source made of our change is no conflict with it, though its log also has what it had made before", arguments: [ApplyOrder.paged, .staged])
    func chains(order: ApplyOrder) throws {
        // The source wrote x to a, took our t instead, and then wrote c from that.
        let shared = try SharedBench(ConflictRule(.targetWins))
        try shared.write("insert into t values (1, 't', 2)")
        try shared.apply(order, .from(Self.row("x", 1), to: Self.row("a", 2)), .from(Self.row("t", 2), to: Self.row("c", 3)))
        #expect(try shared.rows == ["(1,c,3)"])
        #expect(try shared.kinds == ["update-update target"])
    }

    @Test("a transaction's rows of another origin go on from what its earlier ones left, since it logs only once what it found")
    func runs() throws {
        let shared = try SharedBench(ConflictRule(.targetWins))
        let (a, b, c) = (Self.row("a", 1), Self.row("b", 2), Self.row("c", 3))
        try shared.write("insert into t values (1, 'a', 1)")
        try shared.apply(
            .paged, .from(a, to: b, in: 7, origin: "one"),
            SharedChange(operation: .update, key: #"{"id":1}"#, before: nil, image: c, transaction: 7, origin: "two"))
        #expect(try shared.rows == ["(1,c,3)"])
        #expect(try shared.conflicts.isEmpty)
    }

    @Test("what cannot be settled is refused, with what to do")
    func refusals() throws {
        let shared = try SharedBench(ConflictRule(.lastWriteWins(by: "at")))
        try shared.write("insert into t values (1, 'a', 1)")
        var truncation = ChangePage()
        truncation.append(.truncate(1), id: 1)
        #expect { try shared.bench.apply(pages: [truncation]) } throws: { error in
            let error = error as? TidemarkError
            return error?.table?.name == "t" && error?.remedy.contains("tidemark run --once") == true && error?.what.contains("truncated") == true
        }
        #expect(try shared.rows == ["(1,a,1)"])

        let unnamed = try SharedBench(ConflictRule(.lastWriteWins(by: "gone")))
        #expect(unnamed.refusal(.from(nil, to: Self.row("a", 1)))?.why.contains(#""gone""#) == true)

        let still = try ApplyBench(SharedBench.schema, asRole: true)
        still.capture(1, "t", ["id", "v", "at"], key: ["id"], conflicts: ConflictRule(.sourceWins))
        let held = still.refusal(.paged, [[.up(1, #"{"id":1}"#, Self.row("a", 1))]])
        #expect(held?.remedy.contains("grant set on parameter session_replication_role") == true)

        let numeric = try SharedBench(ConflictRule(.sourceWins), "create table t (id numeric primary key, v text, at int)")
        #expect(numeric.refusal(.from(nil, to: Self.row("a", 1)))?.why.contains("several ways") == true)
    }

    @Test("a row that the target refuses is named by table, key and change")
    func refusedRow() throws {
        let shared = try SharedBench(ConflictRule(.sourceWins), "create table t (id int primary key, v text check (v <> 'bad'), at smallint)")
        func changes(_ v: String, _ at: Int) -> [SharedChange] {
            (1...5).map { id in .from(nil, to: Self.row(id == 3 ? v : "x", id == 3 ? at : 1, id: id), key: #"{"id":\#(id)}"#) }
        }
        for (v, at) in [("bad", 1), ("x", 70_000)] {
            let error = try #require(throws: TidemarkError.self) { try shared.apply(.paged, changes(v, at)) }
            #expect(error.key == #"{"id":3}"# && error.table?.name == "t" && error.changeID.map { $0 % 5 } == 3, "\(error)")
        }
    }

    @Test("check finds columns, keys and SQL that no rule can go by, and changes nothing")
    func checks() throws {
        func problems(_ rule: ConflictRule, _ schema: String = SharedBench.schema) throws -> [String] {
            let bench = try ApplyBench(schema)
            bench.capture(1, "t", ["id", "v", "at"], key: ["id"], conflicts: rule)
            return try PostgresTargetAdministration(bench.url).checkConflicts(in: [#require(bench.captured(1))]).map(\.what)
        }
        #expect(try problems(ConflictRule(.merge(by: "at"), columns: ["v": .fill])).isEmpty)
        #expect(try problems(ConflictRule(.custom("source.nothing > 1"))).first?.contains("nothing") == true)
        #expect(try problems(ConflictRule(.merge(by: "at"), columns: ["at": .json])).first?.contains("JSON") == true)
        #expect(try problems(ConflictRule(.sourceWins), "create table t (id float8 primary key, v text, at int)").first?.contains("several ways") == true)
        let unordered = try problems(ConflictRule(.lastWriteWins(by: "v")), "create table t (id int primary key, v json, at int)")
        #expect(unordered.count == 1 && unordered[0].contains("does not say which row is the later one"))
    }

    @Test("a column that does not say which row is the later one is refused, by check and before a window", arguments: [
        ("text", ConflictRule(.highestVersion(by: "v")), true), ("text", ConflictRule(.lastWriteWins(by: "v")), false), ("uuid", ConflictRule(.lastWriteWins(by: "v")), true),
        ("jsonb", ConflictRule(.highestVersion(by: "v")), true), ("boolean", ConflictRule(.merge(by: "v")), true), ("int[]", ConflictRule(.highestVersion(by: "v")), true),
        ("bytea", ConflictRule(.merge(by: "at"), columns: ["at": .newest(by: "v")]), true), ("numeric(9,2)", ConflictRule(.highestVersion(by: "v")), false),
        ("timestamptz", ConflictRule(.highestVersion(by: "v")), false), ("date", ConflictRule(.merge(by: "at"), columns: ["at": .newest(by: "v")]), false),
    ])
    func order(type: String, rule: ConflictRule, isRefused: Bool) throws {
        let shared = try SharedBench(rule, "create table t (id int primary key, v \(type), at int)")
        let found = try shared.administration.checkConflicts(in: [#require(shared.bench.captured(1))])
        #expect(found.map(\.what).contains { $0.contains("does not say which row") } == isRefused, "\(found)")
        guard isRefused else { return }
        #expect(shared.refusal(.from(nil, to: #"{"id":1,"v":null,"at":1}"#))?.why.contains(#""v" is"#) == true)
    }
}
