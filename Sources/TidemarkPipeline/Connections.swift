package import TidemarkCore

/// How a pipeline reaches its two databases. Each closure is called on the thread that will own what it
/// makes, and again after each loss.
package struct Connections: Sendable {
    package typealias Opening<Side> = @Sendable () throws -> Side

    package var source: Opening<any ChangeSource>
    package var target: Opening<any ChangeTarget>
    package var rowSource: Opening<any RowSource>
    package var rowTarget: Opening<any RowTarget>
    package var targetReader: Opening<any TargetReader>
    /// Whose rows the target holds: those of one engine are compared by digests.
    package var targetEngine: String
    package var sourceEngine: String
    var sourceEngineIsTargets: Bool { sourceEngine == targetEngine }

    package init(
        source: @escaping Opening<any ChangeSource>, target: @escaping Opening<any ChangeTarget>,
        rowSource: @escaping Opening<any RowSource>, rowTarget: @escaping Opening<any RowTarget>,
        targetReader: @escaping Opening<any TargetReader>, sourceEngine: String, targetEngine: String
    ) {
        (self.source, self.target, self.rowSource, self.rowTarget) = (source, target, rowSource, rowTarget)
        (self.targetReader, self.sourceEngine, self.targetEngine) = (targetReader, sourceEngine, targetEngine)
    }
}
