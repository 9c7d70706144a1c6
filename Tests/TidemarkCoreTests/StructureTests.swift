import Foundation
import Testing

/// What the compiler does not hold: where C may appear, and how long a file may be.
@Suite("Structure")
struct StructureTests {
    private static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    private static func sources(_ folder: String) throws -> [(path: String, text: String)] {
        let found = FileManager.default.enumerator(atPath: root.appendingPathComponent(folder).path)
        return try (found?.allObjects as? [String] ?? []).filter { $0.hasSuffix(".swift") }.map { path in
            let file = root.appendingPathComponent(folder).appendingPathComponent(path)
            return (path, try String(contentsOf: file, encoding: .utf8))
        }
    }

    @Test("C appears only in the engines' Wire folders, and the core imports nothing")
    func imports() throws {
        let sources = try Self.sources("Sources")
        #expect(sources.count > 50)
        for (path, text) in sources {
            let imports = text.split(separator: "\n").filter { $0.hasPrefix("import ") || $0.hasPrefix("package import ") }
            if imports.contains(where: { ["CLibPQ", "CSQLite", "CZlib", "CCrypto"].contains(where: $0.contains) }) {
                #expect(path.contains("/Wire/"), "\(path)")
            }
            if path.hasPrefix("TidemarkCore/") { #expect(imports.isEmpty, "\(path)") }
            if path.hasPrefix("TidemarkPipeline/") { #expect(!text.contains("Postgres") && !text.contains("SQLite"), "\(path)") }
        }
    }

    @Test("files are short enough to read at once", arguments: ["Sources", "Tests"])
    func length(folder: String) throws {
        for (path, text) in try Self.sources(folder) {
            #expect(text.split(separator: "\n", omittingEmptySubsequences: false).count <= 420, "\(path)")
        }
    }
}
