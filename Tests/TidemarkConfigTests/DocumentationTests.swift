import Foundation
import Testing

@testable import TidemarkConfig

/// The page of every key.
@Suite("Documentation of the configuration")
struct DocumentationTests {
    @Test("every key that is read is on the page, and every key on the page is read")
    func keys() throws {
        let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Sources/TidemarkApp/Documentation.docc/Configuration.md")
        let text = try String(contentsOf: page, encoding: .utf8)
        var tables: [[String]] = []
        var inTable = false
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("| key |") { tables.append([]) }
            if inTable, line.hasPrefix("| `"), let key = line.split(separator: "`").dropFirst().first { tables[tables.count - 1].append(String(key)) }
            inTable = line.hasPrefix("|")
        }
        let sections: [ConfigurationSection] = [.file, .pipeline, .tenants, .table, .conflict, .column, .address, .service, .tls, .token]
        #expect(Set(sections) == Set(ConfigurationSection.allCases) && tables == sections.map(\.keys))
        for line in text.split(separator: "\n") where line.contains("| restart |") || line.contains("| at once |") {
            let key = String(line.split(separator: "`")[1])
            #expect(ConfigurationChange.isLive(key) == line.contains("| at once |"), "\(key)")
        }
    }
}
