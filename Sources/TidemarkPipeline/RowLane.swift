import TidemarkBlocking
import TidemarkCore

/// Moves rows from the source to the target, or compares both.
final class RowLane: Sendable {
    private let reader: LaneSide<any RowSource>
    private let loader: LaneSide<any RowTarget>
    private let comparer: LaneSide<any TargetReader>

    init(_ connections: Connections) {
        (reader, loader) = (LaneSide(connections.rowSource), LaneSide(connections.rowTarget))
        comparer = LaneSide(connections.targetReader)
    }

    func read<T: Sendable>(_ body: @escaping @Sendable (any RowSource) throws -> T) async throws -> T { try await reader.use(body) }
    func load<T: Sendable>(_ body: @escaping @Sendable (any RowTarget) throws -> T) async throws -> T { try await loader.use(body) }
    func compare<T: Sendable>(_ body: @escaping @Sendable (any TargetReader) throws -> T) async throws -> T { try await comparer.use(body) }

    func releaseTarget() async { await comparer.ifOpen { $0.release() } }

    /// Lets both sides' positions go, as far as there are any.
    func release() async {
        await reader.ifOpen { $0.release() }
        await releaseTarget()
    }

    /// Reads a part at the position that is held.
    func startReading(_ part: TablePart, as form: RowForm) -> PageSlots<RowPage> {
        reader.startReading(held: true) { source, receive in try source.read(part, as: form, receive) }
    }
}
