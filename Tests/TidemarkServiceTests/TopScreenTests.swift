import Foundation
import TidemarkApp
import TidemarkService
import Testing

/// What `tidemark top` draws for a state, to the character, and what its keys do.
@Suite("Screen of tidemark top")
struct TopScreenTests {
    /// As the API sends it.
    private static func view(
        _ name: String, _ health: String = "well", _ activity: String = "following", behind: Double = 0.2, reason: String? = nil
    ) throws -> PipelineView {
        let encodedName = String(decoding: try JSONEncoder().encode(name), as: UTF8.self)
        let reason = try reason.map { String(decoding: try JSONEncoder().encode($0), as: UTF8.self) } ?? "null"
        return try JSONDecoder().decode(
            PipelineView.self,
            from: Data(
                """
                {"name": \(encodedName), "health": "\(health)", "activity": "\(activity)", "summary": "\(health)", "reason": \(reason), "onFailure": "stop",
                 "failures": 0, "parkedTransactions": 0, "parkedChanges": 0, "notExactTables": [],
                 "figures": {"appliedChanges": 1, "appliedBytes": 1, "windows": 1, "lastWindowChanges": 1, "lastWindowSeconds": 0.1,
                  "copiedRows": 0, "copiedBytes": 0, "takeovers": 0, "errors": {}, "appliedChangesPerSecond": 12312.4, "capturedChangesPerSecond": 12290.1,
                  "pendingChanges": 48211, "pendingSeconds": \(behind), "endToEndSeconds": 0.184}}
                """.utf8))
    }

    private static func state(_ pipelines: [PipelineView]) throws -> TopState {
        var state = TopState(address: "http://127.0.0.1:7788")
        let service = try JSONDecoder().decode(
            ServiceView.self,
            from: Data(
                """
                {"version": "0.1.0", "instance": "host1", "startedAt": "2026-01-02T03:04:05Z", "configuration": "/etc/tidemark.yaml", "pipelines": 3,
                 "leading": 3, "health": {}, "isReady": true}
                """.utf8))
        state.take(service, pipelines, at: "14:03:22")
        return state
    }

    private static func three() throws -> TopState {
        try state([
            view("shop"), view("東京\u{202E}\u{1B}[31m", "behind", behind: 95),
            view("billing", "failed", "stopped", behind: 191, reason: "The table public.invoice lacks the column vat_id. Type: tidemark run"),
        ])
    }

    private static func drawn(_ state: TopState, _ width: Int, _ height: Int) -> String {
        TopScreen(state, width: width, height: height, hasColour: false).lines.map { $0.replacing(/\ +$/, with: "") }.joined(separator: "\n")
    }

