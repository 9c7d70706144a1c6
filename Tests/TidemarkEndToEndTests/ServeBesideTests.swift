import Foundation
import Testing
import TidemarkSQLite
import TidemarkTestSupport

@testable import TidemarkPostgres

/// What somebody does to a pipeline, or to the configuration, beside the service that runs it.
@Suite("Service, beside others", .ownThreads, .timeLimit(.minutes(5)))
struct ServeBesideTests {
    private typealias Pair = ServeTests.Pair

    /// Two SQLite files with a table.
    private static func files() throws -> (source: String, target: String) {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("files-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let paths = ["source", "target"].map { folder.appendingPathComponent("\($0).db").path }
        for path in paths { try SQLiteDatabase(path: path, mode: .create).execute("create table account (id integer primary key, balance int not null)") }
        return ("sqlite:\(paths[0])", "sqlite:\(paths[1])")
    }

    private static func pair(_ engine: String) throws -> (source: String, target: String) {
        guard engine == "postgresql" else { return try files() }
        let pair = try Pair()
        return (pair.source, pair.target)
    }

    @Test("a pipeline that is torn down beside it says so and what to type, and is set up anew once it is asked to run", arguments: ["sqlite", "postgresql"])
    func tornDown(engine: String) throws {
        let (source, target) = try Self.pair(engine)
        let served = try ServedPipelines(pipelines: "  shop:\n    source: \(source)\n    target: \(target)\n")
        try served.wait(for: "shop", "health", "well")
        let torn = Shell.run(Shell.tidemark, ["teardown", "--config", served.configuration.path, "--pipeline", "shop"])
        #expect(torn.status == 0, "\(torn.output)")
        try served.wait(for: "shop", "activity", "stopped")
        let reason = try #require(try served.pipeline("shop")["reason"] as? String)
        #expect(reason.contains("the pipeline was torn down"), "\(reason)")
        #expect(reason.contains("tidemark setup") && reason.contains("remove the pipeline from the configuration"), "\(reason)")
        #expect(try served.request("POST", "/pipelines/shop/run").status == 200)
        try served.wait(for: "shop", "health", "well")
        #expect(served.terminate() == 0, "\(served.said)")
    }

    @Test("of a pipeline that is no longer configured no connection is left, neither for its lease nor for anything else")
    func leavesNoConnection() throws {
        let (pair, other) = (try Pair(), try Pair())
        let served = try ServedPipelines(pipelines: pair.yaml("shop") + other.yaml("other"))
        for name in ["shop", "other"] { try served.wait(for: name, "health", "well") }
        try served.write(pipelines: other.yaml("other"))
        served.signal(SIGHUP)
        for session in [pair.onSource, pair.onTarget] {
            try ServedPipelines.wait("nobody is connected") {
                try session.query("select from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()").count == 0
            }
        }
        try served.wait(for: "other", "health", "well")
        #expect(served.terminate() == 0, "\(served.said)")
    }

    @Test("a flag for the log goes on winning over the file when that is read anew")
    func flagsWin() throws {
        let pair = try Pair()
        let served = try ServedPipelines(service: "  log-level: error", pipelines: pair.yaml("shop"), flags: ["--log-level", "info"])
        try served.wait(for: "shop", "health", "well")
        try served.write(service: "  log-level: critical", pipelines: pair.yaml("shop"))
        served.signal(SIGHUP)
        try ServedPipelines.wait("it was read") { served.said.contains("configuration read: 0 pipelines added") }
        #expect(served.terminate() == 0)
        #expect(served.said.contains("[TidemarkService] stopped"), "\(served.said)")
    }

    @Test("a service that cannot set a pipeline up leaves its lease to one that can")
    func wrongSource() throws {
        let (pair, wrong) = (try Pair(), try Pair())
        let yaml = pair.yaml("shop")
        let first = try ServedPipelines(pipelines: yaml)
        try first.wait(for: "shop", "health", "well")
        let second = try ServedPipelines(pipelines: yaml.replacing(pair.source, with: wrong.source))
        try second.wait(for: "shop", "activity", "standby")
        first.signal(SIGKILL)
        try second.wait(for: "shop", "activity", "stopped")
        let reason = try #require(try second.pipeline("shop")["reason"] as? String)
        #expect(reason.contains("from another source") && reason.contains("In the configuration"), "\(reason)")
        let third = try ServedPipelines(beside: first)
        try third.wait(for: "shop", "health", "well")
        try pair.onSource.run("insert into account values (1, 1)")
        try ServedPipelines.wait("it follows") { try pair.isEqual() }
        #expect(second.terminate() == 0 && third.terminate() == 0)
    }

    @Test("heartbeats are not among what is captured", arguments: ["sqlite", "postgresql"])
    func heartbeatsAreNoChanges(engine: String) throws {
        let (source, target) = try Self.pair(engine)
        let served = try ServedPipelines(pipelines: "  shop:\n    source: \(source)\n    target: \(target)\n")
        try served.wait(for: "shop", "health", "well")
        var looks: [String: Double] = [:]
        var endToEnd: Double?
        try ServedPipelines.wait("heartbeats have come through, and the databases were asked five times") {
            let found = try served.pipeline("shop")
            guard let figures = found["figures"] as? [String: Any], let at = found["statusAt"] as? String else { return false }
            endToEnd = figures["endToEndSeconds"] as? Double
            looks[at] = figures["capturedChangesPerSecond"] as? Double
            return endToEnd != nil && looks.count >= 5
        }
        #expect(looks.values.allSatisfy { $0 == 0 }, "\(looks)")
        #expect(served.terminate() == 0)
    }
}
