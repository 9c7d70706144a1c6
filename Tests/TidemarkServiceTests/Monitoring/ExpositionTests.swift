import Foundation
import Testing
import TidemarkTestSupport

@testable import TidemarkObservability

/// Series of a page, read as Prometheus reads them: name and labels, with the value's text.
struct ScrapedPage {
    struct Series: Hashable {
        var name: String
        var labels: [String: [UInt8]]
    }

    var values: [Series: String] = [:]
    var types: [String: String] = [:]
    var helps: [String: String] = [:]
    /// In the order of their TYPE lines; a name that comes twice is wrong.
    var families: [String] = []

    struct Wrong: Error { var line: String }

    init(_ text: String) throws {
        // A carriage return is a part of what a label says, so that lines are of bytes.
        for bytes in text.utf8.split(separator: UInt8(ascii: "\n")) {
            let line = String(decoding: bytes, as: UTF8.self)
            let words = line.split(separator: " ", maxSplits: 3).map(String.init)
            if line.hasPrefix("# TYPE ") {
                types[words[2]] = words[3]
                families.append(words[2])
            } else if line.hasPrefix("# HELP ") {
                helps[words[2]] = words[3]
            } else {
                let (series, value) = try Self.series(Array(bytes), line)
                guard values.updateValue(value, forKey: series) == nil else { throw Wrong(line: line) }
            }
        }
    }

    /// name{label="value",label="value"} 1.5
    private static func series(_ bytes: [UInt8], _ line: String) throws -> (Series, String) {
        var rest = bytes[...]
        func text(until ends: String) throws -> String {
            guard let end = rest.firstIndex(where: { ends.utf8.contains($0) }) else { throw Wrong(line: line) }
            defer { rest = rest[end...] }
            return String(decoding: rest[..<end], as: UTF8.self)
        }
        func take() throws -> UInt8 {
            guard let byte = rest.popFirst() else { throw Wrong(line: line) }
            return byte
        }
        var series = Series(name: try text(until: "{ "), labels: [:])
        var byte = try take()
        while byte == UInt8(ascii: "{") || byte == UInt8(ascii: ",") {
            let label = try text(until: "=")
            guard try take() == UInt8(ascii: "="), try take() == UInt8(ascii: "\"") else { throw Wrong(line: line) }
            var value: [UInt8] = []
            byte = try take()
            while byte != UInt8(ascii: "\"") {
                if byte == UInt8(ascii: "\\") {
                    byte = try take()
                    if byte == UInt8(ascii: "n") { byte = UInt8(ascii: "\n") }
                }
                value.append(byte)
                byte = try take()
            }
            series.labels[label] = value
            byte = try take()
        }
        if byte == UInt8(ascii: "}") { byte = try take() }
        guard byte == UInt8(ascii: " ") else { throw Wrong(line: line) }
        return (series, String(decoding: rest, as: UTF8.self))
    }
}

@Suite("The text that Prometheus reads")
struct ExpositionTests {
    private static let metric = Metric(.gauge, "example_figure", "One \\ that has\ntwo lines and a \"word\".", labels: ["pipeline", "kind"])
    private static let pieces = ["\\", "\"", "\n", "\r\n", "\r", "{", "}", "=", ",", "#", " ", "a", "é", "e\u{301}", "\"\u{301}", "\u{0}", "\u{1F600}", "\u{2028}", "\\n", "N"]

    @Test("whatever a label says, it is read back as it was, each series once")
    func hostileLabels() throws {
        var random = SeededRandom(seed: 7)
        var page = Exposition()
        var expected: [ScrapedPage.Series: String] = [:]
        for number in 0..<2_000 {
            let words = (0..<2).map { _ in (0..<Int.random(in: 0..<7, using: &random)).map { _ in Self.pieces.randomElement(using: &random) ?? "" }.joined() }
            page.add(Self.metric, Double(number), words[0], words[1])
            let series = ScrapedPage.Series(name: Self.metric.name, labels: ["pipeline": Array(words[0].utf8), "kind": Array(words[1].utf8)])
            if expected[series] == nil { expected[series] = "\(number)" }
        }
        let found = try ScrapedPage(page.text)
        #expect(found.values == expected && found.families == [Self.metric.name])
        if let promtool = Prometheus.promtool { try accept(page.text, promtool) }
    }

