import TidemarkApp
import TidemarkCore

/// The screen of `tidemark top`: lines from a state, exactly as many and as wide as the terminal has.
package struct TopScreen: Sendable {
    package let state: TopState
    package let width: Int
    package let height: Int
    /// Colours say nothing that the text does not say too.
    package let hasColour: Bool

    package init(_ state: TopState, width: Int, height: Int, hasColour: Bool) {
        (self.state, self.hasColour) = (state, hasColour)
        (self.width, self.height) = (max(20, width), max(5, height))
    }

    package var lines: [String] {
        var lines = [heading, styled(counts, state.lost == nil ? "" : "1;31")]
        let foot = footLines
        let room = max(0, height - lines.count - foot.count)
        switch state.page {
        case .list: lines += list(room)
        case .details: lines += details(room)
        case .help: lines += Self.help.prefix(room).map { fitted($0) }
        }
        lines += Array(repeating: fitted(""), count: max(0, height - foot.count - lines.count))
        return Array((lines.prefix(height - foot.count) + foot).prefix(height))
    }

    private func fitted(_ text: String) -> String { TerminalText.fitted(text, to: width) }

    private func styled(_ text: String, _ code: String) -> String {
        hasColour && !code.isEmpty ? "\u{1B}[\(code)m\(fitted(text))\u{1B}[0m" : fitted(text)
    }

    private var heading: String {
        let title = "tidemark top  \(TerminalText.visible(state.address))"
        guard let at = state.at, TerminalText.width(title) + TerminalText.width(at) + 2 <= width else { return styled(title, "1") }
        return styled(TerminalText.fitted(title, to: width - TerminalText.width(at)) + at, "1")
    }

    private var counts: String {
        guard state.lost == nil else { return "NO CONNECTION\(state.at.map { ", figures are of \($0)" } ?? ""); trying again" }
        guard state.service != nil else { return "asking the service …" }
        let found = PipelineView.Health.allCases.compactMap { health in
            let count = state.pipelines.filter { $0.health == health }.count
            return count > 0 ? "\(count) \(health.word)" : nil
        }
        let filter = state.filter.isEmpty && !state.isFiltering ? "" : "  filter: \(TerminalText.visible(state.filter))\(state.isFiltering ? "_" : "")"
        return "\(Amount.text(state.pipelines.count, "pipeline"))\(found.isEmpty ? "" : ": " + found.joined(separator: ", "))\(filter)"
    }

    /// Why the selected one is as it is, then the keys.
    private var footLines: [String] {
        let reasonLines = state.page == .list ? min(4, max(2, height / 6)) : 1
        var reason: [String] = []
        if let question = state.question {
            reason = TerminalText.wrapped("\(question.text) y/n", to: width)
        } else if let note = state.note {
            reason = TerminalText.wrapped(TerminalText.visible(note), to: width)
        } else if let lost = state.lost {
            reason = TerminalText.wrapped(TerminalText.visible(lost), to: width)
        } else if state.page == .list, let selected = state.selected {
            reason = TerminalText.wrapped("\(TerminalText.visible(selected.name)): \(TerminalText.sentence(selected.reason ?? selected.summary))", to: width)
        }
        var kept = Array(reason.prefix(reasonLines))
        if reason.count > reasonLines, let last = kept.popLast() { kept.append(TerminalText.fitted(last + " …", to: min(width, TerminalText.width(last) + 2))) }
        let emphasis = state.question != nil ? "1;33" : ""
        let keys = switch state.page {
        case .list where state.isFiltering: "type to filter  Enter keep  Esc clear"
        case .list: width < 70 ? "q quit  Enter open  p pause  ? keys" : "q quit  j/k move  Enter details  p pause  r run now  / filter  ? help"
        case .details: "Esc back  j/k scroll  p pause  r run now  q back"
        case .help: "Esc back"
        }
        return (kept + Array(repeating: "", count: reasonLines - kept.count)).map { styled($0, emphasis) } + [styled(keys, "2")]
    }

    private func list(_ room: Int) -> [String] {
        let shown = state.shown
        guard !shown.isEmpty else {
            return [fitted(""), fitted(state.pipelines.isEmpty ? (state.service == nil ? "" : "The service has no pipelines.") : "No pipeline fits the filter; Esc clears it.")]
        }
        let columns = TopColumn.fitting(width, names: shown.map(\.name))
        let rowsMax = max(1, room - 1)
        let place = shown.firstIndex { $0.name == state.selectedName } ?? 0
        // The selected one stays in sight.
        let first = max(0, min(place - rowsMax / 2, shown.count - rowsMax))
        return [styled(TopColumn.headings(columns), "7")]
            + shown[first..<min(shown.count, first + rowsMax)].map { pipeline in
                let isSelected = pipeline.name == state.selectedName
                return styled((isSelected ? ">" : " ") + TopColumn.row(columns, pipeline), isSelected ? "1;\(pipeline.health.colour)" : pipeline.health.colour)
            }
    }

    private func details(_ room: Int) -> [String] {
        guard let pipeline = state.selected else { return [fitted("The service runs it no more.")] }
        let figures = pipeline.figures
        let name = TerminalText.visible(pipeline.name)
        var lines = [styled("\(pipeline.health.mark) \(name): \(pipeline.health.word), \(pipeline.activity.rawValue)", "1;\(pipeline.health.colour)")]
        func say(_ text: String) { lines += TerminalText.wrapped(TerminalText.sentence(text), to: width).map(fitted) }
        say(pipeline.reason ?? pipeline.summary)
        if let status = pipeline.status { say("\(status.source) -> \(status.target)") }
        say(
            "behind \(ShortFigure.span(figures.pendingSeconds)), \(ShortFigure.count(figures.pendingChanges)) changes; applied \(ShortFigure.count(figures.appliedChangesPerSecond))/s, captured \(ShortFigure.count(figures.capturedChangesPerSecond))/s; end to end \(ShortFigure.span(figures.endToEndSeconds))"
        )
        if let status = pipeline.status {
            say("log \(ShortFigure.bytes(status.logBytes))\(status.logMaxBytes.map { " of \(ShortFigure.bytes($0))" } ?? "")\(status.logFullInSeconds.map { ", full in \(TimeSpan.estimate($0))" } ?? "")")
        }
        if let wait = pipeline.status?.wait, wait != Waiting.Mode.asynchronous.rawValue {
            say("waited for: \(wait)\(pipeline.status?.waitTables.map { " (\($0.joined(separator: ", ")))" } ?? ""); the source knew of the last window after \(ShortFigure.span(figures.acknowledgeSeconds))")
        }
        if let lease = pipeline.lease { say("led by \(lease.holder)\(lease.isMine ? " (this service)" : ""), epoch \(lease.epoch)") }
        if let error = pipeline.lastError, let over = error.resolvedAt { say("last error \(error.at), over since \(over): \(error.what)") }
        if pipeline.parkedTransactions > 0 {
            say("\(Amount.text(pipeline.parkedTransactions, "transaction")) parked; not exact: \(pipeline.notExactTables.joined(separator: ", ")). Type: tidemark parked list --pipeline \(pipeline.name)")
        }
        if let total = pipeline.status?.conflictsTotal, total > 0 {
            let tables = (pipeline.status?.conflicts ?? []).filter { $0.conflicts > 0 }.map { "\($0.conflicts) in \($0.table)" }.joined(separator: ", ")
            say("conflicts: \(tables). Type: tidemark conflicts list --pipeline \(pipeline.name)")
        }
        for table in pipeline.status?.polledTables ?? [] {
            let rows = "\(ShortFigure.count(table.rowsDone)) rows, \(ShortFigure.count(table.rowsWritten)) written"
            say("\(table.table): \(table.mode) \(table.state), \(rows)\(table.finishedAt.map { ", complete at \($0)" } ?? "")")
        }
        guard let tables = state.tables else { return lines + [fitted("asking for its tables …")] }
        let nameWidth = min(max(8, width - 34), 60)
        lines.append(styled(TerminalText.fitted("TABLE", to: nameWidth) + "  COPY        ROWS  STATE", "7"))
        return lines
            + tables.dropFirst(state.scrolled).prefix(max(0, room - lines.count)).map { table in
                let differs = (table.differences ?? 0) > 0
                let found = pipeline.notExactTables.contains(table.table) ? "not exact" : differs ? "differs: \(table.differences ?? 0)" : table.verifiedAt == nil ? "" : "equal"
                let copy = table.copy == "copying" && table.expectedRows > 0 ? "copy \(min(99, table.copiedRows * 100 / table.expectedRows)) %" : table.copy
                let name = table.targetTable.map { "\(table.table) -> \($0)" } ?? table.table
                let shaped = table.shape?.split(separator: "\n").contains { !$0.hasPrefix("to: ") } ?? false
                return fitted(
                    "\(TerminalText.fitted(TerminalText.visible(name), to: nameWidth))  \(TerminalText.fitted(copy, to: 9)) \(TerminalText.fitted(ShortFigure.count(table.copiedRows), to: 6, isFigure: true))  \(found)\(shaped ? " (shaped)" : "")")
            }
    }

    private static let help = [
        "", "Pipelines, the worst first, every two seconds.", "",
        "  j k, arrows   move           Enter  details, with the tables",
        "  p             pause, or resume       r      run now",
        "  /             filter         Esc    clear it, go back",
        "  q, Ctrl-C     quit           g G    first, last", "",
        "  ✗ failed   ! needs attention   ~ behind   = paused   ? not known yet   ✓ well",
    ]

    /// One table without a screen, for --once, and for pipes.
    package static func plain(_ pipelines: [PipelineView]) -> String {
        guard !pipelines.isEmpty else { return "The service has no pipelines." }
        let sorted = TopState.worstFirst(pipelines)
        let columns = TopColumn.fitting(Int.max, names: sorted.map(\.name))
        return ([TopColumn.headings(columns)]
            + sorted.flatMap { pipeline -> [String] in
                [" " + TopColumn.row(columns, pipeline)] + (pipeline.health == .well ? [] : ["     \(TerminalText.sentence(pipeline.reason ?? pipeline.summary))"])
            })
            .map { String($0.reversed().drop { $0 == " " }.reversed()) }.joined(separator: "\n")
    }
}

extension PipelineView.Health {
    var mark: String {
        switch self {
        case .failed: "✗"
        case .attention: "!"
        case .behind: "~"
        case .paused: "="
        case .unknown: "?"
        case .well: "✓"
        }
    }

    var word: String {
        switch self {
        case .attention: "attention"
        case .unknown: "not known"
        default: rawValue
        }
    }

    /// Of the eight that every terminal has.
    fileprivate var colour: String {
        switch self {
        case .failed: "31"
        case .attention, .behind: "33"
        case .paused: "34"
        case .unknown: "0"
        case .well: "32"
        }
    }
}
