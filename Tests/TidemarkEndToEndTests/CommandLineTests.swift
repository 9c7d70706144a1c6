import Foundation
import Testing
import TidemarkPostgres
import TidemarkSQLite
import TidemarkTestSupport

/// The built binary, as a person types it.
@Suite("Command line")
struct CommandLineTests {
    private static func tidemark(
        _ arguments: String..., environment: [String: String] = [:]
    ) -> (status: Int32, output: String) {
        Shell.run(Replica.binary, arguments, environment: environment)
    }

    /// Two SQLite files with a table each.
    private static func files() throws -> (source: String, target: String) {
        let base = FileManager.default.temporaryDirectory.path + "/tidemark-cli-\(UUID().uuidString)"
        for side in ["source", "target"] {
            try SQLiteDatabase(path: "\(base)-\(side).db", mode: .create)
                .execute("PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
        }
        return ("\(base)-source.db", "\(base)-target.db")
    }

    @Test(
        "every command has help with an example",
        arguments: [
            "setup", "run", "copy", "verify", "status", "check", "switchover", "failover", "failback", "drill", "pause", "resume", "diff-since",
            "rewind", "teardown", "archive",
        ])
    func help(command: String) {
        let help = Self.tidemark(command, "--help")
        #expect(help.status == 0)
        #expect(help.output.contains("EXAMPLE") && help.output.contains("tidemark \(command)"))
        for option in ["--source", "--target", "--pipeline", "--table", "--exclude", "--config", "--json"] {
            #expect(help.output.contains(option), "\(option)")
        }
    }

    /// Its source is the directory.
    @Test("replay has help with an example")
    func helpOfReplay() {
        let help = Self.tidemark("replay", "--help")
        #expect(help.status == 0 && help.output.contains("EXAMPLE"))
        for text in ["tidemark replay /var/lib/archive --until", "--target", "--pipeline", "--from-snapshot", "--list", "--json"] {
            #expect(help.output.contains(text), "\(text)")
        }
    }

    @Test("completions for every shell", arguments: ["bash", "zsh", "fish"])
    func completions(shell: String) {
        let script = Self.tidemark("--generate-completion-script", shell)
        #expect(script.status == 0 && script.output.contains("teardown"))
    }

    @Test(
        "wrong usage is status 64, with a sentence that names what is wrong",
        arguments: [
            (["run"], "--source"), (["run", "--source", "sqlite:/a"], "--target"),
            (["run", "--source", "mysql://h/d", "--target", "sqlite:/a"], "address of the source"),
            (["run", "--source", "sqlite:/a", "--target", "sqlite:/a"], "same database"),
            (["setup", "--source", "sqlite:/a", "--target", "sqlite:/b", "--capture", "magic"], "magic"),
            (["setup", "--source", "sqlite:/a", "--target", "sqlite:/b", "--retain", "soon"], "--retain"),
            (["setup", "--source", "sqlite:/a", "--target", "sqlite:/b", "--max-log-size", "lots"], "--max-log-size"),
            (["setup", "--source", "sqlite:/a", "--target", "sqlite:/b", "--at-max-log-size", "explode"], "'warn', 'drop' or 'stop'"),
            (["fly"], "fly"), (["run", "--config", "/nonexistent.yaml"], "/nonexistent.yaml"),
        ])
    func usage(arguments: [String], expected: String) {
        let result = Shell.run(Replica.binary, arguments)
        #expect(result.status == 64, "\(result.output)")
        #expect(result.output.contains(expected), "\(result.output)")
    }

    @Test("a configuration that is not understood is named by file and line")
    func brokenConfiguration() throws {
        let file = FileManager.default.temporaryDirectory.path + "/tidemark-\(UUID().uuidString).yaml"
        for (text, expected) in [
            ("pipelines:\n  main:\n    sorce: sqlite:/a\n", ":3:5: “sorce” is not known"),
            ("pipelines:\n  main:\n    source: [1\n", ":4:1: this is no YAML"),
            ("tables: []\n", "“tables” is not known"),
            ("pipelines:\n  main:\n    require-key: maybe\n", "has to be true or false"),
            ("pipelines:\n  main:\n    source: sqlite:/a\n    retain: soon\n", ":4:13: retain: has to be a time (90m, 24h, 7d), a size"),
            ("pipelines:\n  main:\n    max-log-size: lots\n", ":3:19: max-log-size: has to be a size"),
            ("pipelines:\n  main:\n    at-max-log-size: explode\n", ":3:22: at-max-log-size: has to be warn, drop or stop"),
            ("pipelines:\n  main:\n    role: standby\n", ":3:11: role: has to be replica or feed"),
        ] {
            try text.write(toFile: file, atomically: true, encoding: .utf8)
            let result = Self.tidemark("status", "--config", file)
            #expect(result.status == 64 && result.output.contains(expected), "\(result.output)")
        }
    }

    @Test("flags win over the environment, and that over the file")
    func precedence() throws {
        let (source, target) = try Self.files()
        let file = target + ".yaml"
        try "pipelines:\n  shop:\n    source: sqlite:/wrong\n    target: sqlite:\(target)\n    tables: t\n".write(
            toFile: file, atomically: true, encoding: .utf8)
        let byFile = Self.tidemark("setup", "--config", file)
        #expect(byFile.status == 1 && byFile.output.contains("/wrong"))
        let byEnvironment = Self.tidemark("setup", "--config", file, environment: ["TIDEMARK_SOURCE": "sqlite:\(source)"])
        #expect(byEnvironment.status == 0, "\(byEnvironment.output)")
        let byFlag = Self.tidemark(
            "status", "--config", file, "--source", "sqlite:\(source)", environment: ["TIDEMARK_SOURCE": "sqlite:/wrong"])
        #expect(byFlag.status == 0 && byFlag.output.contains("pipeline shop: current"), "\(byFlag.output)")
    }

    @Test("retention and the cap come from flags, the environment and the file, and a policy needs a cap")
    func logOptions() throws {
        let (source, target) = try Self.files()
        let both = ["--source", "sqlite:\(source)", "--target", "sqlite:\(target)"]
        let file = target + ".yaml"
        try "pipelines:\n  main:\n    source: sqlite:\(source)\n    target: sqlite:\(target)\n    retain: 7d\n    max-log-size: 1GB\n    at-max-log-size: drop\n"
            .write(toFile: file, atomically: true, encoding: .utf8)
        #expect(Shell.run(Replica.binary, ["setup", "--at-max-log-size", "stop"] + both).output.contains("there is no cap to have a policy for"))
        #expect(Self.tidemark("setup", "--config", file).status == 0)
        #expect(Self.tidemark("status", "--config", file).output.contains("of 1.0 GB (at it: drop), about 0 changes, kept for 7 d on purpose"))
        let environment = ["TIDEMARK_RETAIN": "24h", "TIDEMARK_MAX_LOG_SIZE": "2GB", "TIDEMARK_AT_MAX_LOG_SIZE": "stop"]
        #expect(Self.tidemark("setup", "--config", file, "--retain", "10MB", environment: environment).status == 0)
        let status = Self.tidemark("status", "--config", file).output
        #expect(status.contains("of 2.0 GB (at it: stop), about 0 changes, the last 10.0 MB kept on purpose"), "\(status)")
        let wrong = Shell.run(Replica.binary, ["setup"] + both, environment: ["TIDEMARK_RETAIN": "soon"])
        #expect(wrong.status == 64 && wrong.output.contains("TIDEMARK_RETAIN is “soon”"), "\(wrong.output)")
    }

    @Test("the role comes from flag, environment and file; status tells it, for people and as JSON")
    func role() throws {
        let (source, target) = try Self.files()
        let file = target + ".yaml"
        try "pipelines:\n  main:\n    source: sqlite:\(source)\n    target: sqlite:\(target)\n    role: replica\n"
            .write(toFile: file, atomically: true, encoding: .utf8)
        #expect(Self.tidemark("setup", "--plan", "--config", file).output.contains("tidemark_guard_t_insert"))
        #expect(Self.tidemark("setup", "--config", file).status == 0)
        let status = Self.tidemark("status", "--config", file).output
        #expect(status.contains("roles   the source is primary since 20")
            && status.contains("the target is replica since 20"), "\(status)")
        let json = Self.tidemark("status", "--json", "--config", file).output
        #expect(json.contains("\"targetRole\"") && json.contains("\"isTargetGuarded\""), "\(json)")
        #expect(Self.tidemark("setup", "--config", file, environment: ["TIDEMARK_ROLE": "feed"]).status == 0)
        #expect(!Self.tidemark("status", "--config", file).output.contains("roles"))
        #expect(Self.tidemark("setup", "--role", "replica", "--config", file, environment: ["TIDEMARK_ROLE": "feed"]).status == 0)
        #expect(Self.tidemark("status", "--config", file).output.contains("the target is replica since 20"))
    }

