import Foundation
import TidemarkPostgres
import TidemarkSQLite
import TidemarkTestSupport

/// Four flows, one for each direction, two services beside each other, and everything that may break between them.
final class FaultScene {
    struct Flow: Sendable {
        let name: String
        let source: FaultSide
        let target: FaultSide
    }

    let clocks: (service: SetClock?, source: SetClock?, target: SetClock?)
    let sourceServer: ScratchCluster
    let targetServer: ScratchCluster
    let toSource: FaultProxy
    let toTarget: FaultProxy
    /// Holds all targets.
    let disk: SmallDisk?
    let flows: [Flow]
    let services: [FaultService]
    private(set) var writers: [FaultWriter] = []
    private var markers = 0

    init(seed: UInt64) throws {
        clocks = (SetClock(), SetClock(), SetClock())
        (sourceServer, targetServer) = (ScratchCluster(clock: clocks.source), ScratchCluster(clock: clocks.target))
        disk = SmallDisk(megabytes: 256)
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("tidemark-faults-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        toSource = try Self.proxy(to: sourceServer, in: directory.appendingPathComponent("s"))
        toTarget = try Self.proxy(to: targetServer, in: directory.appendingPathComponent("t"))
        let (targets, toSource, toTarget) = (disk?.directory ?? directory.path, toSource, toTarget)
        let sources = try [
            Self.postgres(sourceServer.database("source"), through: toSource), Self.sqlite(directory.path + "/source.db"),
            Self.postgres(sourceServer.database("source"), through: toSource), Self.sqlite(directory.path + "/source-2.db"),
        ]
        let placed = try [targetServer.database("target", in: targets + "/a"), targetServer.database("target", in: targets + "/b")]
        let ends = try [
            Self.postgres(placed[0], through: toTarget), Self.postgres(placed[1], through: toTarget),
            Self.sqlite(targets + "/target.db"), Self.sqlite(targets + "/target-2.db"),
        ]
        let names = ["pg-to-pg", "sqlite-to-pg", "pg-to-sqlite", "sqlite-to-sqlite"]
        flows = names.enumerated().map { Flow(name: $1, source: sources[$0], target: ends[$0]) }
        let pipelines = "pipelines:\n" + flows.map { "  \($0.name):\n    source: \($0.source.address)\n    target: \($0.target.address)" }.joined(separator: "\n")
        services = try ["first", "second"].map { [clocks] in try FaultService($0, pipelines: pipelines + "\n", in: directory, clock: clocks.service) }
        for flow in flows {
            for side in [flow.source, flow.target] { try side.open().run(FaultWriter.schema) }
            try flow.source.open().run(FaultWriter.firstRows)
        }
        writers = flows.enumerated().map { FaultWriter($1.source, seed: seed &+ UInt64($0)) }
    }

    deinit {
        // First what the others may wait for.
        services.forEach { $0.kill9() }
        toSource.stop()
        toTarget.stop()
        writers.forEach { $0.end() }
        targetServer.end()
        sourceServer.end()
        disk?.unmount()
    }

    private static func proxy(to server: ScratchCluster, in directory: URL) throws -> FaultProxy {
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        return try FaultProxy(from: .postgres(in: directory.path), to: .postgres(in: server.directory))
    }

    /// - Parameter address: with the server's own directory as host.
    private static func postgres(_ address: String, through proxy: FaultProxy) -> FaultSide {
        guard case .unix(let socket) = proxy.listener else { return .postgres(address: address, throughProxy: address) }
        let directory = URL(fileURLWithPath: socket).deletingLastPathComponent().path
        let host = address.split(separator: " ")[0]
        return .postgres(address: address, throughProxy: address.replacing(host, with: "host=\(directory)"))
    }

    private static func sqlite(_ path: String) throws -> FaultSide {
        try SQLiteDatabase(path: path, mode: .create).execute("PRAGMA journal_mode = WAL")
        return .sqlite(path: path)
    }

    // MARK: What has to come through

    /// Writes a row at each source, and waits until every target has it.
    /// - Returns: for how long, or the names of those that do not flow.
    func flow(_ taken: (Flow) -> Bool = { _ in true }, withinSeconds limit: Double) throws -> (seconds: Double, stuck: [String]) {
        markers += 1
        let (start, marker) = (ContinuousClock.now, markers)
        var waiting = flows.filter(taken)
        for flow in waiting { try persistently { try flow.source.open().run("insert into marker values (\(marker)) on conflict do nothing") } }
        while !waiting.isEmpty, ContinuousClock.now - start < .seconds(limit) {
            waiting.removeAll { flow in (try? flow.target.open().column("select 1 from marker where id = \(marker)"))?.isEmpty == false }
            if !waiting.isEmpty { usleep(5_000) }
        }
        return ((ContinuousClock.now - start) / .seconds(1), waiting.map(\.name))
    }

    /// Money that left one account and reached no other, in a target as it is just now.
    func tornTargets() -> [String] {
        flows.filter { flow in
            guard let sum = try? flow.target.open().column("select sum(balance) from account").first, !sum.isEmpty else { return false }
            return sum != FaultWriter.accountsSum
        }.map(\.name)
    }

    /// A server that has only just been started takes no connections for a moment.
    func persistently(_ body: () throws -> Void) throws {
        let start = ContinuousClock.now
        while true {
            do {
                return try body()
            } catch {
                guard ContinuousClock.now - start < .seconds(120) else { throw error }
                usleep(10_000)
            }
        }
    }
}
