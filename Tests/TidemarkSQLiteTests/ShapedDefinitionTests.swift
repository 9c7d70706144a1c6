import Testing
import TidemarkCore

@testable import TidemarkSQLite

/// What setup says of shaped tables, and makes of them.
@Suite struct ShapedDefinitionTests {
    private static func definition(_ schema: String, _ shaping: (inout TableShaping) -> Void) throws -> (TableDefinition, Replica) {
        let replica = try Replica(schema, target: "")
        let source = try SQLiteSourceAdministration(path: replica.sourcePath)
        let rules = TableRules(shaping: shaping)
        let shaped = try source.shaped(try source.tables(TableSelection()), by: rules)
        return (try #require(try source.definitions(of: shaped, as: rules).first), replica)
    }

    /// Makes the table on the target, and replicates into it.
    private static func create(_ schema: String, _ shaping: (inout TableShaping) -> Void, _ rows: String) throws -> Replica {
        let (definition, replica) = try definition(schema, shaping)
        let target = try SQLiteTargetAdministration(path: replica.targetPath)
        for creation in try target.creations(of: [definition]) {
            try target.create(creation)
            for statement in creation.statementsAfter { try replica.target.execute(statement) }
        }
        let source = try SQLiteSourceAdministration(path: replica.sourcePath)
        #expect(try target.check(try source.shaped(try source.tables(TableSelection()), by: TableRules(shaping: shaping))).allSatisfy { $0.severity != .problem })
        replica.rules = TableRules(shaping: shaping)
        try replica.source.execute(rows)
        try replica.replicate()
        return replica
    }

    @Test("a shaped table is made with the types, collations and indexes that are left of it")
    func creation() throws {
        let schema = """
            CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL COLLATE NOCASE CHECK (name <> ''), price DECIMAL(10, 2) DEFAULT 1,
                email VARCHAR, "odd; name" "odd type;", g AS (price * 2), UNIQUE (name, email));
            CREATE INDEX by_price ON t (price DESC, name); CREATE INDEX by_email ON t (email); CREATE INDEX some ON t (price) WHERE price > 1
            """
        let (definition, _) = try Self.definition(schema) { shaping in
            (shaping.target, shaping.renamedColumns) = ("crm.customer", ["id": "nr", "name": "full name"])
            shaping.set("email", "upper(email)")
            shaping.set("year", "CAST(price AS INTEGER)")
        }
        #expect(definition.table == TableName(schema: "crm", name: "customer") && definition.sourceName == TableName(schema: nil, name: "t"))
        #expect(definition.keyColumns == ["nr"] && definition.columns.map(\.name) == ["nr", "full name", "price", "email", "odd; name", "g", "year"])
        #expect(
            definition.statementsBefore == [
                """
                CREATE TABLE "customer" (
                    "nr" INTEGER PRIMARY KEY AUTOINCREMENT,
                    "full name" TEXT COLLATE "NOCASE" NOT NULL,
                    "price" NUMERIC,
                    "email" VARCHAR,
                    "odd; name" NUMERIC,
                    "g",
                    "year" INT
                )
                """
            ])
        #expect(definition.statementsAfter == [#"CREATE INDEX IF NOT EXISTS "by_price" ON "customer" ("price" DESC, "full name" COLLATE "NOCASE")"#])
        #expect(definition.indexes == [TableDefinition.Index(columns: ["price", "full name"], isUnique: false)])
    }

    @Test("what is made takes the rows", arguments: [
        ("CREATE TABLE t (a TEXT COLLATE NOCASE NOT NULL, b INTEGER NOT NULL, v, PRIMARY KEY (b, a)) WITHOUT ROWID", #"PRIMARY KEY ("z", "key" COLLATE "NOCASE")"#),
        ("CREATE TABLE t (a TEXT NOT NULL, b INTEGER NOT NULL UNIQUE, v)", #"UNIQUE ("z")"#),
        ("CREATE TABLE t (a TEXT NOT NULL, b INTEGER NOT NULL, v ANY, PRIMARY KEY (a, b), UNIQUE (v, a)) STRICT", #"UNIQUE ("v", "key")"#),
        ("CREATE TABLE t (a, b, v)", #""z""#), ("CREATE TABLE t (a, b INTEGER PRIMARY KEY, v AS (a || 'x') STORED)", #""z" INTEGER PRIMARY KEY"#),
    ])
    func made(schema: String, part: String) throws {
        let generated = schema.contains(" AS (")
        let rows = generated ? "INSERT INTO t (a, b) VALUES ('x', 1), ('X', 2)" : "INSERT INTO t VALUES ('x', 1, 7), ('X', 2, 8)"
        let replica = try Self.create(schema, { $0.renamedColumns = ["A": "key", "b": "z"] }, rows)
        let text = try replica.target.rows("SELECT sql FROM sqlite_schema WHERE name = 't'").first?.first?.string ?? ""
        #expect(text.contains(part), "\(text)")
        #expect(try replica.target.rows("SELECT key, z, v FROM t ORDER BY z") == replica.source.rows("SELECT a, b, v FROM t ORDER BY b"))
        #expect(try replica.target.rows("SELECT count(*) FROM t") == [[.integer(2)]])
    }

    @Test("check says everything that is wrong with the rules, and setup refuses them")
    func findings() throws {
        let replica = try Replica("CREATE TABLE t (id INTEGER PRIMARY KEY, v); CREATE TABLE u (id INTEGER PRIMARY KEY, v, tenant)")
        let source = try SQLiteSourceAdministration(path: replica.sourcePath)
        let rules = TableRules { shaping in
            (shaping.filter, shaping.omitted) = ("tenant = 5 AND random() > 0", ["w", "id"])
        }
        let tables = try source.tables(TableSelection())
        let found = try source.check(rules, on: tables)
        #expect(found.map { $0.table?.name } == ["t", "t", "t", "u", "u", "u"] && found.allSatisfy { $0.severity == .problem })
        #expect(errorOf { _ = try source.shaped(tables, by: rules) }?.table?.name == "t")
        #expect(try source.check(TableRules(), on: tables).isEmpty)
        let fine = TableRules { $0.filter = "v = 'x'" }
        #expect(try source.check(fine, on: tables).isEmpty)
        #expect(try source.shaped(tables, by: fine) == tables)
    }

    @Test("two tables that get one name are refused by a target without schemas")
    func sameName() throws {
        let replica = try Replica("CREATE TABLE t (id INTEGER PRIMARY KEY); CREATE TABLE u (id INTEGER PRIMARY KEY)")
        let source = try SQLiteSourceAdministration(path: replica.sourcePath)
        let rules = TableRules { $0.target = "T" }
        let shaped = try source.shaped(try source.tables(TableSelection()), by: rules)
        let target = try SQLiteTargetAdministration(path: replica.targetPath)
        #expect(try target.check(shaped).contains { $0.what.contains("two tables of the source are one") && $0.remedy.contains("to:") })
        #expect(errorOf { _ = try target.creations(of: try source.definitions(of: shaped, as: rules)) } == nil)
        try replica.target.execute("DROP TABLE t")
        #expect(errorOf { _ = try target.creations(of: try source.definitions(of: shaped, as: rules)) }?.what.contains("two tables") == true)
    }
}
