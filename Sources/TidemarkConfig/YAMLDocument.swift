import Yams

/// A value of a YAML file with its place. What is said is text, whatever it looks like.
struct YAMLNode {
    indirect enum Value {
        /// A key with nothing behind it.
        case nothing
        case text(String)
        case list([YAMLNode])
        case mapping([(key: YAMLNode, value: YAMLNode)])
    }

    var value: Value
    var place: Place
}

/// Reads one YAML document. The parser below compares whole keys wherever it meets one and follows aliases, so what it gets
/// is bounded first: a small file must not take for ever.
struct YAMLDocument {
    private(set) var root: YAMLNode?
    private(set) var faults: [(place: Place?, what: String)] = []

    private static let maxDepth = 16
    private static let maxEntries = 1 << 15
    /// A file with more keys that stand twice is mended step by step.
    private static let maxRepeats = 20

    init(_ text: String, lines: SourceLines) {
        guard !lines.lines.allSatisfy({ $0.allSatisfy { $0 == " " || $0 == "\t" } }) else {
            faults = [(nil, "the file is empty: it has to begin with pipelines:")]
            return
        }
        faults = Self.shapeFaults(lines)
        guard faults.isEmpty else { return }
        var lines = lines
        for attempt in 0...Self.maxRepeats {
            do {
                let parser = try Parser(yaml: attempt == 0 ? text : lines.text, resolver: .basic, encoding: .utf8)
                guard let node = try parser.singleRoot() else {
                    faults.append((nil, "the file is empty: it has to begin with pipelines:"))
                    return
                }
                // The nodes know their anchors only while the parser lives.
                root = withExtendedLifetime(parser) { read(node, depth: 0) }
                return
            } catch YamlError.duplicatedKeysInMapping(let keys, let context) {
                let first = Place(line: context.mark.line, column: context.mark.column)
                let named = keys.first.flatMap { Self.isShowable($0) ? $0 : nil }
                guard let key = named, let second = lines.again(key, after: first) else {
                    faults.append((first, "a key stands twice in one mapping: take one of them out"))
                    return
                }
                faults.append((second, "“\(key)” stands twice in one mapping, first in line \(first.line): take one of them out"))
                if text.utf8.count > 1 << 16 { return }
                lines.cross(out: key, at: second)
            } catch let error as YamlError {
                faults.append(Self.fault(error, lines))
                return
            } catch {
                faults.append((nil, "this is no YAML"))
                return
            }
        }
    }

    static func isShowable(_ key: String) -> Bool {
        !key.isEmpty && key.utf8.count <= 63 && key.unicodeScalars.allSatisfy { $0.isASCII && ($0.properties.isAlphabetic || "0123456789-_.".unicodeScalars.contains($0)) }
    }

    private mutating func read(_ node: Node, depth: Int) -> YAMLNode {
        let place = node.mark.map { Place(line: $0.line, column: $0.column) } ?? Place(line: 1, column: 1)
        if node.anchor != nil { faults.append((place, Self.noAnchors)) }
        guard depth < Self.maxDepth else {
            faults.append((place, "this is nested deeper than \(Self.maxDepth) levels"))
            return YAMLNode(value: .nothing, place: place)
        }
        switch node {
        case .scalar(let scalar):
            let isNothing = [.any, .plain].contains(scalar.style) && ["", "~", "null"].contains(scalar.string)
            return YAMLNode(value: isNothing ? .nothing : .text(scalar.string), place: place)
        case .sequence(let items): return YAMLNode(value: .list(items.map { read($0, depth: depth + 1) }), place: place)
        case .mapping(let pairs):
            return YAMLNode(value: .mapping(pairs.map { (read($0, depth: depth + 1), read($1, depth: depth + 1)) }), place: place)
        case .alias: return YAMLNode(value: .nothing, place: place)
        }
    }

    private static let noAnchors = "anchors (&) and aliases (*) are not taken: what pipelines share stands under defaults:, and a text that begins so goes into quotes"

    /// What no configuration has, and what would keep the parser busy.
    private static func shapeFaults(_ lines: SourceLines) -> [(place: Place?, what: String)] {
        var found: [(place: Place?, what: String)] = []
        var (depth, entries) = (0, lines.lines.count)
        for (number, line) in lines.lines.enumerated() {
            var quote: Unicode.Scalar?
            var begins = true
            scalars: for (column, scalar) in line.enumerated() {
                let place = Place(line: number + 1, column: column + 1)
                if scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value), scalar != "\t" {
                    found.append((place, "a control character: YAML takes them only as escapes within double quotes"))
                }
                if scalar == "," || scalar == "[" || scalar == "{" { entries += 1 }
                let next = column + 1 < line.count ? line[column + 1] : " "
                if let open = quote {
                    if scalar == open { quote = nil }
                    continue
                }
                switch scalar {
                case "#" where column == 0 || line[column - 1] == " ": break scalars
                case "\"" where begins, "'" where begins: quote = scalar
                case "[", "{":
                    depth += 1
                    if depth > maxDepth { return found + [(place, "this is nested deeper than \(maxDepth) levels")] }
                case "]", "}": depth = max(0, depth - 1)
                case "*" where begins && next.properties.isAlphabetic: found.append((place, noAnchors))
                case "?" where begins && (next == " " || next == "\t"): found.append((place, "“?” is no key here: keys are plain texts"))
                default: break
                }
                if found.count > 100 { return found }
                if scalar == " " || scalar == "\t" { continue }
                switch scalar {
                case "[", "{", ",": begins = true
                case ":", "-", "?": begins = next == " " || next == "\t"
                default: begins = false
                }
            }
        }
        if entries > maxEntries { found.append((nil, "the file has more than \(maxEntries) lines and entries")) }
        return found
    }

    private static func fault(_ error: YamlError, _ lines: SourceLines) -> (place: Place?, what: String) {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _), .composer(_, let problem, let mark, _):
            let place = Place(line: mark.line, column: mark.column)
            if lines[place] == "\t" { return (place, "a tab: YAML takes only spaces here") }
            return (place, "this is no YAML: \(words[problem] ?? problem)")
        default: return (nil, "this is no YAML")
        }
    }

    /// The parser's problems, which are fixed texts, said for those who do not write YAML every day.
    private static let words = [
        "mapping values are not allowed in this context": "a “:” stands where none may be; a text that holds “: ” goes into quotes",
        "did not find expected key": "a key is expected here; look at the indentation and the quotes of the lines before",
        "could not find expected ':'": "a “:” is missing behind a key, here or in the lines before",
        "found unexpected end of stream": "the file ends within quotes",
        "did not find expected ',' or ']'": "a “,” or “]” is expected here",
        "did not find expected ',' or '}'": "a “,” or “}” is expected here",
        "did not find expected '-' indicator": "a “-” is expected here; look at the indentation of the lines before",
        "found character that cannot start any token": "no text begins with this character; put it into quotes",
        "but found another document": "a second document begins here; a configuration is one",
    ]
}