    @Test("status says well, behind and why, for people and as JSON")
    func status() throws {
        let (source, target) = try Self.files()
        let both = ["--source", "sqlite:\(source)", "--target", "sqlite:\(target)"]
        #expect(Shell.run(Replica.binary, ["status"] + both).status == 1)
        #expect(Shell.run(Replica.binary, ["setup"] + both).status == 0)
        try SQLiteDatabase(path: source, mode: .readWrite).execute("INSERT INTO t VALUES (1, 'a'), (2, 'b')")
        let waiting = Shell.run(Replica.binary, ["status", "--json"] + both)
        let report = try #require(
            try JSONSerialization.jsonObject(with: Data(waiting.output.utf8)) as? [[String: Any]])
        #expect(report.first?["pendingChanges"] as? Int == 2)
        #expect(report.first?["sourceID"] as? Int == 2)
        #expect(Shell.run(Replica.binary, ["run", "--once"] + both).status == 0)
        let well = Shell.run(Replica.binary, ["status"] + both)
        #expect(well.status == 0 && well.output.contains("pipeline main: current"), "\(well.output)")
    }

    @Test("check: status 2 and a remedy for each finding, 0 where there is none")
    func check() throws {
        let (source, target) = try Self.files()
        let both = ["--source", "sqlite:\(source)", "--target", "sqlite:\(target)"]
        let clean = Shell.run(Replica.binary, ["check"] + both)
        #expect(clean.status == 0, "\(clean.output)")
        try SQLiteDatabase(path: source, mode: .readWrite).execute("CREATE TABLE keyless (a)")
        let found = Shell.run(Replica.binary, ["check", "--require-key"] + both)
        #expect(found.status == 2)
        #expect(found.output.contains("keyless") && found.output.contains("problem:"), "\(found.output)")
    }

    @Test("no secret appears in what is said about an address or a configuration that cannot be read")
    func unreadableSecrets() throws {
        let file = FileManager.default.temporaryDirectory.path + "/tidemark-\(UUID().uuidString).yaml"
        for text in ["a: {source: \"postgresql://u:hunter2@h/x\": y}", "pipelines:\n  a: {source: 'x:hunter2'}\n  a: {source: 'x:hunter2'}\n"] {
            try text.write(toFile: file, atomically: true, encoding: .utf8)
            let result = Self.tidemark("status", "--config", file)
            #expect(result.status == 64 && !result.output.contains("hunter2"), "\(result.output)")
        }
        let result = Self.tidemark("status", "--source", "postgresql://app:hunter2%zz@/db", "--target", "sqlite:/nonexistent")
        #expect(result.status == 1 && !result.output.contains("hunter2"), "\(result.output)")
    }

    @Test("no secret appears in an error or in status")
    func secrets() {
        let url = "postgresql://app:hunter2@/none?host=/nonexistent&password=hunter3"
        for command in ["setup", "run", "status", "check", "teardown"] {
            let result = Shell.run(
                Replica.binary, [command, "--source", url, "--target", "sqlite:/nonexistent"] + (command == "run" ? ["--once"] : []))
            #expect(result.status == 1, "\(command): \(result.output)")
            #expect(!result.output.contains("hunter"), "\(command): \(result.output)")
        }
    }
}

