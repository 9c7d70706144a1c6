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

/// Moves a table's rows that are read beside a log.
final class PolledLane: Sendable {
    private let reader: LaneSide<any PolledSource>
    private let writer: LaneSide<any PolledTarget>

    init(_ connections: PolledConnections) { (reader, writer) = (LaneSide(connections.source), LaneSide(connections.target)) }

    func read<T: Sendable>(_ body: @escaping @Sendable (any PolledSource) throws -> T) async throws -> T { try await reader.use(body) }
    func write<T: Sendable>(_ body: @escaping @Sendable (any PolledTarget) throws -> T) async throws -> T { try await writer.use(body) }

    /// Lets go what the source holds, if it does.
    func release() async { await reader.ifOpen { $0.release() } }

    func startReading(_ body: @escaping @Sendable (any PolledSource, (ChangePage) throws -> Void) throws -> Void) -> PageSlots<ChangePage> {
        reader.startReading(body)
    }
}
