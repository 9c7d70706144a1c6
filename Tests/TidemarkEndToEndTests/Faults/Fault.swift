import Foundation
import TidemarkPostgres
import TidemarkTestSupport

/// What happens to a replicator in the course of a week.
enum Fault: String, CaseIterable {
    case sourceCrashed, targetCrashed
    case cut, silent, silentThenCut, refused, slow
    case backendsTerminated, statementsCancelled, tableLocked
    case serviceKilled, serviceStoppedForLonger, serviceRestarted, reloaded
    case leaseLost
    case diskFull
    case serviceClockJumped, sourceClockJumped, targetClockJumped

    /// May it be made here?
    func isPossible(_ scene: FaultScene) -> Bool {
        switch self {
        case .diskFull: scene.disk != nil
        case .serviceClockJumped, .sourceClockJumped, .targetClockJumped: scene.clocks.service != nil
        default: true
        }
    }

    /// Comes back when it is over; what it broke may still be broken then.
    func happen(to scene: FaultScene, _ random: inout SeededRandom) throws {
        func aWhile(_ range: ClosedRange<UInt32>) -> UInt32 { .random(in: range, using: &random) * 1_000 }
        let proxy = Bool.random(using: &random) ? scene.toSource : scene.toTarget
        let service = scene.services[Int.random(in: 0..<scene.services.count, using: &random)]
        switch self {
        case .sourceCrashed: restart(scene.sourceServer, after: aWhile(0...500))
        case .targetCrashed: restart(scene.targetServer, after: aWhile(0...500))
        case .cut: proxy.cut()
        case .silent: during(aWhile(200...900), { proxy.set(.silent) }, { proxy.set(.forwarding) })
        case .silentThenCut:
            during(aWhile(200...900), { proxy.set(.silent) }, {
                proxy.cut()
                proxy.set(.forwarding)
            })
        case .refused:
            during(aWhile(200...900), {
                proxy.set(.refusing)
                proxy.cut()
            }, { proxy.set(.forwarding) })
        case .slow: during(aWhile(300...900), { proxy.set(delayMs: 20) }, { proxy.set(delayMs: 0) })
        case .backendsTerminated: try onServers(scene, "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'tidemark%' and pid <> pg_backend_pid()")
        case .statementsCancelled: try onServers(scene, "select pg_cancel_backend(pid) from pg_stat_activity where application_name like 'tidemark%' and pid <> pg_backend_pid()")
        case .tableLocked:
            guard let flow = scene.flows.randomElement(using: &random) else { return }
            let session = try flow.target.open()
            let lock = flow.target.isPostgres ? "begin; lock table public.item in access exclusive mode" : "begin exclusive"
            try scene.persistently { try session.run(lock) }
            usleep(aWhile(300...900))
            try session.run("rollback")
        case .serviceKilled:
            service.kill9()
            usleep(aWhile(0...300))
            try service.start()
        case .serviceStoppedForLonger: try stopForLonger(service, scene)
        case .serviceRestarted:
            guard service.stop() != nil else { throw FaultUnborne("a service did not end in a minute:\n\(service.log.suffix(6_000))") }
            try service.start()
        case .reloaded: service.signal(SIGHUP)
        case .leaseLost: try loseLease(scene)
        case .diskFull: try fillDisk(scene, for: aWhile(500...1_200))
        case .serviceClockJumped: scene.clocks.service?.set(offsetSeconds: Self.jump(&random))
        case .sourceClockJumped: scene.clocks.source?.set(offsetSeconds: Self.jump(&random))
        case .targetClockJumped: scene.clocks.target?.set(offsetSeconds: Self.jump(&random))
        }
    }

    /// From a moment to a day, either way.
    private static func jump(_ random: inout SeededRandom) -> Int64 {
        [-86_400, -3_600, -90, -5, -1, 0, 1, 5, 90, 3_600, 86_400].randomElement(using: &random) ?? 0
    }

    private func restart(_ server: ScratchCluster, after microseconds: UInt32) {
        server.crash()
        usleep(microseconds)
        server.start()
    }

    private func during(_ microseconds: UInt32, _ begin: () -> Void, _ end: () -> Void) {
        begin()
        usleep(microseconds)
        end()
    }

    private func onServers(_ scene: FaultScene, _ sql: String) throws {
        for server in [scene.sourceServer, scene.targetServer] {
            try scene.persistently { try PostgresSession(server.url("postgres")).run(sql) }
        }
    }

    /// Longer than a lease lasts: the other one leads meanwhile, and this one has to learn it before it writes. What it has
    /// locked in a SQLite file nobody else can free, so only servers' flows have to go on.
    private func stopForLonger(_ service: FaultService, _ scene: FaultScene) throws {
        service.signal(SIGSTOP)
        defer { service.signal(SIGCONT) }
        usleep(2_500_000)
        let result = try scene.flow({ $0.source.isPostgres && $0.target.isPostgres }, withinSeconds: 120)
        guard result.stuck.isEmpty else { throw FaultUnborne("nobody took over \(result.stuck) from a service that is stopped") }
    }

    /// As somebody does who wants the other service to lead, or tidies up.
    private func loseLease(_ scene: FaultScene) throws {
        for flow in scene.flows {
            switch flow.target {
            case .postgres: try scene.persistently { try flow.target.open().run("delete from tidemark.lease") }
            case .sqlite(let path): unlink(path + "-tidemark-leases")
            }
        }
    }

    /// With more on the way than the targets have room for.
    private func fillDisk(_ scene: FaultScene, for microseconds: UInt32) throws {
        scene.disk?.fill()
        defer { scene.disk?.free() }
        for flow in scene.flows {
            try scene.persistently {
                let session = try flow.source.open()
                try session.run("""
                    with recursive n (i) as (select 1 union all select i + 1 from n where i < 12000)
                    insert into entry select i, 'large', '\(String(repeating: "as large as it is long, ", count: 12))' from n where true on conflict do nothing
                    """)
            }
        }
        usleep(microseconds)
        for flow in scene.flows { try scene.persistently { try flow.source.open().run("delete from entry where b = 'large'") } }
    }
}

struct FaultUnborne: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
