import Testing

@testable import TidemarkSQLite

@Suite struct JournalTests {
    @Test("temporary tables of many megabytes are emptied and dropped, also when they were filled by an earlier transaction", arguments: ["DELETE FROM temp.s", "DROP TABLE temp.s"])
    func temporaryTables(end: String) throws {
        let database = try SQLiteDatabase(path: ":memory:", mode: .create)
        try database.execute(
            """
            CREATE TEMP TABLE s AS WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)
            SELECT i, 'a text that is staged ' || i AS image FROM n
            """)
        try database.execute("BEGIN; \(end); COMMIT")
    }
}
