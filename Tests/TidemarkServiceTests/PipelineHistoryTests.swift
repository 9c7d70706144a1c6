import Foundation
import Testing

@testable import TidemarkService

@Suite("History of a pipeline")
struct PipelineHistoryTests {
    private static func figures(_ pending: Int64) -> PipelineView.Figures {
        var figures = PipelineView.Figures()
        figures.pendingChanges = pending
        return figures
    }

    @Test("a day is kept, the last hour closely, in the order of time")
    func thinned() throws {
        var history = PipelineHistory()
        let start = Date(timeIntervalSince1970: 1_780_000_000)
        for step in 0..<20_000 { history.note(Self.figures(Int64(step)), logBytes: nil, at: start.addingTimeInterval(Double(step) * 10)) }
        let samples = history.samples
        #expect(samples.count <= 1_060)
        #expect(samples.map(\.at) == samples.map(\.at).sorted())
        let steps = samples.compactMap(\.pendingChanges)
        #expect(steps.last == 19_999)
        #expect(Array(steps.suffix(360)) == Array(19_640...19_999))
        // 23 hours before, at two minutes each.
        #expect(try #require(steps.first) <= 19_640 - 22 * 360)
    }

    @Test("databases that are asked more often than every ten seconds do not shorten it")
    func often() {
        var history = PipelineHistory()
        let start = Date(timeIntervalSince1970: 1_780_000_000)
        for step in 0..<1_000 { history.note(Self.figures(Int64(step)), logBytes: 5, at: start.addingTimeInterval(Double(step))) }
        #expect((100...112).contains(history.samples.count))
    }
}
