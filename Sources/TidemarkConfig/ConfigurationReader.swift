import TidemarkCore

/// Reads the nodes of one file, and notes everything that is wrong in them.
struct ConfigurationReader {
    let path: String
    let environment: [String: String]
    let lines: SourceLines
    /// What is wrong with an address, by side; engines are not known here.
    let addressFault: (_ address: String, _ side: String) -> String?
    private(set) var diagnostics: [Diagnostic] = []
    private(set) var holdsSecrets = false
    /// Whose pipeline is read of a template.
    var tenant: String?
    /// Nobody reads more.
    var hasSaidEnough: Bool { diagnostics.count >= 200 }
    private static let secretMaxBytes = 64 << 10

    init(path: String, environment: [String: String], lines: SourceLines, addressFault: @escaping (String, String) -> String?) {
        (self.path, self.environment, self.lines, self.addressFault) = (path, environment, lines, addressFault)
    }

    /// The keys of one mapping that are known, by name.
    struct Fields {
        var values: [String: YAMLNode] = [:]
        var keys: [String: YAMLNode] = [:]
        var place: Place
        /// Was a key refused, of which something is said by that?
        var hasUnknown = false
        subscript(key: String) -> YAMLNode? { values[key] }
    }

    mutating func fail(_ place: Place?, _ what: String, meant: String? = nil, isSecret: Bool = false) {
        note(.error, place, what, meant, isSecret)
    }

    mutating func warn(_ place: Place?, _ what: String) { note(.warning, place, what, nil, true) }

    private mutating func note(_ severity: Diagnostic.Severity, _ place: Place?, _ what: String, _ meant: String?, _ isSecret: Bool) {
        guard !hasSaidEnough else { return }
        let excerpt = isSecret ? nil : place.flatMap { lines.excerpt($0) }
        diagnostics.append(Diagnostic(severity: severity, place: place, what: what, suggestion: meant, excerpt: excerpt))
    }

    mutating func noteLiteralSecret() { holdsSecrets = true }

    /// - Parameter hidesKeys: where a secret may stand in the place of a key.
    mutating func fields(_ node: YAMLNode, of name: String, _ known: [String], hidesKeys: Bool = false) -> Fields? {
        guard case .mapping(let pairs) = node.value else {
            fail(node.place, "\(name) has to hold keys: \(known.joined(separator: ", "))", isSecret: hidesKeys)
            return nil
        }
        var fields = Fields(place: node.place)
        for (key, value) in pairs where !hasSaidEnough {
            guard case .text(let text) = key.value else {
                fail(key.place, "a key has to be a text", isSecret: true)
                continue
            }
            if SourceLines.isCrossedOut(text) { continue }
            guard known.contains(text) else {
                let meant = Suggestion.nearest(to: text, of: known)
                let among = meant == nil ? "; known are \(known.joined(separator: ", "))" : ""
                let shown = YAMLDocument.isShowable(text) && (!hidesKeys || meant != nil) ? "“\(text)”" : "this key"
                fail(key.place, "\(shown) is not known here\(among)", meant: meant, isSecret: shown == "this key")
                fields.hasUnknown = true
                continue
            }
            if fields.values[text] != nil {
                fail(key.place, "“\(text)” stands twice in one mapping: take one of them out")
                continue
            }
            (fields.keys[text], fields.values[text]) = (key, value)
        }
        return fields
    }

    // MARK: Values

    /// With what the environment puts into it.
    mutating func text(_ key: String, _ fields: Fields, _ forms: String = "a text", isSecret: Bool = false) -> String? {
        guard let node = fields[key] else { return nil }
        return text(node, key, forms, isSecret: isSecret)
    }

    mutating func text(_ node: YAMLNode, _ key: String, _ forms: String, isSecret: Bool = false, isAddress: Bool = false) -> String? {
        guard case .text(let written) = node.value, !written.isEmpty else {
            fail(node.place, "\(key): has to be \(forms)", isSecret: isSecret)
            return nil
        }
        do {
            var text = try Template(written).text(environment, isAddress: isAddress)
            if isAddress { text = ofTenant(text) }
            guard !text.isEmpty, !text.utf8.contains(0) else {
                fail(node.place, "\(key): has to be \(forms), and is \(text.isEmpty ? "empty" : "one with a NUL")", isSecret: isSecret)
                return nil
            }
            return text
        } catch {
            fail(node.place, "\(key): \(error.what)", isSecret: isSecret)
            return nil
        }
    }

