import TidemarkApp

/// A column of the list; a narrow terminal has fewer.
struct TopColumn {
    let heading: String
    var cells: Int
    let isFigure: Bool
    let text: @Sendable (PipelineView) -> String

    init(_ heading: String, _ cells: Int, isFigure: Bool = true, _ text: @escaping @Sendable (PipelineView) -> String) {
        (self.heading, self.cells, self.isFigure, self.text) = (heading, cells, isFigure, text)
    }

    private static let mark = TopColumn("", 1, isFigure: false) { $0.health.mark }
    private static let nameMin = 12

    /// In their order from the left, with what is the last to be left out first.
    private static let others: [(importance: Int, column: TopColumn)] = [
        (4, TopColumn("HEALTH", 9, isFigure: false) { $0.health.word }),
        (5, TopColumn("ACTIVITY", 11, isFigure: false) { $0.activity.rawValue }),
        (1, TopColumn("BEHIND", 7) { $0.figures.pendingChanges == 0 ? "0s" : ShortFigure.span($0.figures.pendingSeconds) }),
        (2, TopColumn("CHANGES", 7) { ShortFigure.count($0.figures.pendingChanges) }),
        (3, TopColumn("APPLY/s", 7) { ShortFigure.count($0.figures.appliedChangesPerSecond) }),
        (6, TopColumn("CAPT/s", 7) { ShortFigure.count($0.figures.capturedChangesPerSecond) }),
        (7, TopColumn("E2E", 6) { ShortFigure.span($0.figures.endToEndSeconds) }),
        (9, TopColumn("LOG", 8) { ShortFigure.bytes($0.status?.logBytes) }),
        (8, TopColumn("PARKED", 6) { $0.parkedTransactions == 0 ? "0" : ShortFigure.count($0.parkedTransactions) }),
    ]

    static func fitting(_ width: Int, names: [String]) -> [TopColumn] {
        // The mark of the selection, the mark of the health, and the name.
        var left = width - 3 - nameMin
        var taken: Set<Int> = []
        for (importance, column) in others.sorted(by: { $0.importance < $1.importance }) {
            guard left >= column.cells + 1 else { break }
            left -= column.cells + 1
            taken.insert(importance)
        }
        let longest = names.map { TerminalText.width(TerminalText.visible($0)) }.max() ?? 0
        let name = TopColumn("PIPELINE", min(max(nameMin, longest), nameMin + left), isFigure: false) { TerminalText.visible($0.name) }
        return [mark, name] + others.filter { taken.contains($0.importance) }.map(\.column)
    }

    static func headings(_ columns: [TopColumn]) -> String {
        " " + columns.map { TerminalText.fitted($0.heading, to: $0.cells, isFigure: $0.isFigure) }.joined(separator: " ")
    }

    static func row(_ columns: [TopColumn], _ pipeline: PipelineView) -> String {
        columns.map { TerminalText.fitted($0.text(pipeline), to: $0.cells, isFigure: $0.isFigure) }.joined(separator: " ")
    }
}
