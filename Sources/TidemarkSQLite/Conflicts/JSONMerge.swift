/// Two objects made from a third: each member counts by itself.
enum JSONMerge {
    /// The SQL function that does it: of what was before, what stands at the target, and what the source made of it.
    static let name = "tidemark_merged_json"

    /// Of texts; nil for NULL.
    static func merged(before: [UInt8]?, target: [UInt8]?, source: [UInt8]?) -> [UInt8]? {
        guard let target, let source else { return source ?? target }
        guard let one = JSONValue(target), let other = JSONValue(source) else { return target.lexicographicallyPrecedes(source) ? source : target }
        if case .object = one, case .object = other { return merged(before.flatMap { JSONValue($0) }, one, other).text }
        return one.text.lexicographicallyPrecedes(other.text) ? source : target
    }

    private static func merged(_ before: JSONValue?, _ target: JSONValue, _ source: JSONValue) -> JSONValue {
        guard case .object(let standing) = target, case .object(let coming) = source else {
            return target.text.lexicographicallyPrecedes(source.text) ? source : target
        }
        var known: [[UInt8]: JSONValue] = [:]
        if case .object(let members) = before { known = members }
        var result: [[UInt8]: JSONValue] = [:]
        for name in Set(standing.keys).union(coming.keys) {
            result[name] = member(known[name], standing[name], coming[name])
        }
        return .object(result)
    }

    /// What one end alone has changed counts; a value before none.
    private static func member(_ before: JSONValue?, _ target: JSONValue?, _ source: JSONValue?) -> JSONValue? {
        if source == before { return target }
        if target == before { return source }
        guard let target, let source else { return source ?? target }
        return merged(before, target, source)
    }
}
