import Hummingbird
import HummingbirdCore
import NIOCore

/// What a request came over.
struct Connection: InitializableFromSource {
    private let channel: any Channel
    let address: String?

    init(source: ApplicationRequestContextSource) {
        channel = source.channel
        address = source.channel.remoteAddress?.ipAddress
    }

    /// Closes it, unless what is returned is called off before.
    func close(inSeconds seconds: Int) -> Scheduled<Void> {
        let channel = channel
        return channel.eventLoop.scheduleTask(in: .seconds(Int64(seconds))) { channel.close(promise: nil) }
    }
}

extension Reply {
    /// As the server writes it. `closes` where the request has a body that nobody will read.
    func response(to request: Request, over connection: Connection, closes: Bool, limits: ServerLimits) -> Response {
        var headers = headers
        headers.addSecurity()
        if closes { headers[.connection] = "close" }
        switch content {
        case .bytes(let bytes):
            if status != .noContent, status != .notModified { headers[.contentLength] = String(bytes.readableBytes) }
            let isHead = request.method == .head
            // What is small fits into the buffers of the socket: nobody can be slow to take it.
            if !closes, isHead || bytes.readableBytes < 16_384 {
                return Response(status: status, headers: headers, body: isHead ? ResponseBody() : ResponseBody(byteBuffer: bytes))
            }
            let body = ResponseBody(contentLength: isHead ? 0 : bytes.readableBytes) { writer in
                let deadline = connection.close(inSeconds: limits.transferSeconds)
                defer { deadline.cancel() }
                if !isHead { try await writer.write(bytes) }
                try await writer.finish(nil)
                // The client may still be sending: it is given the time to see the answer.
                if closes { _ = connection.close(inSeconds: 2) }
            }
            return Response(status: status, headers: headers, body: body)
        case .events(let reader):
            if request.method == .head { return Response(status: status, headers: headers) }
            let body = ResponseBody { writer in
                try await reader.write(to: &writer, request: request, over: connection, limits: limits)
            }
            return Response(status: status, headers: headers, body: body)
        }
    }
}

extension LiveMoments.Reader {
    /// Writes moments until the client goes or the service stops.
    fileprivate func write(
        to writer: inout any ResponseBodyWriter, request: Request, over connection: Connection, limits: ServerLimits
    ) async throws {
        defer { leave() }
        var output = writer
        try await request.body.consumeWithInboundCloseHandler { _ in
            try await output.write(LiveMoments.greeting)
            var seen: UInt64 = 0
            for await _ in calls {
                let next = frame(after: seen)
                seen = next?.number ?? seen
                let deadline = connection.close(inSeconds: limits.transferSeconds)
                defer { deadline.cancel() }
                try await output.write(next?.bytes ?? LiveMoments.keepAlive)
            }
        } onInboundClosed: {
            self.leave()
        }
        try await writer.finish(nil)
    }
}
