/// What an expression of Prometheus names: enough of its grammar to find every metric, label and value in it.
struct PromQL {
    struct Selector: Equatable {
        var metric: String
        var matchers: [Matcher] = []
    }

    struct Matcher: Equatable {
        var label: String
        var isPattern: Bool
        var value: String
    }

    var selectors: [Selector] = []
    /// Of by, without, on, ignoring, group_left and group_right.
    var grouping: [String] = []
    var functions: Set<String> = []

    struct Wrong: Error { var text: String }

    private enum Token: Equatable {
        case name(String), text(String), sign(Character), other
    }

    private static let listing: Set = ["by", "without", "on", "ignoring", "group_left", "group_right"]
    private static let words: Set = ["and", "or", "unless", "bool", "offset", "Inf", "NaN"]

    init(_ expression: String) throws {
        let tokens = try Self.tokens(expression)
        var place = 0
        func next() -> Token? { place < tokens.count ? tokens[place] : nil }
        while let token = next() {
            place += 1
            guard case .name(let name) = token, !Self.words.contains(name) else {
                if token == .sign("{") { throw Wrong(text: "a selector without a metric in \(expression)") }
                continue
            }
            if Self.listing.contains(name) {
                guard next() == .sign("(") else { continue }
                while let token = next(), token != .sign(")") {
                    if case .name(let label) = token { grouping.append(label) }
                    place += 1
                }
            } else if next() == .sign("(") {
                functions.insert(name)
            } else if case .name(let following)? = next(), following == "by" || following == "without" {
                functions.insert(name)
            } else {
                selectors.append(Selector(metric: name))
                guard next() == .sign("{") else { continue }
                place += 1
                while let token = next(), token != .sign("}") {
                    place += 1
                    guard case .name(let label) = token else { continue }
                    guard case .sign(let sign)? = next() else { throw Wrong(text: "\(label) without an operator in \(expression)") }
                    place += 1
                    guard case .text(let value)? = next() else { throw Wrong(text: "\(label) without a value in \(expression)") }
                    place += 1
                    selectors[selectors.count - 1].matchers.append(Matcher(label: label, isPattern: sign == "~", value: value))
                }
                place += 1
            }
        }
    }

    /// “=~” and “!~” are the sign “~”, “!=” is “=”; durations and numbers are other things.
    private static func tokens(_ expression: String) throws -> [Token] {
        var found: [Token] = []
        var rest = Substring(expression)
        while let first = rest.first {
            if first == "\"" || first == "'" {
                rest.removeFirst()
                guard let end = rest.firstIndex(of: first) else { throw Wrong(text: "an open string in \(expression)") }
                found.append(.text(String(rest[..<end])))
                rest = rest[rest.index(after: end)...]
            } else if first == "[" {
                guard let end = rest.firstIndex(of: "]") else { throw Wrong(text: "an open range in \(expression)") }
                rest = rest[rest.index(after: end)...]
                found.append(.other)
            } else if first == "=" || first == "!" {
                let signs = rest.prefix { "=!~".contains($0) }
                rest = rest.dropFirst(signs.count)
                found.append(.sign(signs.last == "~" ? "~" : "="))
            } else if first.isNumber {
                rest = rest.drop { $0.isNumber || $0.isLetter || $0 == "." }
                found.append(.other)
            } else if first.isLetter || first == "_" || first == ":" {
                let name = rest.prefix { $0.isLetter || $0.isNumber || $0 == "_" || $0 == ":" }
                rest = rest.dropFirst(name.count)
                found.append(.name(String(name)))
            } else {
                rest.removeFirst()
                if !first.isWhitespace { found.append("(){}".contains(first) ? .sign(first) : .other) }
            }
        }
        return found
    }
}