    @Test("a list, the worst first, with the reason of the selected one")
    func list() throws {
        #expect(
            Self.drawn(try Self.three(), 100, 12) == """
                tidemark top  http://127.0.0.1:7788                                                         14:03:22
                3 pipelines: 1 failed, 1 behind, 1 well
                   PIPELINE             HEALTH    ACTIVITY     BEHIND CHANGES APPLY/s  CAPT/s    E2E      LOG PARKED
                >✗ billing              failed    stopped        3min   48.2k   12.3k   12.3k  184ms        –      0
                 ~ 東京\\u202e\\u001b[31m behind    following       95s   48.2k   12.3k   12.3k  184ms        –      0
                 ✓ shop                 well      following     200ms   48.2k   12.3k   12.3k  184ms        –      0



                billing: The table public.invoice lacks the column vat_id. Type: tidemark run

                q quit  j/k move  Enter details  p pause  r run now  / filter  ? help
                """)
    }

    @Test("a small terminal has fewer columns, and all that is needed")
    func small() throws {
        #expect(
            Self.drawn(try Self.three(), 40, 10) == """
                tidemark top  http://127.0.0.1:7788
                3 pipelines: 1 failed, 1 behind, 1 well
                   PIPELINE       BEHIND CHANGES APPLY/s
                >✗ billing          3min   48.2k   12.3k
                 ~ 東京\\u202e\\u…     95s   48.2k   12.3k
                 ✓ shop            200ms   48.2k   12.3k

                billing: The table public.invoice lacks
                the column vat_id. Type: tidemark run
                q quit  Enter open  p pause  ? keys
                """)
    }

    @Test("every line is as wide as the terminal, whatever names there are", arguments: [20, 40, 61, 80, 133, 220], [5, 10, 24, 60])
    func widths(width: Int, height: Int) throws {
        let names = (0..<40).map { String(repeating: ["x", "表", "e\u{301}", "👩‍👩‍👧", "\u{7}", "\u{FEFF}"][$0 % 6], count: $0 * 3) + "\($0)" }
        var state = try Self.state(names.map { try Self.view($0, "attention", reason: "\($0) — " + String(repeating: "x", count: 300)) })
        for keys in ["", "jj", "/3\r", "?", "q", "\r", "p"] {
            for key in TopKey.parse(Array(keys.utf8)) { _ = state.press(key) }
            let lines = TopScreen(state, width: width, height: height, hasColour: false).lines
            #expect(lines.count == height)
            for line in lines { #expect(TerminalText.width(line) == width, "\(line)") }
            #expect(!lines.joined().unicodeScalars.contains { $0.value < 32 })
        }
    }

    @Test("without colours there is no escape; with them, the text is the same")
    func colours() throws {
        let state = try Self.three()
        let coloured = TopScreen(state, width: 80, height: 12, hasColour: true).lines
        #expect(coloured.contains { $0.contains("\u{1B}[1;31m") })
        let plain = coloured.map { $0.replacing(/\u{1B}\[[0-9;]*m/, with: "") }
        #expect(plain == TopScreen(state, width: 80, height: 12, hasColour: false).lines)
    }

    @Test("p asks, and only y does it")
    func pausing() throws {
        var state = try Self.three()
        #expect(state.press(.character("p")) == nil)
        #expect(Self.drawn(state, 80, 12).contains("Pause billing? Its target stays as it is until it is resumed. y/n"))
        #expect(state.press(.character("n")) == nil)
        #expect(state.question == nil)
        _ = state.press(.character("p"))
        #expect(state.press(.character("y")) == .send(.pause("billing")))
        _ = state.press(.character("r"))
        #expect(state.press(.character("y")) == .send(.run("billing")))
    }

    @Test("keys move, filter, open and quit")
    func keys() throws {
        var state = try Self.three()
        _ = state.press(.down)
        #expect(state.selectedName == "東京\u{202E}\u{1B}[31m")
        for key in TopKey.parse(Array("/shop\r".utf8)) { #expect(state.press(key) == nil) }
        #expect(state.shown.map(\.name) == ["shop"] && state.selectedName == "shop")
        #expect(state.press(.enter) == .loadTables("shop"))
        let table = try JSONDecoder().decode(
            StatusReport.Table.self, from: Data(#"{"table": "public.orders", "copy": "copying", "copiedRows": 420, "copiedBytes": 9, "expectedRows": 1000, "differences": 2}"#.utf8))
        state.take(tables: [table], of: "shop")
        let details = Self.drawn(state, 80, 14)
        #expect(details.contains("✓ shop: well, following"))
        #expect(details.contains("public.orders") && details.contains("copy 42 %") && details.contains("differs: 2"))
        #expect(state.press(.character("q")) == nil && state.page == .list)
        #expect(state.press(.character("q")) == .quit)
        #expect(state.press(.interrupt) == .quit)
    }

    @Test("keys as terminals send them")
    func parsing() {
        #expect(TopKey.parse(Array("j\u{1B}[A\u{1B}OB\u{1B}[5~é\r\u{7F}\u{3}".utf8)) == [.character("j"), .up, .down, .pageUp, .character("é"), .enter, .backspace, .interrupt])
        #expect(TopKey.parse([0x1B]) == [.escape])
        #expect(TopKey.parse(Array("\u{1B}[15;2~q".utf8)) == [.character("q")])
        #expect(TopKey.parse([0xFF, 0x07]).count == 1)
    }

    @Test("a service that does not answer is told, and the last figures stay")
    func lost() throws {
        var state = try Self.three()
        state.lose(because: "No service answers at http://127.0.0.1:7788. Does it run?")
        let screen = Self.drawn(state, 80, 12)
        #expect(screen.contains("NO CONNECTION, figures are of 14:03:22; trying again") && screen.contains("Does it run?") && screen.contains("billing"))
    }

    @Test("one table for pipes, whole names, with the reasons")
    func plain() throws {
        #expect(
            TopScreen.plain(try Self.three().pipelines) == """
                   PIPELINE             HEALTH    ACTIVITY     BEHIND CHANGES APPLY/s  CAPT/s    E2E      LOG PARKED
                 ✗ billing              failed    stopped        3min   48.2k   12.3k   12.3k  184ms        –      0
                     The table public.invoice lacks the column vat_id. Type: tidemark run
                 ~ 東京\\u202e\\u001b[31m behind    following       95s   48.2k   12.3k   12.3k  184ms        –      0
                     behind
                 ✓ shop                 well      following     200ms   48.2k   12.3k   12.3k  184ms        –      0
                """)
    }

    @Test(
        "figures are short",
        arguments: [(0, "0"), (9.96, "10"), (3.25, "3.3"), (999, "999"), (1000, "1k"), (999_960, "1M"), (12_312, "12.3k"), (9e18, "9000000T")])
    func counts(value: Double, expected: String) { #expect(ShortFigure.count(value) == expected) }
}
