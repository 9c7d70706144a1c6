import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
import Testing
import TidemarkTestSupport

@testable import TidemarkHTTP

@Suite("Connections to the server", .ownThreads)
struct AdminChannelTests {
    @Test("one that nobody handles any more, as the server closes, is closed", .timeLimit(.minutes(1)))
    func unhandled() async throws {
        try await RunningServer.with { running in
            let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).connect(host: "127.0.0.1", port: running.port).get()
            let http = HTTP1Channel { (_: Request, _: consuming ResponseWriter, _: any Channel) in }
            // As a server does whose own channel has been closed meanwhile. With HTTP1Channel alone the process ends here.
            _ = try await AdminChannel(http: http, certificate: nil).setup(channel: channel, logger: Logger(label: "test")).get()
            try await channel.closeFuture.get()
        }
    }
}
