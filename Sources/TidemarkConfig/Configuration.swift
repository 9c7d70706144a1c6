import Glibc
package import TidemarkCore

/// What a configuration file says: pipelines by name, and the service that runs them.
///
///     service:
///       state: /var/lib/tidemark
///     defaults:
///       on-failure: retry
///     pipelines:
///       shop:
///         source: postgresql://db1/shop
///         target: sqlite:/var/lib/shop.db
///         tables: [public.*]
///         exclude: [public.audit]
package struct Configuration: Sendable, Equatable {
    /// One pipeline of the file; what is nil is not said there, nor under `defaults:`.
    package struct Entry: Sendable, Equatable {
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
        package var failurePolicy: FailurePolicy?
        package var wait: Waiting.Mode?
        package var waitTables: [String]?
        package var run = RunSettings()
        /// What tables are told one by one, in the order of the file, and all the others.
        var tableEntries: [TableEntry] = []
        var reading = ReadingEntry()
        /// What schemas are called at the target, by their name at the source.
        package var schemas: [String: String] = [:]
        /// Whose rows it takes; nil for everybody's.
        package var tenant: Tenant?
        /// What becomes of rows that the target changed, too, in tables of which the file says nothing by themselves.
        package var conflict: ConflictRule?
        package var passesOn: Bool?
        /// The pipeline in the other direction, where one entry stands for both.
        package var counterpart: String?
        /// Which numbers the sequences of its source's tables give.
        package var sites: SequenceSite?
        /// Of its name; the same pipeline may stand somewhere else.
        var place: Place?
        /// Sides of which something wrong is said.
        var unreadable: Set<String> = []

        package init(name: String) { self.name = name }

        package static func == (left: Self, right: Self) -> Bool {
            (left.name, left.source, left.target, left.requiresKey, left.capturesReplicaRole, left.delay)
                == (right.name, right.source, right.target, right.requiresKey, right.capturesReplicaRole, right.delay)
                && (left.tables, left.exclude, left.capture, left.images, left.role, left.failurePolicy)
                    == (right.tables, right.exclude, right.capture, right.images, right.role, right.failurePolicy)
                && (left.retention, left.logLimit, left.run) == (right.retention, right.logLimit, right.run)
                && (left.rules, left.schemas) == (right.rules, right.schemas)
                && (left.wait, left.waitTables, left.passesOn) == (right.wait, right.waitTables, right.passesOn)
                && (left.counterpart, left.sites) == (right.counterpart, right.sites)
        }
    }

    /// How a pipeline that is followed copies and compares, as options of `run` say it.
    package struct RunSettings: Sendable, Equatable {
        package enum Verify: String, Sendable, CaseIterable {
            /// Each table once it is copied.
            case afterCopy = "after-copy"
            /// And all of them again and again beside the stream.
            case continuously
            case never
        }

        package var creates: Bool?
        package var copies: Bool?
        /// What becomes of rows that the target holds before a copy; never `keep`.
        package var existing: TableCopy.Existing?
        package var verify: Verify?
        /// Rows a second that are compared beside the stream.
        package var maxRate: Int?
        package var jobs: Int?

        package init() {}
    }

    package var path: String
    package var service = ServiceSettings()
    /// In the order of the file.
    package var pipelines: [Entry] = []
    /// What somebody should know who can use it as it is.
    package var warnings: [Diagnostic] = []

    private static let maxBytes = 1 << 20

    /// - Parameters:
    ///   - needsAddresses: is a pipeline without source or target an error? Flags and the environment may name them.
    ///   - addressFault: why an address cannot be used, if so.
    /// - Throws: `ConfigurationProblems` with everything that is wrong: a misspelt key that is silently left out is how tables
    ///   are lost.
    package init(
        path: String, environment: [String: String], needsAddresses: Bool = false, addressFault: @escaping (_ address: String, _ side: String) -> String? = { _, _ in nil }
    ) throws(ConfigurationProblems) {
        let file: ConfigurationFile
        do {
            file = try ConfigurationFile(path: path, maxBytes: Self.maxBytes)
        } catch {
            throw ConfigurationProblems(path: path, diagnostics: [Diagnostic(severity: .error, what: "the configuration cannot be read: \(error.why)")])
        }
        try self.init(bytes: file.bytes, path: path, environment: environment, needsAddresses: needsAddresses, readers: file.readers, addressFault: addressFault)
    }

    init(
        bytes: [UInt8], path: String, environment: [String: String] = [:], needsAddresses: Bool = true, readers: String? = nil,
        addressFault: @escaping (String, String) -> String? = { _, _ in nil }
    ) throws(ConfigurationProblems) {
        self.path = path
        guard bytes.count <= Self.maxBytes, let text = String(validating: bytes, as: UTF8.self) else {
            let (line, column) = Self.whereUTF8Ends(bytes.prefix(Self.maxBytes))
            let what = bytes.count > Self.maxBytes ? "the file is larger than \(Self.maxBytes >> 10) KiB" : "this is no UTF-8: save the file in that encoding"
            throw ConfigurationProblems(
                path: path, diagnostics: [Diagnostic(severity: .error, place: bytes.count > Self.maxBytes ? nil : Place(line: line, column: column), what: what)])
        }
        let lines = SourceLines(text)
        let document = YAMLDocument(text, lines: lines)
        var reader = ConfigurationReader(path: path, environment: environment, lines: lines, addressFault: addressFault)
        for fault in document.faults { reader.fail(fault.place, fault.what) }
        if let root = document.root { read(root, &reader, needsAddresses) }
        if reader.holdsSecrets, let readers {
            reader.warn(nil, "\(readers) may read this file, and it holds a password or a token; type: chmod 600 \(path), or keep them elsewhere")
        }
        let sorted = reader.diagnostics.enumerated()
            .sorted { ($0.element.place ?? Place(line: 0, column: 0), $0.offset) < ($1.element.place ?? Place(line: 0, column: 0), $1.offset) }.map(\.element)
        guard !sorted.contains(where: { $0.severity == .error }) else { throw ConfigurationProblems(path: path, diagnostics: sorted) }
        warnings = sorted
    }

    private mutating func read(_ root: YAMLNode, _ reader: inout ConfigurationReader, _ needsAddresses: Bool) {
        guard case .mapping = root.value else { return reader.fail(root.place, "the file has to begin with pipelines:", isSecret: true) }
        guard let top = reader.fields(root, of: "the file", ConfigurationSection.file.keys) else { return }
        if let node = top["service"] { service = reader.service(node) }
        let defaults = top["defaults"].flatMap { reader.entry("defaults", $0, over: nil)?.entry } ?? Entry(name: "")
        guard let node = top["pipelines"] else { return reader.fail(root.place, "the file has no pipelines:") }
        pipelines = reader.pipelines(node, defaults: defaults, needsAddresses: needsAddresses)
    }

    private static func whereUTF8Ends(_ bytes: some Collection<UInt8>) -> (line: Int, column: Int) {
        var decoder = UTF8()
        var iterator = bytes.makeIterator()
        var (line, column) = (1, 1)
        while case .scalarValue(let scalar) = decoder.decode(&iterator) {
            (line, column) = scalar == "\n" ? (line + 1, 1) : (line, column + 1)
        }
        return (line, column)
    }
}
