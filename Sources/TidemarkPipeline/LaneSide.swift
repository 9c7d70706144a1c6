import TidemarkBlocking
import TidemarkCore

/// A thread of a lane, with a connection that is opened when it is first needed, and again after it has failed.
final class LaneSide<Side>: Sendable {
    private let open: @Sendable () throws -> Side
    private let thread = DedicatedThread<Side?> { nil }

    init(_ open: @escaping @Sendable () throws -> Side) { self.open = open }

    deinit { thread.stop() }

    func use<T: Sendable>(_ body: @escaping @Sendable (Side) throws -> T) async throws -> T {
        let open = open
        return try await thread.run { state in try Self.using(&state, open, body) }
    }

    /// Only where it is open.
    func ifOpen(_ body: @escaping @Sendable (Side) -> Void) async { try? await thread.run { state in state.map(body) } }

    /// Reads beside what takes the pages, one ahead.
    /// - Parameter held: what is read is held by the connection: a new one would be at another place, and is not opened.
    func startReading<Page: Sendable>(
        held: Bool = false, _ body: @escaping @Sendable (Side, (Page) throws -> Void) throws -> Void
    ) -> PageSlots<Page> {
        let (slots, open) = (PageSlots<Page>(), open)
        thread.submit { state in
            do {
                try Self.using(&state, { if held { throw CancellationError() } else { try open() } }) { side in
                    try body(side) { page in
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

    private static func using<T>(_ state: inout Side?, _ open: () throws -> Side, _ body: (Side) throws -> T) throws -> T {
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

/// The side that takes pages takes no more.
struct Abandoned: Error {}
