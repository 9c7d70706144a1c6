import Foundation
import Logging
import TidemarkConfig
import TidemarkCore
import TidemarkHTTP
import TidemarkObservability
import TidemarkService

/// The process of `tidemark serve`: the service and its API, signals, and what systemd wants to know.
struct ServiceProcess {
    private let service: PipelineService
    private let server: AdminServer?
    private let notices = ServiceNotices(environment: ProcessInfo.processInfo.environment)
    private let isLogLevelGiven: Bool
    private let read: @Sendable () throws(ConfigurationProblems) -> Configuration
    private let log: Logger

    /// - Parameters:
    ///   - isLogLevelGiven: does a flag say what is logged, whatever the configuration says?
    ///   - read: reads the configuration anew.
    init(_ configuration: Configuration, isLogLevelGiven: Bool, _ read: @escaping @Sendable () throws(ConfigurationProblems) -> Configuration) throws {
        let settings = configuration.service
        log = Logging.toStandardError()
        for warning in configuration.warnings { log.warning("\(warning.text(path: configuration.path))") }
        service = try PipelineService(configuration, version: Tidemark.version, instance: ThisProcess.leader, log: log)
        server = try settings.listen == nil ? nil : AdminServer(controlPlane: service, settings: settings, log: log)
        (self.isLogLevelGiven, self.read) = (isLogLevelGiven, read)
    }

    /// Until a signal comes. Pipelines end first, then the API: who asks learns how they do.
    func run() async throws {
        let (asked, ask) = AsyncStream<Request>.makeStream()
        let signals = [
            ProcessSignals(ProcessSignals.stops) { ask.yield(.stop) }, ProcessSignals([SIGHUP]) { ask.yield(.reload) },
        ]
        signal(SIGPIPE, SIG_IGN)
        defer { signals.forEach { $0.cancel() } }
        log.notice("tidemark \(Tidemark.version) serves as \(ThisProcess.leader)")
        try await withThrowingTaskGroup(of: Void.self) { group in
            if let server { group.addTask { try await server.run() } }
            group.addTask { await showLife() }
            group.addTask {
                var isStopping = false
                for await request in asked {
                    switch request {
                    case .reload: await reload()
                    case .stop where isStopping:
                        await giveUp("as a second signal came")
                    case .stop:
                        isStopping = true
                        log.notice("ending after the windows at hand; a second signal does not wait for them")
                        notices.stopping("ending after the windows at hand")
                        await stop()
                    }
                }
            }
            group.addTask {
                await service.run()
                throw Ended()
            }
            do {
                for try await _ in group {}
            } catch is Ended {
                group.cancelAll()
            } catch {
                // Without the API that was wanted it must not look as if all were well.
                await stop()
                throw error
            }
        }
    }

    private enum Request { case reload, stop }
    private struct Ended: Error {}

    /// Ends in time: whoever started this process would kill it later, without a word.
    private func stop() async {
        let withinMs = await service.stop()
        Task {
            try? await Task.sleep(for: .milliseconds(withinMs))
            await giveUp("as it had not ended within \(TimeSpan.text(Int64(withinMs) / 1_000))")
        }
    }

    /// A database that hangs is waited for by a thread that nothing else can end.
    private func giveUp(_ because: String) async -> Never {
        for one in await service.unfinished() {
            var log = log
            log[.pipeline] = "\(one.pipeline)"
            log.error("\(one.what) is given up: \(one.why)")
        }
        log.warning("stopped at once, \(because): what was under way is undone, and applied again by whoever leads next")
        _exit(1)
    }

    /// A configuration with errors changes nothing.
    private func reload() async {
        notices.reloading()
        do {
            let next = try read()
            for warning in next.warnings { log.warning("\(warning.text(path: next.path))") }
            try server?.reload(next.service)
            if !isLogLevelGiven, let level = Logger.Level(rawValue: next.service.logLevel) { Logging.output.level = level }
            await service.take(next)
        } catch {
            log.error("the configuration was not taken, the one before stays:\n\(error)")
        }
        notices.ready()
    }

    /// Tells who started this process that it is ready, and that it lives: asked of the service itself, so that one that
    /// hangs is found.
    private func showLife() async {
        guard notices.areWanted else { return }
        var isReady = false
        let waitMs = min(notices.watchdogMs.map { max(100, $0 / 3) } ?? 1_000, 1_000)
        while !Task.isCancelled {
            let view = await service.service()
            if view.isReady, !isReady {
                isReady = true
                notices.ready()
            }
            notices.watchdog()
            let health = view.health.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
            notices.status("\(Amount.text(view.pipelines, "pipeline")): \(health)")
            try? await Task.sleep(for: .milliseconds(waitMs))
        }
    }
}
