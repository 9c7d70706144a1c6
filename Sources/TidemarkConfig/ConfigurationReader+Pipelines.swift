import TidemarkCore

extension ConfigurationReader {
    /// - Parameter needsAddresses: is there nothing else that could name source and target?
    mutating func pipelines(_ node: YAMLNode, defaults: Configuration.Entry, needsAddresses: Bool) -> [Configuration.Entry] {
        guard case .mapping(let named) = node.value, !named.isEmpty else {
            fail(node.place, "pipelines: has to hold one entry per pipeline, by name")
            return []
        }
        var entries: [Configuration.Entry] = []
        var ends: Set<[String]> = []
        for (key, value) in named where !hasSaidEnough {
            guard case .text(let name) = key.value else {
                fail(key.place, "the name of a pipeline has to be a text", isSecret: true)
                continue
            }
            if SourceLines.isCrossedOut(name) { continue }
            if let fault = PipelineName.fault(name) {
                fail(key.place, fault, isSecret: true)
                continue
            }
            guard let template = tenants(of: value) else {
                entries += pipeline(name, key, value, over: defaults, needsAddresses, &ends)
                continue
            }
            entries += pipelines(name, key, value, template, over: defaults, needsAddresses, &ends)
        }
        let names = Dictionary(grouping: entries, by: \.name).filter { $0.value.count > 1 }
        for (name, same) in names.sorted(by: { $0.key < $1.key }) {
            let cause = same.contains { $0.counterpart != nil } ? "two-way: true adds one" : "one is of tenants:"
            fail(same.last?.place, "two pipelines would be called \(name): \(cause), so give the other one another name")
        }
        return entries
    }

    /// - Returns: one, two where it flows both ways, and none where it cannot be read.
    mutating func pipeline(
        _ name: String, _ key: YAMLNode, _ value: YAMLNode, over defaults: Configuration.Entry, _ needsAddresses: Bool, _ ends: inout Set<[String]>
    ) -> [Configuration.Entry] {
        guard let read = entry(name, value, over: defaults) else { return [] }
        var entries = [read.entry, read.back].compactMap(\.self)
        for place in entries.indices { entries[place].place = key.place }
        if needsAddresses, let entry = entries.first {
            for (side, isThere) in [("source", entry.source != nil), ("target", entry.target != nil)] where !isThere && !entry.unreadable.contains(side) {
                fail(key.place, "pipeline \(name) has no \(side):")
            }
        }
        // Tenants may share a target, each in a schema of its own.
        for entry in entries where tenant == nil {
            guard let source = entry.source, let target = entry.target, !ends.insert([source, target]).inserted else { continue }
            warn(key.place, "pipeline \(entry.name) has the same source and target as another one: tables that both take are written by both")
        }
        return entries
    }

    /// - Returns: the pipeline, and the one in the other direction if it stands for both.
    mutating func entry(_ name: String, _ node: YAMLNode, over defaults: Configuration.Entry?) -> (entry: Configuration.Entry, back: Configuration.Entry?)? {
        let isPipeline = defaults != nil
        let whose = isPipeline ? "pipeline \(name)" : "defaults:"
        let known = isPipeline ? ConfigurationSection.pipeline.keys : ConfigurationSection.defaults
        guard let fields = fields(node, of: whose, known) else { return nil }
        var entry = defaults ?? Configuration.Entry(name: name)
        entry.name = name
        if isPipeline { addresses(fields, &entry) }
        if let node = fields["tables"] { (entry.tables, entry.tableEntries) = tables(node) }
        entry.schemas = names("rename-schemas", fields)?.mapValues { ofTenant($0) } ?? entry.schemas
        reading(fields, &entry.reading)
        if entry.reading.mode == .incremental {
            fail(fields.keys["mode"]?.place ?? fields.place, "mode: incremental is for a table, which says by: which column")
        }
        if isPipeline { warnOfReading(fields, entry) }
        entry.exclude = patterns("exclude", fields) ?? entry.exclude
        entry.capture = choice("capture", fields, Self.forms(CaptureKind.allCases), of: CaptureKind.allCases) ?? entry.capture
        entry.images = choice("image", fields, Self.forms(CapturedImages.allCases), of: CapturedImages.allCases) ?? entry.images
        entry.requiresKey = flag("require-key", fields) ?? entry.requiresKey
        entry.capturesReplicaRole = flag("capture-replica-role", fields) ?? entry.capturesReplicaRole
        entry.delay = parsed("delay", fields, StreamDelay.forms) { StreamDelay(parsing: $0) } ?? entry.delay
        entry.role = choice("role", fields, TargetRole.forms, of: TargetRole.allCases) ?? entry.role
        entry.retention = parsed("retain", fields, Retention.forms) { Retention(parsing: $0) } ?? entry.retention
        entry.logLimit.maxBytes = parsed("max-log-size", fields, LogLimit.forms) { ByteCount.parsed($0) } ?? entry.logLimit.maxBytes
        entry.logLimit.policy = choice("at-max-log-size", fields, LogPolicy.forms, of: LogPolicy.allCases) ?? entry.logLimit.policy
        entry.failurePolicy = choice("on-failure", fields, Self.forms(FailurePolicy.allCases), of: FailurePolicy.allCases) ?? entry.failurePolicy
        waiting(fields, &entry)
        run(fields, &entry)
        entry.conflict = conflict(fields) ?? entry.conflict
        entry.passesOn = flag("pass-on", fields) ?? entry.passesOn
        refuseUnsharable(fields, entry)
        let back = isPipeline ? back(of: &entry, fields) : nil
        return (entry, back)
    }

