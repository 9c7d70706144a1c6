/// The text format of Prometheus, version 0.0.4. Families come by name, series in the order in which they were added.
package struct Exposition {
    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    private var families: [String: Family] = [:]

    private struct Family {
        var metric: Metric
        var lines: [String] = []
        var series: Set<[UInt8]> = []
    }

    package init() {}

    /// Adds a series; nothing where its value is not known. One that is there already stays as it is, since a series that
    /// comes twice costs Prometheus the whole page.
    /// - Parameter labels: the values of the metric's labels.
    package mutating func add(_ metric: Metric, _ value: Double?, _ labels: String...) { add(metric, value, labels) }

    package mutating func add(_ metric: Metric, _ value: Int64?, _ labels: String...) { add(metric, value.map(Double.init), labels) }

    package mutating func add(_ metric: Metric, _ value: Double?, _ labels: [String]) {
        precondition(labels.count == metric.labels.count, "\(metric.name) has the labels \(metric.labels)")
        guard let value else { return }
        let pairs = zip(metric.labels, labels).map { "\($0)=\"\(Self.escaped($1, quotes: true))\"" }.joined(separator: ",")
        let series = pairs.isEmpty ? metric.name : "\(metric.name){\(pairs)}"
        guard families[metric.name, default: Family(metric: metric)].series.insert(Array(series.utf8)).inserted else { return }
        families[metric.name]?.lines.append("\(series) \(Self.text(value))")
    }

    package var text: String {
        families.values.sorted { $0.metric.name < $1.metric.name }.map { family in
            let metric = family.metric
            let head = "# HELP \(metric.name) \(Self.escaped(metric.help, quotes: false))\n# TYPE \(metric.name) \(metric.kind.rawValue)\n"
            return head + family.lines.joined(separator: "\n") + "\n"
        }.joined()
    }

    /// By scalars: of characters, a carriage return with its newline would be one, and a quote with an accent, too.
    private static func escaped(_ text: String, quotes: Bool) -> String {
        var out = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": out.append(contentsOf: "\\\\".unicodeScalars)
            case "\n": out.append(contentsOf: "\\n".unicodeScalars)
            case "\"" where quotes: out.append(contentsOf: "\\\"".unicodeScalars)
            default: out.append(scalar)
            }
        }
        return String(out)
    }

    static func text(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return Int64(exactly: value).map(String.init) ?? "\(value)"
    }
}