/// A configuration, and the log, as programs read them.
@Suite("Configuration and log")
struct ConfigurationCommandTests {
    private static let binary = Replica.binary

    @Test("config example prints what config check takes; what is wrong has status 2, as JSON, too")
    func check() throws {
        let file = FileManager.default.temporaryDirectory.path + "/tidemark-\(UUID().uuidString).yaml"
        let example = Shell.run(Self.binary, ["config", "example"])
        try example.output.write(toFile: file, atomically: true, encoding: .utf8)
        let well = Shell.run(Self.binary, ["config", "check", "--config", file])
        #expect(example.status == 0 && well.status == 0 && well.output.contains("configuration \(file) is well: 1 pipeline\n"), "\(well.output)")
        #expect(well.output.contains("postgresql://tidemark@db1/shop  postgresql://tidemark@db2/shop"))
        try "pipelines:\n  shop:\n    sorce: postgresql://u:hunter2@h/d\n    target: mysql://u:hunter2@h\n".write(toFile: file, atomically: true, encoding: .utf8)
        let wrong = Shell.run(Self.binary, ["config", "check", "--config", file])
        #expect(wrong.status == 2 && wrong.output.contains("\(file):3:5: “sorce” is not known here\n      sorce: …\n      ^\n  Did you mean “source”?"), "\(wrong.output)")
        #expect(wrong.output.contains(":4:13: target: this is no address that tidemark knows") && !wrong.output.contains("hunter2"), "\(wrong.output)")
        let json = Shell.run(Self.binary, ["config", "check", "--json", "--config", file])
        let report = try #require(try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any])
        #expect(json.status == 2 && report["isUsable"] as? Bool == false && (report["problems"] as? [[String: Any]])?.contains { $0["line"] as? Int == 3 && $0["suggestion"] as? String == "source" } == true)
    }

