import Foundation
import Testing
import TidemarkTestSupport

/// What the shell and `man` get of the program's own help.
@Suite("Man pages and completions")
struct ManualTests {
    private static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// Every command with its options, as the program itself lists them.
    private static func commands() throws -> [(path: [String], options: [String])] {
        let dump = Shell.run(Shell.tidemark, ["--experimental-dump-help"])
        let all = try #require(try JSONSerialization.jsonObject(with: Data(dump.output.utf8)) as? [String: Any])
        func below(_ command: [String: Any], _ path: [String]) -> [(path: [String], options: [String])] {
            let name = command["commandName"] as? String ?? ""
            guard name != "help", command["shouldDisplay"] as? Bool ?? true else { return [] }
            let options = (command["arguments"] as? [[String: Any]] ?? []).filter { $0["shouldDisplay"] as? Bool ?? true }
                .flatMap { $0["names"] as? [[String: String]] ?? [] }.filter { $0["kind"] == "long" }.compactMap { $0["name"] }
            return [(path + [name], options)] + (command["subcommands"] as? [[String: Any]] ?? []).flatMap { below($0, path + [name]) }
        }
        return below(try #require(all["command"] as? [String: Any]), [])
    }

    @Test("every command has a man page with all of its options, which is good roff")
    func manual() throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("tidemark-man-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: directory) }
        let made = Shell.run(
            "/usr/bin/env",
            ["SOURCE_DATE_EPOCH=1767225600", "python3", Self.root.appendingPathComponent("deploy/man").path, Shell.tidemark, directory.path])
        #expect(made.status == 0, "\(made.output)")
        let commands = try Self.commands()
        #expect(commands.count > 15)
        let pages = try FileManager.default.contentsOfDirectory(atPath: directory.path)
        #expect(Set(pages) == Set(commands.map { $0.path.joined(separator: "-") + ".1" }))
        for (path, options) in commands {
            let file = directory.appendingPathComponent(path.joined(separator: "-") + ".1")
            let page = try String(contentsOf: file, encoding: .utf8)
            #expect(page.contains(" 1 2026-01-01 \"tidemark "), "\(file.lastPathComponent)")
            // One that only has others below it leaves examples to them.
            let isGroup = commands.contains { $0.path.count > path.count && $0.path.starts(with: path) }
            #expect(isGroup || page.contains(".SH EXAMPLES\n.EX\n"), "\(file.lastPathComponent)")
            for option in options {
                #expect(page.contains("\\fB\\-\\-" + option.replacing("-", with: "\\-") + "\\fR"), "\(file.lastPathComponent): \(option)")
            }
            let lint = Shell.run("/usr/bin/env", ["mandoc", "-T", "lint", "-W", "warning", file.path])
            #expect(lint.status == 0 && lint.output.isEmpty, "\(lint.output)")
        }
    }

    @Test("bash's completions are bash, and know every command")
    func bash() throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("tidemark-\(UUID().uuidString).bash")
        defer { try? FileManager.default.removeItem(at: file) }
        try Shell.run(Shell.tidemark, ["--generate-completion-script", "bash"]).output.write(to: file, atomically: true, encoding: .utf8)
        let parsed = Shell.run("/bin/bash", ["-n", file.path])
        #expect(parsed.status == 0 && parsed.output.isEmpty, "\(parsed.output)")
        // As a person at the shell gets them: what follows “tidemark ”.
        let offered = Shell.run(
            "/bin/bash",
            ["-c", "source \"$1\"; COMP_WORDS=(tidemark ''); COMP_CWORD=1; COMP_LINE='tidemark '; COMP_POINT=9; _tidemark tidemark '' tidemark; printf '%s\\n' \"${COMPREPLY[@]}\"",
             "bash", file.path])
        let words = Set(offered.output.split(whereSeparator: \.isWhitespace).map(String.init))
        for command in try Self.commands() where command.path.count == 2 {
            #expect(words.contains(command.path[1]), "\(command.path[1]): \(offered.output)")
        }
    }
}