    @Test("numbers are written so that none changes, and what is none has its name")
    func numbers() {
        let texts: [(Double, String)] = [
            (0, "0"), (-3, "-3"), (0.1, "0.1"), (1e15, "1000000000000000"), (1e300, "1e+300"), (.nan, "NaN"), (.infinity, "+Inf"), (-.infinity, "-Inf"),
            (.leastNonzeroMagnitude, "5e-324"),
        ]
        for (value, text) in texts { #expect(Exposition.text(value) == text) }
    }

    @Test("a family has its head once, families come by name, what is unknown is absent")
    func families() {
        let other = Metric(.counter, "an_example_total", "Another.")
        var page = Exposition()
        page.add(Self.metric, 1.5, "b", "x")
        page.add(other, Int64.max)
        page.add(Self.metric, nil as Double?, "c", "x")
        page.add(Self.metric, 2.0, "a", "x")
        page.add(Self.metric, 3.0, "b", "x")
        #expect(
            page.text == """
                # HELP an_example_total Another.
                # TYPE an_example_total counter
                an_example_total 9.223372036854776e+18
                # HELP example_figure One \\\\ that has\\ntwo lines and a "word".
                # TYPE example_figure gauge
                example_figure{pipeline="b",kind="x"} 1.5
                example_figure{pipeline="a",kind="x"} 2

                """)
        #expect(Exposition().text == "")
    }

    @Test("names are what Prometheus takes, with base units; a counter ends in _total, and nothing else does")
    func catalog() {
        let all = MetricCatalog.all
        #expect(Set(all.map(\.name)).count == all.count && all.count > 50)
        for metric in all {
            #expect(metric.name.wholeMatch(of: /[a-z][a-z0-9_]*/) != nil, "\(metric.name)")
            #expect(metric.name.hasPrefix("tidemark_") || metric.name.hasPrefix("process_"), "\(metric.name)")
            #expect(metric.name.hasSuffix("_total") == (metric.kind == .counter), "\(metric.name)")
            #expect(metric.labels.allSatisfy { $0.wholeMatch(of: /[a-z][a-z_]*/) != nil && !["job", "instance", "le"].contains($0) }, "\(metric.name)")
            #expect(Set(metric.labels).count == metric.labels.count && metric.help.hasSuffix(".") && metric.help.count > 5, "\(metric.name)")
            #expect(metric.name.hasPrefix("tidemark_pipeline_") == (metric.labels.first == "pipeline"), "\(metric.name)")
            for wrong in ["_ms", "_milliseconds", "_kb", "_mb", "_percent", "_minutes", "_hours"] { #expect(!metric.name.contains(wrong), "\(metric.name)") }
        }
        #expect(MetricCatalog.lagSeconds.unit == "seconds" && MetricCatalog.appliedBytes.unit == "bytes" && MetricCatalog.errors.unit == nil)
    }

    @Test("Linux's own figures are read, also of a program with a strange name")
    func process() {
        var fields = (3...24).map { "\($0)" }
        fields[0] = "S"
        let stat = "77 (a) b (c) " + fields.joined(separator: " ") + " 25 26"
        let read = ProcessFigures(stat: stat, systemStat: "cpu 1 2\nbtime 1000\nprocesses 5", ticksPerSecond: 10, pageBytes: 4096)
        #expect(read.cpuSeconds == 2.9 && read.threads == 20 && read.virtualBytes == 23 && read.residentBytes == 24 * 4096)
        #expect(read.startedSeconds == 1002.2 && read.openFiles == nil)
        #expect(ProcessFigures(stat: "", systemStat: "", ticksPerSecond: 1, pageBytes: 1) == ProcessFigures())

        let own = ProcessFigures.current
        #expect((own.residentBytes ?? 0) > 1_000_000 && (own.virtualBytes ?? 0) >= (own.residentBytes ?? 0))
        #expect((own.threads ?? 0) >= 1 && (own.openFiles ?? 0) >= 3 && (own.maxFiles ?? 0) >= (own.openFiles ?? 0))
        let age = Date.now.timeIntervalSince1970 - (own.startedSeconds ?? 0)
        #expect(age > -2 && age < 86_400, "\(age)")
    }

    private func accept(_ text: String, _ promtool: String) throws {
        let (status, output) = try Prometheus.checkMetrics(text, promtool)
        #expect(status == 0 && output.isEmpty, "\(output)")
    }
}

extension Prometheus {
    static func checkMetrics(_ text: String, _ promtool: String) throws -> (status: Int32, output: String) {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("metrics-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: file) }
        try text.write(to: file, atomically: true, encoding: .utf8)
        return Shell.run("/bin/sh", ["-c", "exec \"$0\" check metrics < \"$1\"", promtool, file.path])
    }
}