    /// Which windows the source is told of at once.
    private mutating func waiting(_ fields: Fields, _ entry: inout Configuration.Entry) {
        entry.wait = choice("wait", fields, Self.forms(Waiting.Mode.allCases), of: Waiting.Mode.allCases) ?? entry.wait
        entry.waitTables = patterns("wait-tables", fields) ?? entry.waitTables
        let place = (fields.keys["wait"] ?? fields.keys["wait-tables"])?.place
        guard place != nil, fields["wait"] == nil || entry.wait != nil else { return }
        // A pipeline's own wait: takes no part in what defaults: says of tables.
        if fields["wait"] != nil, entry.wait != .hybrid, fields["wait-tables"] == nil { entry.waitTables = nil }
        if entry.wait == .hybrid, entry.waitTables?.isEmpty != false { fail(place, "wait: hybrid needs wait-tables:, the tables that are waited for") }
        if entry.wait != .hybrid, entry.waitTables != nil { fail(place, "wait-tables: is for wait: hybrid") }
    }

    /// How `run` is to copy and to compare, and what contradicts itself in that.
    private mutating func run(_ fields: Fields, _ entry: inout Configuration.Entry) {
        let existing = [TableCopy.Existing.refuse, .empty, .merge]
        entry.run.existing = choice("existing", fields, Self.forms(existing), of: existing) ?? entry.run.existing
        entry.run.copies = flag("copy", fields) ?? entry.run.copies
        entry.run.creates = flag("create", fields) ?? entry.run.creates
        entry.run.jobs = number("jobs", fields, 1...64) ?? entry.run.jobs
        let verify = Configuration.RunSettings.Verify.allCases
        entry.run.verify = choice("verify", fields, Self.forms(verify), of: verify) ?? entry.run.verify
        entry.run.maxRate = number("max-rate", fields, 1...1_000_000_000) ?? entry.run.maxRate
        if fields["max-rate"] != nil, entry.run.verify != .continuously {
            fail(fields.keys["max-rate"]?.place, "max-rate: is for verify: continuously")
        }
        if entry.run.copies == false, fields["existing"] != nil || fields["copy"] != nil, entry.run.existing != nil {
            fail((fields.keys["existing"] ?? fields.keys["copy"])?.place, "existing: is about the copy that copy: false leaves out: take one of them out")
        }
        if entry.run.verify == .continuously, let delay = entry.delay, delay.seconds > 0, fields["verify"] != nil || fields["delay"] != nil {
            fail(
                (fields.keys["delay"] ?? fields.keys["verify"])?.place,
                "a target that stays behind cannot be compared with its source as it is now: take delay: out, or verify: continuously")
        }
    }

    private mutating func addresses(_ fields: Fields, _ entry: inout Configuration.Entry) {
        entry.source = address("source", fields)
        entry.target = address("target", fields)
        for (side, isThere) in [("source", entry.source != nil), ("target", entry.target != nil)] where fields[side] != nil && !isThere {
            entry.unreadable.insert(side)
        }
        if let source = entry.source, source == entry.target {
            fail(fields.keys["target"]?.place, "source and target are the same database", isSecret: true)
        }
    }

    private mutating func address(_ side: String, _ fields: Fields) -> String? {
        guard let node = fields[side] else { return nil }
        let forms = "an address, or one of \(ConfigurationSection.address.keys.joined(separator: ", ")) below it"
        let address: String?
        if case .mapping = node.value {
            address = keptAddress(side, node)
        } else {
            address = text(node, side, forms, isSecret: true, isAddress: true)
            if case .text(let written) = node.value, written.contains("password=") || written.firstMatch(of: /:\/\/[^\/@]*:[^\/@$]+@/) != nil {
                noteLiteralSecret()
            }
        }
        guard let address else { return nil }
        if let fault = addressFault(address, side) {
            fail(node.place, "\(side): \(fault)", isSecret: true)
            return nil
        }
        return address
    }

    /// An address, or its password, that is kept somewhere else.
    private mutating func keptAddress(_ side: String, _ node: YAMLNode) -> String? {
        guard let fields = fields(node, of: "\(side):", ConfigurationSection.address.keys, hidesKeys: true) else { return nil }
        let given = ["url", "file", "env"].filter { fields[$0] != nil }
        guard given.count == 1, let way = given.first else {
            fail(node.place, "\(side): has to have one of url, file and env", isSecret: true)
            return nil
        }
        let address: String? =
            switch way {
            case "url": fields["url"].flatMap { text($0, "url", "an address", isSecret: true, isAddress: true) }
            case "file": secret(file: "file", fields)
            default: secret(variable: "env", fields)
            }
        let passwords = ["password-file", "password-env"].filter { fields[$0] != nil }
        guard passwords.count < 2 else {
            fail(node.place, "\(side): has two passwords: take password-file or password-env out", isSecret: true)
            return nil
        }
        guard let key = passwords.first else { return address }
        let password = key == "password-file" ? secret(file: key, fields) : secret(variable: key, fields)
        guard let address, let password else { return nil }
        guard let whole = AddressText.adding(password, to: address) else {
            fail(fields.keys[key]?.place, "\(key): is for an address of a server that has no password in it", isSecret: true)
            return nil
        }
        return whole
    }

    static func forms<T: RawRepresentable>(_ all: [T]) -> String where T.RawValue == String {
        let words = all.map(\.rawValue)
        return words.count < 2 ? words.joined() : words.dropLast().joined(separator: ", ") + " or " + (words.last ?? "")
    }
}