    @Test("run takes from the file how it copies, and logs as JSON where it is told to")
    func runByFile() throws {
        let base = FileManager.default.temporaryDirectory.path + "/tidemark-run-\(UUID().uuidString)"
        try SQLiteDatabase(path: base + "-source.db", mode: .create)
            .execute("PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'b')")
        try SQLiteDatabase(path: base + "-target.db", mode: .create).execute("PRAGMA journal_mode = WAL")
        try "defaults: {create: true}\npipelines:\n  shop:\n    source: sqlite:${BASE}-source.db\n    target: {env: TARGET}\n    verify: never\n"
            .write(toFile: base + ".yaml", atomically: true, encoding: .utf8)
        let environment = ["BASE": base, "TARGET": "sqlite:\(base)-target.db", "TIDEMARK_LOG_FORMAT": "json"]
        let run = Shell.run(Self.binary, ["run", "--once", "--config", base + ".yaml"], environment: environment)
        #expect(run.status == 0 && run.output.contains("\"body\":\"copied table t: 2 rows\",\"service.name\":\"tidemark\"") && !run.output.contains("verified table"), "\(run.output)")
        #expect(run.output.contains("\"tidemark.pipeline\":\"shop\""), "\(run.output)")
        let failing = Shell.run(Self.binary, ["run", "--once", "--log-level", "error", "--source", "sqlite:/nonexistent/a", "--target", "sqlite:/nonexistent/b"], environment: environment)
        #expect(failing.status == 1 && failing.output.hasPrefix("{\"timestamp\"") && failing.output.contains("\"tidemark.remedy\":"), "\(failing.output)")
        #expect(Shell.run(Self.binary, ["run", "--log-format", "xml", "--config", base + ".yaml"]).status == 64)
        let bad = Shell.run(Self.binary, ["run", "--config", base + ".yaml"], environment: ["TIDEMARK_LOG_LEVEL": "loud"])
        #expect(bad.status == 64 && bad.output.contains("TIDEMARK_LOG_LEVEL is “loud”"), "\(bad.output)")
    }
}
