/// Whether every value of one PostgreSQL type is a value of another, without rounding, padding or
/// cutting anything. Types are written as `format_type` writes them.
enum TypeFit {
    /// Does `target` hold all values of `source` as they are?
    static func holds(_ target: String, all source: String) -> Bool {
        if target == source { return true }
        guard let from = TypeText(source), let to = TypeText(target), from.isArray == to.isArray else { return false }
        if let digits = Self.integerDigits[from.name] {
            return holdsInteger(to, digits: digits)
        }
        switch (from.name, to.name) {
        case ("real", "double precision"), ("character varying", "text"):
            return true
        case ("text", "character varying"):
            return to.modifiers.isEmpty
        case ("character varying", "character varying"), ("bit varying", "bit varying"):
            return to.modifiers.isEmpty || !from.modifiers.isEmpty && from.modifiers[0] <= to.modifiers[0]
        case ("numeric", "numeric"):
            return holdsNumeric(to, from)
        case (to.name, _) where Self.withPrecision.contains(to.name):
            // Without a modifier the precision is 6.
            return (from.modifiers.first ?? 6) <= (to.modifiers.first ?? 6)
        case (to.name, _):
            // Types of the user's and of extensions go by name; their schema may be another.
            return from.isQualified && to.isQualified && from.modifiers == to.modifiers
        default:
            return false
        }
    }

    private static let integerDigits = ["smallint": 5, "integer": 10, "bigint": 19]
    private static let withPrecision: Set<String> = [
        "timestamp without time zone", "timestamp with time zone", "time without time zone", "time with time zone",
        "interval",
    ]

    private static func holdsInteger(_ to: TypeText, digits: Int) -> Bool {
        if let held = integerDigits[to.name] { return held >= digits }
        guard to.name == "numeric" else { return false }
        return to.modifiers.isEmpty || to.modifiers[0] >= digits && to.modifiers.dropFirst().first ?? 0 == 0
    }

    private static func holdsNumeric(_ to: TypeText, _ from: TypeText) -> Bool {
        guard to.modifiers.count == 2 else { return to.modifiers.isEmpty }
        guard from.modifiers.count == 2 else { return false }
        return to.modifiers[1] >= from.modifiers[1]
            && to.modifiers[0] - to.modifiers[1] >= from.modifiers[0] - from.modifiers[1]
    }
}

/// The parts of what `format_type` writes: `numeric(10,2)[]`, `timestamp(3) without time zone`, `s."T"`.
struct TypeText {
    /// Without schema, modifiers and brackets.
    let name: String
    let modifiers: [Int]
    let isArray: Bool
    let isQualified: Bool

    /// Nil where the modifiers are no numbers.
    init?(_ text: String) {
        var rest = Substring(text)
        var isArray = false
        while rest.hasSuffix("[]") {
            rest = rest.dropLast(2)
            isArray = true
        }
        self.isArray = isArray
        var name = ""
        var modifiers: [Int] = []
        var quoted = false
        var isQualified = false
        while let character = rest.popFirst() {
            if character == "\"" { quoted.toggle() }
            if quoted || character != "." && character != "(" {
                name.append(character)
            } else if character == "." {
                isQualified = true
                name = ""
            } else {
                guard let end = rest.firstIndex(of: ")") else { return nil }
                for part in rest[..<end].split(separator: ",") {
                    guard let number = Int(part) else { return nil }
                    modifiers.append(number)
                }
                rest = rest[rest.index(after: end)...]
            }
        }
        self.name = name
        self.modifiers = modifiers
        self.isQualified = isQualified
    }
}
