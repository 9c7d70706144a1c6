import Foundation
import Testing
import TidemarkTestSupport

@Suite("The newcomer's quickstart")
struct QuickstartTests {
    @Test("deploy/quickstart copies, follows with a killed worker, and proves the replica equal")
    func smallWorkload() throws {
        let root = URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("quickstart-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: directory) }
        // The binary that these tests were built with, and one day of the office's life.
        let settings = [
            "TIDEMARK_BINARY=\(Replica.binary)", "TIDEMARK_QUICKSTART_DAYS=1", "TIDEMARK_QUICKSTART_SECONDS=6",
        ]
        let quickstart = Shell.run(
            "/usr/bin/env", settings + [root.appendingPathComponent("deploy/quickstart").path, directory.path])
        #expect(quickstart.status == 0, "\(quickstart.output)")
        let lines = quickstart.output.split(separator: "\n").map(String.init)
        #expect(lines.last == "== Source and replica are equal. To look at them: cd \(directory.path)")
        #expect(lines.filter { $0.contains("copied table ") }.count == 6)
        #expect(lines.contains { $0.hasPrefix("$ kill -9 ") })
        // What was planted is found once, and once more by the repair.
        #expect(lines.contains("(exit status 2)"))
        for found in [#"extra {"carrier":"ZZ"}"#, #"missing {"faa":"JFK"}"#, #"different {"tailnum":"N14228"} in seats"#] {
            #expect(lines.filter { $0 == "  \(found)" }.count == 2, "\(quickstart.output)")
        }
        #expect(lines.filter { $0.hasSuffix(" DIFFERENT") }.count == 3)
        #expect(lines.filter { $0.hasSuffix(" repaired") }.count == 3)
        #expect(lines.filter { $0.contains(#/^\w+ +[0-9a-f]{16}  [0-9a-f]{16}  equal$/#) }.count == 6)
        #expect(FileManager.default.fileExists(atPath: directory.appendingPathComponent("replica.db").path))
    }
}
