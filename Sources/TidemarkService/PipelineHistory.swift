import Foundation

/// What became of a pipeline in the last day, in little memory: the last hour closely, the rest of the day roughly.
struct PipelineHistory {
    /// One moment, without texts.
    private struct Moment {
        var time: Double
        var pendingChanges: Int64?
        var pendingSeconds: Float?
        var endToEndSeconds: Float?
        var applied: Float
        var captured: Float
        var logBytes: Int64?
    }

    static let everySeconds = 10.0
    private static let closelyMax = 360
    private static let roughlyMax = 690
    /// Every so many of the close ones is kept for the day.
    private static let thinning = 12
    private var closely: [Moment] = []
    private var roughly: [Moment] = []
    private var dropped = 0

    mutating func note(_ figures: PipelineView.Figures, logBytes: Int64?, at time: Date) {
        if let last = closely.last, time.timeIntervalSince1970 - last.time < Self.everySeconds * 0.9 { return }
        closely.append(
            Moment(
                time: time.timeIntervalSince1970, pendingChanges: figures.pendingChanges,
                pendingSeconds: figures.pendingSeconds.map { Float($0) }, endToEndSeconds: figures.endToEndSeconds.map { Float($0) },
                applied: Float(figures.appliedChangesPerSecond), captured: Float(figures.capturedChangesPerSecond), logBytes: logBytes))
        guard closely.count > Self.closelyMax else { return }
        let oldest = closely.removeFirst()
        if dropped % Self.thinning == 0 { roughly.append(oldest) }
        dropped += 1
        if roughly.count > Self.roughlyMax { roughly.removeFirst() }
    }

    /// The oldest first.
    var samples: [Sample] {
        (roughly + closely).map { moment in
            Sample(
                at: Date(timeIntervalSince1970: moment.time).formatted(.iso8601), pendingChanges: moment.pendingChanges,
                pendingSeconds: moment.pendingSeconds.map { Double($0) }, endToEndSeconds: moment.endToEndSeconds.map { Double($0) },
                appliedChangesPerSecond: Double(moment.applied), capturedChangesPerSecond: Double(moment.captured), logBytes: moment.logBytes)
        }
    }
}
