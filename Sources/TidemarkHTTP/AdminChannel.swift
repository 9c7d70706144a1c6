import HummingbirdCore
import Logging
import NIOCore
import NIOSSL
import Synchronization

/// One connection to the server: HTTP, over TLS where there is a certificate, by the one of the moment.
struct AdminChannel: ServerChildChannel {
    let http: HTTP1Channel
    let certificate: Certificate?

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<AcceptedConnection> {
        channel.eventLoop.makeCompletedFuture {
            if let certificate { try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: certificate.current)) }
        }.flatMap { http.setup(channel: channel, logger: logger) }.map(AcceptedConnection.init)
    }

    func handle(value: AcceptedConnection, logger: Logger) async { await http.handle(value: value.take(), logger: logger) }
}

/// A connection that was accepted. One that comes in the very moment in which the server closes nobody handles: it is closed then.
/// Of itself NIO ends the process where a channel's writer is let go of like that (its issue 2813).
final class AcceptedConnection: ServerChildChannelValue {
    private let connection: HTTP1Channel.Value
    private let isTaken = Atomic(false)

    init(_ connection: HTTP1Channel.Value) { self.connection = connection }

    deinit {
        guard !isTaken.load(ordering: .relaxed) else { return }
        Task { [connection] in try? await connection.executeThenClose { _, _ in } }
    }

    var channel: any Channel { connection.channel }

    func take() -> HTTP1Channel.Value {
        isTaken.store(true, ordering: .relaxed)
        return connection
    }
}
