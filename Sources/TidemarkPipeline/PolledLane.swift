import TidemarkBlocking
package import TidemarkCore

/// How tables are read beside a log. Each closure is called on the thread that will own what it makes, and again after each loss.
package struct PolledConnections: Sendable {
    package typealias Opening<Side> = @Sendable () throws -> Side

    package var source: Opening<any PolledSource>
    package var target: Opening<any PolledTarget>
    /// By which the pipeline is taken over where no stream does, and looked at.
    package var holder: Opening<any ChangeTarget>

    package init(
        source: @escaping Opening<any PolledSource>, target: @escaping Opening<any PolledTarget>, holder: @escaping Opening<any ChangeTarget>
    ) {
        (self.source, self.target, self.holder) = (source, target, holder)
    }
}

/// Two threads that move a table's rows, each with a connection that is opened when it is first needed, and again after it has failed.
final class PolledLane: Sendable {
    private let connections: PolledConnections
    private let reader = DedicatedThread<(any PolledSource)?> { nil }
    private let writer = DedicatedThread<(any PolledTarget)?> { nil }

    init(_ connections: PolledConnections) { self.connections = connections }

    deinit {
        reader.stop()
        writer.stop()
    }

    func read<T: Sendable>(_ body: @escaping @Sendable (any PolledSource) throws -> T) async throws -> T {
        let open = connections.source
        return try await reader.run { state in try Self.using(&state, open, body) }
    }

    func write<T: Sendable>(_ body: @escaping @Sendable (any PolledTarget) throws -> T) async throws -> T {
        let open = connections.target
        return try await writer.run { state in try Self.using(&state, open, body) }
    }

    /// Lets go what the source holds, if it does.
    func release() async { try? await reader.run { $0?.release() } }

    /// Reads beside what takes the pages, one ahead.
    func startReading(_ body: @escaping @Sendable (any PolledSource, (ChangePage) throws -> Void) throws -> Void) -> PageSlots<ChangePage> {
        let slots = PageSlots<ChangePage>()
        let open = connections.source
        reader.submit { state in
            do {
                try Self.using(&state, open) { source in
                    try body(source) { page in
                        guard slots.offer(page) else { throw Abandoned() }
                    }
                }
                slots.finish(.success(()))
            } catch {
                slots.finish(.failure(error))
            }
        }
        return slots
    }

    private static func using<Side, T>(_ state: inout Side?, _ open: () throws -> Side, _ body: (Side) throws -> T) throws -> T {
        let side = try state ?? open()
        state = side
        do {
            return try body(side)
        } catch let failure as TidemarkError where failure.retry == .later {
            state = nil
            throw failure
        }
    }
}
