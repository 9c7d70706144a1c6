import Foundation
import Testing
import TidemarkApp
import TidemarkCore
import TidemarkTestSupport

/// Does what the documentation says, line by line.
@Suite("Runbooks")
struct RunbookTests {
    @Test("disaster recovery, from setup over a planned change and a lost primary to the way home", arguments: Direction.sameEngine)
    func disasterRecovery(direction: Direction) async throws {
        let runbook = try Runbook("DisasterRecovery")
        #expect(runbook.blocks.map(\.name) == ["", "setup", "planned", "planned", "planned", "lost", "lost", "back", "back", "back", "drill"])
        let scene = try RoleScene(direction)
        try Installation(scene.definition).tearDown()
        var blocks = runbook.blocks.dropFirst()

        try blocks.removeFirst().run(on: scene)
        try scene.expectEqual("set up")
        scene.expectRefused(scene.flow.target)

        try scene.flow.source.run("insert into account (owner) values ('planned')")
        try scene.runWorker()
        for _ in 0..<2 { try blocks.removeFirst().run(on: scene) }
        scene.expectRefused(scene.flow.source)
        try scene.flow.target.run("insert into account (owner) values ('on db2')")
        try scene.runWorker()
        try blocks.removeFirst().run(on: scene)
        try scene.flow.source.run("insert into account (owner) values ('on db1')")
        try scene.runWorker()
        try scene.expectEqual("there and back")

        try scene.flow.source.run("insert into account (owner) values ('never left'); delete from account where id = 5")
        var gone = scene
        gone.loseSource()
        for _ in 0..<2 { try blocks.removeFirst().run(on: gone) }
        try scene.flow.target.run("insert into account (owner) values ('new life')")

        let directory = FileManager.default.temporaryDirectory.path + "/runbook-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        for _ in 0..<3 { try blocks.removeFirst().run(on: scene, in: directory) }
        try blocks.removeFirst().run(on: scene, ["SCRATCH": try direction.target.database("scratch").address])
        #expect(blocks.isEmpty)
        let exported = try String(contentsOfFile: directory + "/lost.jsonl", encoding: .utf8)
        #expect(exported.contains("never left") && exported.split(separator: "\n").count == 2)
        try scene.flow.source.run("insert into account (owner) values ('home')")
        try scene.runWorker()
        try scene.expectEqual("home")
    }
}

extension RunbookTests {
    @Test("time travel: a bad deployment is looked at, taken back on the replica, and corrected", arguments: Direction.sameEngine)
    func timeTravel(direction: Direction) async throws {
        let runbook = try Runbook("TimeTravel")
        #expect(runbook.blocks.map(\.name) == ["before", "look", "back", "forward"])
        let scene = try RoleScene(direction)
        try Installation(scene.definition).tearDown()
        var blocks = runbook.blocks[...]
        try blocks.removeFirst().run(on: scene)
        try scene.flow.source.run("insert into account (owner, balance) values ('good', 1)")
        try scene.runWorker()
        let good = try scene.flow.target.rows("account", ["id", "owner", "balance"])
        let moment = Clock.time.exact
        try scene.flow.source.run("update account set balance = 0; delete from rate; insert into note values ('deployed')")
        try scene.runWorker()
        try blocks.removeFirst().run(on: scene, ["MOMENT": moment])
        try blocks.removeFirst().run(on: scene, ["MOMENT": moment])
        #expect(try scene.flow.target.rows("account", ["id", "owner", "balance"]) == good)
        #expect(try scene.flow.target.rows("rate", ["code"]) == ["a", "b"])
        try scene.flow.source.run("update account set balance = id; insert into rate values ('a', 1), ('b', 300)")
        try blocks.removeFirst().run(on: scene)
        try scene.expectEqual("forward again")
    }
}

/// An article's commands.
struct Runbook {
    struct Block {
        /// What stands behind `sh` in the article: a name, and the exit status of the last command.
        let name: String
        let status: Int32
        let script: String

        func run(
            on scene: RoleScene, in directory: String = FileManager.default.temporaryDirectory.path, _ variables: [String: String] = [:]
        ) throws {
            let binary = URL(fileURLWithPath: Shell.tidemark).deletingLastPathComponent().path
            let ended = Shell.run(
                "/bin/bash", ["-c", "cd '\(directory)'; PATH='\(binary)':$PATH; set -e\n\(script)"],
                environment: variables.merging(
                    ["TIDEMARK_SOURCE": scene.definition.source, "TIDEMARK_TARGET": scene.definition.target]) { $1 })
            #expect(ended.status == status, "\(script)\n\(ended.output)")
        }
    }

    let blocks: [Block]

    init(_ article: String) throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let text = try String(contentsOf: root.appendingPathComponent("Sources/TidemarkApp/Documentation.docc/\(article).md"), encoding: .utf8)
        var blocks: [Block] = []
        var open: (name: String, status: Int32, lines: [Substring])?
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if let block = open {
                if line == "```" {
                    blocks.append(Block(name: block.name, status: block.status, script: block.lines.joined(separator: "\n")))
                    open = nil
                } else {
                    open?.lines.append(line)
                }
            } else if line.hasPrefix("```sh") {
                let words = line.dropFirst(5).split(separator: " ")
                let status = words.first { $0.hasPrefix("status=") }.flatMap { Int32($0.dropFirst(7)) } ?? 0
                open = (words.first.map(String.init) ?? "", status, [])
            }
        }
        self.blocks = blocks
    }
}

extension RoleScene {
    func runWorker() throws {
        let run = tidemark("run", "--once")
        #expect(run.status == 0, "\(run.output)")
    }
}
