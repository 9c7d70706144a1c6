import TidemarkBlocking
import TidemarkCore

/// Two threads that move rows from the source to the target, or compare both: each with a connection that
/// is opened when it is first needed, and again after it has failed.
final class RowLane: Sendable {
    private let connections: Connections
    private let reader = DedicatedThread<(any RowSource)?> { nil }
    private let loader = DedicatedThread<(any RowTarget)?> { nil }
    private let comparer = DedicatedThread<(any TargetReader)?> { nil }

    init(_ connections: Connections) { self.connections = connections }

    deinit {
        reader.stop()
        loader.stop()
        comparer.stop()
    }

    func read<T: Sendable>(_ body: @escaping @Sendable (any RowSource) throws -> T) async throws -> T {
        let open = connections.rowSource
        return try await reader.run { state in try Self.using(&state, open, body) }
    }

    func load<T: Sendable>(_ body: @escaping @Sendable (any RowTarget) throws -> T) async throws -> T {
        let open = connections.rowTarget
        return try await loader.run { state in try Self.using(&state, open, body) }
    }

    func compare<T: Sendable>(_ body: @escaping @Sendable (any TargetReader) throws -> T) async throws -> T {
        let open = connections.targetReader
        return try await comparer.run { state in try Self.using(&state, open, body) }
    }

    func releaseTarget() async { try? await comparer.run { $0?.release() } }

    /// Lets both sides' positions go, as far as there are any.
    func release() async {
        try? await reader.run { $0?.release() }
        await releaseTarget()
    }

    /// Reads a part beside what takes its pages, one ahead.
    func startReading(_ part: TablePart, as form: RowForm) -> PageSlots<RowPage> {
        let slots = PageSlots<RowPage>()
        reader.submit { source in
            do {
                guard let source else { throw CancellationError() }
                try source.read(part, as: form) { page in
                    guard slots.offer(page) else { throw Abandoned() }
                }
                slots.finish(.success(()))
            } catch {
                slots.finish(.failure(error))
            }
        }
        return slots
    }

    private static func using<Side, T>(
        _ state: inout Side?, _ open: () throws -> Side, _ body: (Side) throws -> T
    ) throws -> T {
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
