import Foundation
import Hummingbird
import HummingbirdCore
package import Logging
import NIOCore
import ServiceLifecycle
package import TidemarkConfig
import TidemarkCore
package import TidemarkService

/// The API and the dashboard of a service, on one address.
package final class AdminServer: Sendable {
    private let plane: any ControlPlane
    private let listen: ServiceSettings.ListenAddress
    private let access: AccessControl
    private let certificate: Certificate?
    private let moments: LiveMoments
    private let limits: ServerLimits
    private let log: Logger

    /// Throws where that must not be served: to other machines without tokens, or with a certificate that is of no use.
    package init(controlPlane: any ControlPlane, settings: ServiceSettings, limits: ServerLimits = ServerLimits(), log: Logger) throws {
        access = try AccessControl(settings)
        certificate = try settings.tls.map(Certificate.init)
        (plane, listen, self.limits, self.log) = (controlPlane, settings.listen ?? .init(host: "127.0.0.1", port: 0), limits, log)
        moments = LiveMoments(maxReaders: limits.eventStreams)
        if !listen.isLoopback, certificate == nil {
            log.warning("Tokens are sent in the clear: the API listens on \(listen.host) without TLS. Configure tls under service, unless a proxy does it.")
        }
    }

    /// Takes the tokens and the certificate of a configuration that was read anew; keeps those that it has where it throws.
    package func reload(_ settings: ServiceSettings) throws {
        if let files = settings.tls { try certificate?.replace(files) }
        try access.replace(settings, listeningOn: listen)
        if settings.listen != listen || (settings.tls == nil) != (certificate == nil) {
            log.warning("The API stays on \(listen.shown):\(listen.port) \(certificate == nil ? "without" : "with") TLS: that changes when the service is started anew.")
        }
    }

    /// Serves until the task is cancelled or the services around it stop; what is asked by then is answered.
    ///
    /// `onListening` is told the port. `executor` runs it all where the threads of the process may be held up by others.
    package func run(on executor: (any TaskExecutor)? = nil, onListening: @escaping @Sendable (Int) async -> Void = { _ in }) async throws {
        var quiet = log
        quiet.logLevel = max(log.logLevel, .warning)
        let application = Application(
            responder: Responder(plane: plane, access: access, moments: moments, limits: limits, log: log),
            server: server,
            configuration: ApplicationConfiguration(
                address: .hostname(listen.host, port: listen.port),
                availableConnectionsDelegate: .maximum(limits.connections, logger: quiet)),
            onServerRunning: { [listen, certificate, log] channel in
                let port = channel.localAddress?.port ?? listen.port
                log.info("The API and the dashboard are at \(certificate == nil ? "http" : "https")://\(listen.shown):\(port)/")
                await onListening(port)
            },
            logger: quiet)
        var configuration = ServiceGroupConfiguration(services: [application], logger: quiet)
        configuration.maximumGracefulShutdownDuration = .seconds(limits.stopSeconds)
        let group = ServiceGroup(configuration: configuration)

        // Not children of this task: its cancellation begins a stop, and must not cut off what is under way.
        let serving = Task(executorPreference: executor) { try await group.run() }
        let following = Task(executorPreference: executor) { [moments, plane, limits] in
            await moments.follow(plane, keepAliveSeconds: limits.keepAliveSeconds)
        }
        defer { following.cancel() }
        do {
            try await withTaskCancellationHandler {
                try await withGracefulShutdownHandler {
                    try await serving.value
                } onGracefulShutdown: {
                    self.stop(group)
                }
            } onCancel: {
                stop(group)
            }
        } catch let failure as IOError {
            throw TidemarkError(
                "The API cannot listen on \(listen.shown):\(listen.port)",
                why: failure.errnoCode == EADDRINUSE ? "another process listens there" : failure.description,
                remedy: failure.errnoCode == EADDRINUSE
                    ? "See which: ss -ltnp 'sport = :\(listen.port)'; stop it, or choose another port under service: listen."
                    : "Correct service: listen in the configuration.")
        } catch let failure as SocketAddressError {
            throw TidemarkError(
                "The API cannot listen on \(listen.shown):\(listen.port)", why: "\(failure)", remedy: "Correct service: listen in the configuration.")
        }
    }

    private func stop(_ group: ServiceGroup) {
        moments.end()
        Task { await group.triggerGracefulShutdown() }
    }

    private var server: HTTPServerBuilder {
        let configuration = HTTP1Channel.Configuration(
            idleTimeout: .seconds(Int64(limits.idleSeconds)),
            httpDecoderConfiguration: .init(
                maxHeaderFieldSize: limits.headerBytes, maxHeaderListSize: limits.headerBytes, maxHeaderFieldCount: limits.headerFields))
        return HTTPServerBuilder { [certificate] in AdminChannel(http: HTTP1Channel(responder: $0, configuration: configuration), certificate: certificate) }
    }
}

extension ServiceSettings.ListenAddress {
    /// As it stands in an address with a port.
    fileprivate var shown: String { host.contains(":") ? "[\(host)]" : host }
}