    mutating func parsed<T>(_ key: String, _ fields: Fields, _ forms: String, _ parse: (String) -> T?) -> T? {
        guard let text = text(key, fields, forms) else { return nil }
        guard let value = parse(text) else {
            fail(fields[key]?.place, "\(key): has to be \(forms)")
            return nil
        }
        return value
    }

    mutating func choice<T: RawRepresentable>(_ key: String, _ fields: Fields, _ forms: String, of all: [T]) -> T? where T.RawValue == String {
        guard let text = text(key, fields, forms) else { return nil }
        guard let value = all.first(where: { $0.rawValue == text }) else {
            fail(fields[key]?.place, "\(key): has to be \(forms)", meant: Suggestion.nearest(to: text, of: all.map(\.rawValue)))
            return nil
        }
        return value
    }

    mutating func flag(_ key: String, _ fields: Fields) -> Bool? {
        guard let text = text(key, fields, "true or false")?.lowercased() else { return nil }
        if ["true", "yes", "on"].contains(text) { return true }
        if ["false", "no", "off"].contains(text) { return false }
        fail(fields[key]?.place, "\(key): has to be true or false", meant: Suggestion.nearest(to: text, of: ["true", "false"]))
        return nil
    }

    mutating func number(_ key: String, _ fields: Fields, _ range: ClosedRange<Int>) -> Int? {
        parsed(key, fields, "a number from \(range.lowerBound) to \(range.upperBound)") { Int($0).flatMap { range.contains($0) ? $0 : nil } }
    }

    /// In milliseconds.
    mutating func time(_ key: String, _ fields: Fields, seconds range: ClosedRange<Int64>, orOff: Bool = false) -> Int? {
        let forms = "a time from \(TimeSpan.text(range.lowerBound)) to \(TimeSpan.text(range.upperBound)), such as 10s\(orOff ? ", or off" : "")"
        return parsed(key, fields, forms) { text in
            if orOff, ["off", "0", "false", "no"].contains(text) { return 0 }
            return TimeSpan.parsed(text).flatMap { range.contains($0) ? Int($0) * 1000 : nil }
        }
    }

    mutating func patterns(_ key: String, _ fields: Fields) -> [String]? {
        guard let node = fields[key] else { return nil }
        let forms = "a pattern or a list of patterns, schema.table with *"
        guard case .list(let items) = node.value else { return text(node, key, forms).map { [$0] } }
        return items.compactMap { text($0, key, forms) }
    }

    // MARK: Secrets

    /// What a file or a variable holds, without the end of its line.
    mutating func secret(file key: String, _ fields: Fields) -> String? {
        guard let node = fields[key], let written = text(key, fields, "a path", isSecret: true) else { return nil }
        let path = resolved(written)
        do throws(ConfigurationFile.Failure) {
            let file = try ConfigurationFile(path: path, maxBytes: Self.secretMaxBytes)
            guard var text = file.text else { throw ConfigurationFile.Failure(why: "it is no UTF-8") }
            if text.hasSuffix("\r\n") || text.hasSuffix("\n") { text.removeLast() }
            guard !text.isEmpty else { throw ConfigurationFile.Failure(why: "it is empty") }
            guard !text.utf8.contains(0) else { throw ConfigurationFile.Failure(why: "it holds a NUL") }
            if let readers = file.readers { warn(node.place, "\(key): \(readers) may read \(path); type: chmod 600 \(path)") }
            return text
        } catch {
            fail(node.place, "\(key): \(path) cannot be used: \(error.why)", isSecret: true)
            return nil
        }
    }

    mutating func secret(variable key: String, _ fields: Fields) -> String? {
        guard let node = fields[key], case .text(let name) = node.value, Template.isName(name) else {
            fail(fields[key]?.place, "\(key): has to be the name of an environment variable", isSecret: true)
            return nil
        }
        guard let value = environment[name], !value.isEmpty, !value.utf8.contains(0) else {
            fail(node.place, "\(key): the environment variable \(name) is \(environment[name] == nil ? "not set" : "empty")", isSecret: true)
            return nil
        }
        return value
    }

    /// A path is looked for beside the configuration.
    func resolved(_ file: String) -> String {
        guard !file.hasPrefix("/"), let slash = path.lastIndex(of: "/") else { return file }
        return String(path[...slash]) + file
    }
}
