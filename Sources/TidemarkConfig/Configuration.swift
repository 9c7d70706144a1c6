import Foundation
package import TidemarkCore
import Yams

/// What a configuration file says: pipelines by name.
///
///     pipelines:
///       shop:
///         source: postgresql://db1/shop
///         target: sqlite:/var/lib/shop.db
///         tables: [public.*]
///         exclude: [public.audit]
package struct Configuration: Sendable {
    /// One pipeline of the file; what is nil is not said there.
    package struct Entry: Sendable {
        package var name: String
        package var source: String?
        package var target: String?
        package var tables: [String]?
        package var exclude: [String]?
        package var capture: CaptureKind?
        package var images: CapturedImages?
        package var requiresKey: Bool?
        package var capturesReplicaRole: Bool?
        package var retention: Retention?
        package var logLimit = LogLimitRequest()
        package var delay: StreamDelay?
        package var role: TargetRole?

        package init(
            name: String, source: String? = nil, target: String? = nil, tables: [String]? = nil,
            exclude: [String]? = nil, capture: CaptureKind? = nil, requiresKey: Bool? = nil,
            capturesReplicaRole: Bool? = nil
        ) {
            (self.name, self.source, self.target) = (name, source, target)
            (self.tables, self.exclude, self.capture) = (tables, exclude, capture)
            (self.requiresKey, self.capturesReplicaRole) = (requiresKey, capturesReplicaRole)
        }
    }

    package var pipelines: [Entry]

    /// - Throws: `UsageError` with file and line, for anything that is not understood: a misspelt key
    ///   that is silently left out is how tables are lost.
    package init(path: String) throws {
        let text: String
        do {
            text = try String(contentsOfFile: path, encoding: .utf8)
        } catch {
            throw UsageError("The configuration \(path) cannot be read: check that the file is there and that this user may read it.")
        }
        try self.init(text: text, path: path)
    }

    init(text: String, path: String) throws {
        let root: Node?
        do {
            root = try compose(yaml: text)
        } catch let error as YamlError {
            // Yams shows the text around the place, and that may hold a password.
            throw UsageError("The configuration \(path) is no YAML\(Self.place(of: error)).")
        }
        let file = Reading(path: path)
        guard let root, let top = root.mapping else { throw file.wrong(root, "the file has to begin with pipelines:") }
        try file.only(["pipelines"], in: top)
        guard let named = top["pipelines"]?.mapping, !named.isEmpty else {
            throw file.wrong(top["pipelines"], "pipelines: has to hold one entry per pipeline, by name")
        }
        pipelines = try named.map { key, value in try file.entry(key, value) }
    }
}

extension Configuration {
    private static func place(of error: YamlError) -> String {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _), .composer(_, let problem, let mark, _):
            ", line \(mark.line), column \(mark.column): \(problem)"
        case .duplicatedKeysInMapping: ": a key stands twice in one mapping"
        default: ""
        }
    }
}

/// Reads nodes of one file, with places in errors.
private struct Reading {
    let path: String

    func wrong(_ node: Node?, _ what: String) -> UsageError {
        let line = node?.mark.map { ":\($0.line)" } ?? ""
        return UsageError("The configuration \(path)\(line): \(what).")
    }

    func only(_ known: [String], in mapping: Node.Mapping) throws {
        for (key, _) in mapping where !known.contains(key.string ?? "") {
            throw wrong(key, "“\(key.string ?? "?")” is not known here; known are \(known.joined(separator: ", "))")
        }
    }

    func entry(_ key: Node, _ value: Node) throws -> Configuration.Entry {
        guard let name = key.string, !name.isEmpty, let fields = value.mapping else {
            throw wrong(value, "a pipeline has to be a name with source: and target: below it")
        }
        let own = ["source", "target", "tables", "exclude", "capture", "image", "require-key", "capture-replica-role", "delay", "role"]
        try only(own + Self.logKeys, in: fields)
        var entry = Configuration.Entry(
            name: name, source: try text("source", fields), target: try text("target", fields),
            tables: try list("tables", fields), exclude: try list("exclude", fields), capture: try parsed("capture", fields, Self.kinds) { CaptureKind(rawValue: $0) },
            requiresKey: try flag("require-key", fields), capturesReplicaRole: try flag("capture-replica-role", fields))
        entry.delay = try parsed("delay", fields, StreamDelay.forms) { StreamDelay(parsing: $0) }
        entry.role = try parsed("role", fields, TargetRole.forms) { TargetRole(rawValue: $0) }
        entry.images = try parsed("image", fields, Self.images) { CapturedImages(rawValue: $0) }
        entry.retention = try parsed("retain", fields, Retention.forms) { Retention(parsing: $0) }
        entry.logLimit.maxBytes = try parsed("max-log-size", fields, LogLimit.forms) { ByteCount.parsed($0) }
        entry.logLimit.policy = try parsed("at-max-log-size", fields, LogPolicy.forms) { LogPolicy(rawValue: $0) }
        return entry
    }

    private static let kinds = CaptureKind.allCases.map(\.rawValue).joined(separator: ", ")
    private static let images = CapturedImages.allCases.map(\.rawValue).joined(separator: ", ")
    private static let logKeys = ["retain", "max-log-size", "at-max-log-size"]

    private func parsed<T>(_ key: String, _ fields: Node.Mapping, _ forms: String, _ parse: (String) -> T?) throws -> T? {
        guard let text = try text(key, fields) else { return nil }
        guard let value = parse(text) else { throw wrong(fields[key], "\(key): has to be \(forms)") }
        return value
    }

    private func text(_ key: String, _ fields: Node.Mapping) throws -> String? {
        guard let node = fields[key] else { return nil }
        guard let text = node.string, !text.isEmpty else { throw wrong(node, "\(key): has to be a text") }
        return text
    }

    private func list(_ key: String, _ fields: Node.Mapping) throws -> [String]? {
        guard let node = fields[key] else { return nil }
        if let one = node.string { return [one] }
        guard let items = node.sequence?.map(\.string), !items.contains(nil) else {
            throw wrong(node, "\(key): has to be a list of patterns")
        }
        return items.compactMap { $0 }
    }

    private func flag(_ key: String, _ fields: Node.Mapping) throws -> Bool? {
        guard let node = fields[key] else { return nil }
        guard let value = node.bool else { throw wrong(node, "\(key): has to be true or false") }
        return value
    }
}
