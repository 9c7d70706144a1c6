/// A family of figures, as Prometheus names it.
package struct Metric: Sendable, Hashable {
    package enum Kind: String, Sendable {
        /// Only rises, until the process begins anew.
        case counter
        case gauge
    }

    package var name: String
    package var kind: Kind
    /// In the order in which their values are given.
    package var labels: [String]
    package var help: String

    init(_ kind: Kind, _ name: String, _ help: String, labels: [String] = []) {
        (self.name, self.kind, self.labels, self.help) = (name, kind, labels, help)
    }

    /// What the values are, as the name ends: seconds, bytes or ratio; nil for numbers of things.
    package var unit: String? {
        let stem = name.hasSuffix("_total") ? name.dropLast("_total".count) : name[...]
        return ["seconds", "bytes", "ratio"].first { stem.hasSuffix("_\($0)") }
    }
}
