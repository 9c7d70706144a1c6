import Foundation
import Testing
import TidemarkSQLite
import TidemarkTestSupport

@Suite("Embedding")
struct EmbeddingTests {
    @Test("the example program replicates a file into another while it is written to, and proves it")
    func example() throws {
        let base = FileManager.default.temporaryDirectory.path + "/tidemark-embedding-\(UUID().uuidString)"
        let (source, target) = ("\(base)-source.db", "\(base)-target.db")
        let application = try SQLiteDatabase(path: source, mode: .create)
        try application.execute("PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'a'), (2, NULL)")
        _ = try SQLiteDatabase(path: target, mode: .create)

        let log = URL(fileURLWithPath: "\(base).log")
        let program = URL(fileURLWithPath: Shell.tidemark).deletingLastPathComponent().appendingPathComponent("embedding-example").path
        let example = try Shell.start(program, [source, target, "5"], log: log)
        let reader = { try SQLiteDatabase(path: target, mode: .readOnly, busyTimeoutMilliseconds: 30_000) }
        let deadline = Date().addingTimeInterval(60)
        while (try? reader().rows("SELECT 1 FROM t").count) != 2, example.isRunning, Date() < deadline { usleep(10_000) }
        try application.execute("INSERT INTO t VALUES (3, 'c'); UPDATE t SET v = 'b' WHERE id = 2; DELETE FROM t WHERE id = 1")
        example.waitUntilExit()

        let output = try String(contentsOf: log, encoding: .utf8)
        #expect(example.terminationStatus == 0, "\(output)")
        #expect(try reader().rows("SELECT id, v FROM t ORDER BY id") == application.rows("SELECT id, v FROM t ORDER BY id"))
        #expect(try reader().rows("SELECT 1 FROM t").count == 2)
        for line in ["capturing t", "copied t: 2 rows", "t: equal, 2 rows"] { #expect(output.contains(line), "\(output)") }
        #expect(output.contains("applied ") && output.contains(", up to change "), "\(output)")
    }
}
