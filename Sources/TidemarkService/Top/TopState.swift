package import TidemarkApp

/// What `tidemark top` shows, and what each key does to it. Decides only: whoever holds it acts.
package struct TopState: Sendable {
    package enum Page: Sendable, Equatable { case list, details, help }

    /// What is asked before it is done.
    package enum Question: Sendable, Equatable {
        case pause(String), resume(String), run(String)

        package var action: (name: String, pipeline: String) {
            switch self {
            case .pause(let name): ("pause", name)
            case .resume(let name): ("resume", name)
            case .run(let name): ("run", name)
            }
        }

        var text: String {
            let name = TerminalText.visible(action.pipeline)
            return switch self {
            case .pause: "Pause \(name)? Its target stays as it is until it is resumed."
            case .resume: "Resume \(name)? What waited is applied."
            case .run: "Run \(name) now? What is not mended fails again."
            }
        }
    }

    package enum Action: Sendable, Equatable {
        case quit
        case send(Question)
        /// The tables of a pipeline, for its details.
        case loadTables(String)
    }

    package let address: String
    package private(set) var service: ServiceView?
    /// The worst first.
    package private(set) var pipelines: [PipelineView] = []
    /// When the figures came, by this machine's clock.
    package private(set) var at: String?
    /// Why there are none now.
    package private(set) var lost: String?
    package private(set) var page = Page.list
    package private(set) var question: Question?
    package private(set) var note: String?
    package private(set) var filter = ""
    package private(set) var isFiltering = false
    package private(set) var selectedName: String?
    package private(set) var tables: [StatusReport.Table]?
    package private(set) var scrolled = 0

    package init(address: String) { self.address = address }

    package mutating func take(_ service: ServiceView, _ pipelines: [PipelineView], at: String) {
        self.service = service
        self.pipelines = Self.worstFirst(pipelines)
        (self.at, lost) = (at, nil)
        keepSelection()
    }

    package mutating func lose(because reason: String) { lost = reason }

    package mutating func take(tables: [StatusReport.Table], of pipeline: String) {
        guard pipeline == selectedName else { return }
        // Those that need a look come first.
        self.tables = tables.sorted { ($0.rank, $0.table) < ($1.rank, $1.table) }
    }

    package mutating func say(_ text: String) { note = text }

    package static func worstFirst(_ pipelines: [PipelineView]) -> [PipelineView] {
        pipelines.sorted { left, right in
            if left.health != right.health { return left.health < right.health }
            let (leftLag, rightLag) = (left.figures.pendingSeconds ?? 0, right.figures.pendingSeconds ?? 0)
            return leftLag == rightLag ? left.name < right.name : leftLag > rightLag
        }
    }

    /// What the filter leaves.
    package var shown: [PipelineView] {
        guard !filter.isEmpty else { return pipelines }
        let wanted = filter.lowercased()
        return pipelines.filter { pipeline in
            [pipeline.name, pipeline.health.rawValue, pipeline.activity.rawValue, pipeline.reason ?? ""].contains { $0.lowercased().contains(wanted) }
        }
    }

    package var selected: PipelineView? { pipelines.first { $0.name == selectedName } }

    private mutating func keepSelection() {
        guard !shown.contains(where: { $0.name == selectedName }) else { return }
        if page == .list { selectedName = shown.first?.name }
    }

    package mutating func press(_ key: TopKey) -> Action? {
        note = nil
        if key == .interrupt { return .quit }
        if let asked = question {
            question = nil
            return key == .character("y") || key == .character("Y") ? .send(asked) : nil
        }
        if isFiltering {
            edit(key)
            return nil
        }
        switch (key, page) {
        case (.character("q"), .list): return .quit
        case (.character("q"), _), (.escape, .details), (.escape, .help), (.character("?"), .help): page = .list
        case (.escape, .list): filter = ""
        case (.character("?"), _): page = .help
        case (.character("/"), .list): isFiltering = true
        case (.character("j"), _), (.down, _): move(1)
        case (.character("k"), _), (.up, _): move(-1)
        case (.pageDown, _), (.character(" "), _): move(10)
        case (.pageUp, _): move(-10)
        case (.home, _), (.character("g"), _): move(-100_000)
        case (.end, _), (.character("G"), _): move(100_000)
        case (.enter, .list):
            guard let selectedName else { return nil }
            (page, tables, scrolled) = (.details, nil, 0)
            return .loadTables(selectedName)
        case (.character("p"), .list), (.character("p"), .details):
            guard let selected else { return nil }
            question = selected.activity == .paused || selected.health == .paused ? .resume(selected.name) : .pause(selected.name)
        case (.character("r"), .list), (.character("r"), .details):
            guard let selected else { return nil }
            question = .run(selected.name)
        default: break
        }
        return nil
    }

    private mutating func edit(_ key: TopKey) {
        switch key {
        case .character(let character): filter.append(character)
        case .backspace: filter = String(filter.dropLast())
        case .escape: (filter, isFiltering) = ("", false)
        case .enter: isFiltering = false
        default: return
        }
        keepSelection()
    }

    private mutating func move(_ step: Int) {
        if page == .details { return scrolled = min(max(0, scrolled + step), max(0, (tables?.count ?? 0) - 1)) }
        let place = shown.firstIndex { $0.name == selectedName } ?? 0
        guard !shown.isEmpty else { return }
        selectedName = shown[min(max(0, place + step), shown.count - 1)].name
    }
}

extension StatusReport.Table {
    fileprivate var rank: Int { (differences ?? 0) > 0 ? 0 : copy == "copying" ? 1 : copy == "waiting" ? 2 : 3 }
}

/// A key, as terminals send it.
package enum TopKey: Sendable, Equatable {
    case character(Character)
    case up, down, pageUp, pageDown, home, end, enter, escape, backspace, interrupt

    /// All keys of what was read at once; an escape that nothing follows is the key itself.
    package static func parse(_ bytes: some Sequence<UInt8>) -> [TopKey] {
        var (keys, rest) = ([TopKey](), Substring(String(decoding: Array(bytes), as: UTF8.self)))
        while let first = rest.first {
            if let (text, key) = sequences.first(where: { rest.hasPrefix($0.text) }) {
                keys.append(key)
                rest.removeFirst(text.count)
                continue
            }
            rest.removeFirst()
            switch first {
            case "\r", "\n", "\r\n": keys.append(.enter)
            case "\u{3}": keys.append(.interrupt)
            case "\u{7F}", "\u{8}": keys.append(.backspace)
            case "\u{1B}":
                // A sequence that has no meaning here is left out as a whole.
                guard rest.first == "[" || rest.first == "O" else { keys.append(.escape); continue }
                rest = rest.dropFirst().drop { $0.isNumber || $0 == ";" }.dropFirst()
            default: if first.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control }) { keys.append(.character(first)) }
            }
        }
        return keys
    }

    private static let sequences: [(text: String, key: TopKey)] = [
        ("\u{1B}[A", .up), ("\u{1B}OA", .up), ("\u{1B}[B", .down), ("\u{1B}OB", .down), ("\u{1B}[5~", .pageUp), ("\u{1B}[6~", .pageDown),
        ("\u{1B}[H", .home), ("\u{1B}OH", .home), ("\u{1B}[1~", .home), ("\u{1B}[F", .end), ("\u{1B}OF", .end), ("\u{1B}[4~", .end),
    ]
}
