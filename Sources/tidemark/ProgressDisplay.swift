import Foundation
import TidemarkCore
import TidemarkPipeline

/// Shows how far rows are while `body` moves them: bars on a terminal, a line now and then in a log.
/// - Parameter logs: does `body` write lines of its own to the terminal? Then there are lines only.
func showingProgress<T: Sendable>(
    of meters: [CopyMeter], _ verb: String, besideLog logs: Bool = false, _ body: @Sendable () async throws -> T
) async throws -> T {
    let display = ProgressDisplay(meters, verb: verb, drawsBars: !logs && ProgressDisplay.hasTerminal)
    let showing = Task { await display.show() }
    do {
        let result = try await body()
        showing.cancel()
        await showing.value
        return result
    } catch {
        showing.cancel()
        await showing.value
        throw error
    }
}

/// One line per table: rows, bytes, rate, time left.
actor ProgressDisplay {
    private let meters: [CopyMeter]
    private let verb: String
    private let drawsBars: Bool
    private let start = ContinuousClock.now
    private var linesDrawn = 0
    private var first: [TableName: Int64] = [:]
    private static let barWidth = 20
    private static let linesMax = 12

    init(_ meters: [CopyMeter], verb: String, drawsBars: Bool) {
        (self.meters, self.verb, self.drawsBars) = (meters, verb, drawsBars)
    }

    static var hasTerminal: Bool { isatty(STDERR_FILENO) == 1 }

    /// Until it is cancelled; the last state stays on the terminal.
    func show() async {
        while !Task.isCancelled {
            try? await Task.sleep(for: drawsBars ? .milliseconds(250) : .seconds(5))
            if drawsBars { draw() } else if !Task.isCancelled { log() }
        }
    }

    private var readings: [CopyMeter.Reading] { meters.flatMap(\.readings) }

    private func draw() {
        let working = readings.filter { !$0.isDone }
        let shown = (readings.filter(\.isDone).suffix(max(0, Self.linesMax - working.count)) + working.prefix(Self.linesMax))
        guard !shown.isEmpty else { return }
        let width = shown.map { $0.table.description.count }.max() ?? 0
        var text = linesDrawn > 0 ? "\u{1B}[\(linesDrawn)A" : ""
        for reading in shown { text += "\u{1B}[2K\(line(reading, nameWidth: width))\n" }
        // Fewer lines than before would leave the last ones standing.
        text += "\u{1B}[J"
        linesDrawn = shown.count
        FileHandle.standardError.write(Data(text.utf8))
    }

    private func log() {
        for reading in readings where !reading.isDone {
            FileHandle.standardError.write(Data("tidemark: \(verb) \(sentence(reading))\n".utf8))
        }
    }

    private func line(_ reading: CopyMeter.Reading, nameWidth: Int) -> String {
        let name = reading.table.description.padding(toLength: nameWidth, withPad: " ", startingAt: 0)
        let fraction = reading.isDone ? 1 : reading.expectedRows > 0 ? min(0.99, Double(reading.rows) / Double(reading.expectedRows)) : 0
        let filled = Int(fraction * Double(Self.barWidth))
        let bar = String(repeating: "█", count: filled) + String(repeating: "·", count: Self.barWidth - filled)
        let percent = String(format: "%3d", Int(fraction * 100))
        return "\(name) \(bar) \(percent) %  \(figures(reading))"
    }

    private func sentence(_ reading: CopyMeter.Reading) -> String { "\(reading.table): \(figures(reading))" }

    private func figures(_ reading: CopyMeter.Reading) -> String {
        let seconds = max(0.001, (ContinuousClock.now - start).inSeconds)
        let begun = first[reading.table] ?? reading.rows
        first[reading.table] = min(begun, reading.rows)
        let rate = Double(reading.rows - begun) / seconds
        var text = Amount.text(reading.rows, "row")
        if reading.bytes > 0 { text += ", \(ByteCount.text(reading.bytes))" }
        guard !reading.isDone, rate > 0 else { return text }
        text += ", \(Int(rate)) rows/s"
        if reading.expectedRows > reading.rows { text += ", \(Int(Double(reading.expectedRows - reading.rows) / rate) + 1) s left" }
        return text
    }
}

extension Duration {
    var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
