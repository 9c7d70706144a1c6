import Foundation
import Testing
import TidemarkCore
import TidemarkTestSupport

@testable import TidemarkConfig

/// Whatever a file holds, it ends in a configuration or in what is wrong with it, and soon.
@Suite("Mutated configurations")
struct FuzzTests {
    private static let documents: [[UInt8]] = [
        Array(ExampleConfiguration.text.utf8),
        // All that is commented out there.
        Array(ExampleConfiguration.text.replacing("# ", with: "").utf8),
        Array("service: {listen: '[::1]:0', tokens: [{name: a, role: read, token: abcdefghijklmnop}]}\ndefaults: {jobs: 3}\npipelines: {\"a\": {source: {url: 'postgresql://u:${PW}@h/d?a=b', password-env: PW}, target: sqlite:/b, delay: 3h}}\n".utf8),
        Array("pipelines:\r\n  a:\r\n    source: >-\r\n      host=x\r\n      password='${PW}'\r\n    target: |\r\n      sqlite:/b\r\n    tables:\r\n    - a.*\r\n    - 'b'\r\n".utf8),
    ]

    private static let pieces: [[UInt8]] = [
        "&a ", "*a", "<<: *a", "? ", ": ", "- ", "[", "]", "{", "}", "\t", "\n", "\r", "\0", "\"", "'", "|", ">", "!!binary ", "!<x> ", "%YAML 9.9\n", "---\n", "...\n", "#", "${", "$${PW}",
        "${PW}", "}", "\u{FEFF}", "\u{85}", "\u{2028}", "\u{202E}", "\\ud800", "\\x", "~", "null", "99999999999999999999", "-9223372036854775809s", "0x7f", "1e999TB", "::", "[::", "]:", "e\u{301}",
    ].map { Array($0.utf8) } + [[0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90]]

    private static func mutated(_ random: inout SeededRandom) -> [UInt8] {
        var bytes = documents.randomElement(using: &random) ?? []
        for _ in 0..<Int.random(in: 1...6, using: &random) where !bytes.isEmpty {
            let place = Int.random(in: 0..<bytes.count, using: &random)
            let end = min(bytes.count, place + Int.random(in: 1...80, using: &random))
            switch Int.random(in: 0..<10, using: &random) {
            case 0: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 1: bytes.removeSubrange(place..<end)
            case 2: bytes.insert(contentsOf: bytes[place..<end], at: Int.random(in: 0...bytes.count, using: &random))
            case 3: bytes = Array(bytes[..<place])
            case 4: bytes[place] = UInt8.random(in: 0...255, using: &random)
            case 5: bytes.insert(contentsOf: Array(repeating: Array("[{- \"'?*&".utf8).randomElement(using: &random) ?? 0, count: Int.random(in: 1...1200, using: &random)), at: place)
            case 6: bytes.insert(contentsOf: bytes[..<end], at: place)
            default: bytes.insert(contentsOf: pieces.randomElement(using: &random) ?? [], at: place)
            }
        }
        return bytes
    }

    @Test("none of 24,000 makes it crash, hang, or tell a secret", arguments: 0..<8 as Range<UInt64>)
    func mutated(seed: UInt64) {
        var random = SeededRandom(seed: 0x7164_0000 + seed)
        for number in 0..<3_000 {
            let bytes = Self.mutated(&random)
            var said = ""
            let time = ProcessorTime.seconds {
                do throws(ConfigurationProblems) {
                    said = try Configuration(bytes: bytes, path: "f", environment: ["PW": "hunter2"]).warnings.map { $0.text(path: "f") }.joined()
                } catch {
                    said = error.description
                }
            }
            #expect(time < 1, "seed \(seed), number \(number): \(time)")
            #expect(!said.contains("hunter2"), "seed \(seed), number \(number)")
        }
    }

    @Test(
        "what is made to take long does not",
        arguments: [
            // Aliases that double with each line; keys within keys; one text; one list; one mapping; deep and wide.
            Document("a: &a [x, x]\n" + (0..<40).map { "b\($0): &b\($0) [*\($0 == 0 ? "a" : "b\($0 - 1)"), *\($0 == 0 ? "a" : "b\($0 - 1)")]\n" }.joined()),
            Document(String(repeating: "{", count: 15), "a,", 60_000), Document("", "x", 1 << 20), Document("a: '", "\\", 1_000_000), Document("", "- a\n", 250_000),
            Document((0..<60_000).map { "k\($0): v\n" }.joined()), Document("", "a: 1\n", 60_000), Document("", "? ", 900), Document("", "[", 1 << 19), Document("", "- ", 100_000),
            Document("pipelines:\n" + (0..<9_000).map { "  p\($0): {source: 'sqlite:/a', target: 'sqlite:/b'}\n" }.joined()), Document("", " ", 1 << 20),
            Document("a:\n" + (1..<990).map { String(repeating: " ", count: $0) + "a:\n" }.joined()), Document("a: \"", "\n", 60_000), Document("pipelines: ", "${", 400_000),
            Document("${", "A", 1_000_000, "}: 1"), Document("pipelines: {a: {source: \"", "${PW}", 20_000, "\"}}"),
        ])
    func bounded(document: Document) {
        let time = ProcessorTime.seconds { _ = problems(document.text, environment: ["PW": "x"]) }
        #expect(time < 3)
    }

    /// A long one, of which a report shows the beginning.
    struct Document: CustomTestStringConvertible, Sendable {
        let text: String

        init(_ start: String, _ repeated: String = "", _ times: Int = 0, _ end: String = "") { text = start + String(repeating: repeated, count: times) + end }

        var testDescription: String { "\(text.prefix(40).debugDescription)…, \(text.utf8.count) bytes" }
    }

    @Test("the example passes its own check, means what it says, and what is commented out in it is known")
    func example() throws {
        let configuration = try loaded(ExampleConfiguration.text)
        #expect(configuration.warnings.isEmpty && configuration.pipelines.map(\.name) == ["shop"])
        #expect(configuration.service == { var said = ServiceSettings(); said.stateDirectory = "/var/lib/tidemark"; return said }())
        let entry = configuration.pipelines[0]
        #expect(entry.source == "postgresql://tidemark@db1/shop" && entry.failurePolicy == .stop && entry.run.verify == .afterCopy)
        #expect(entry.retention == .seconds(86400) && entry.logLimit.maxBytes == 20 << 30 && entry.logLimit.policy == .warn)
        let text = ExampleConfiguration.text
        for section in ConfigurationSection.allCases {
            for key in section.keys where section != .address && key != "token" { #expect(text.contains("\(key):"), "\(key)") }
        }
    }
}
