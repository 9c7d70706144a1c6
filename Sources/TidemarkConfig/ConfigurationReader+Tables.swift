package import TidemarkCore

extension Configuration {
    /// How tables are read, where the file says so; what is nil is not said there.
    struct ReadingEntry: Sendable, Equatable {
        var mode: SyncMode?
        var schedule: SyncSchedule?
        var batchRows: Int?
        var onError: SyncErrorStrategy?
        var incremental: IncrementalReading?

        /// - Returns: nil for tables whose log is read.
        func polled(over all: ReadingEntry) -> PolledReading? {
            guard let mode = mode ?? all.mode, mode.isPolled else { return nil }
            var reading = PolledReading(mode)
            reading.schedule = schedule ?? all.schedule ?? (mode == .incremental ? .every(seconds: Self.incrementalEverySeconds) : .onDemand)
            reading.batchRows = batchRows ?? all.batchRows ?? PolledReading.batchRows
            reading.onError = onError ?? all.onError ?? .stop
            if mode == .incremental { reading.incremental = incremental }
            return reading
        }

        private static let incrementalEverySeconds = Int64(10)
    }

    /// What the file says of the tables that a pattern names.
    struct TableEntry: Sendable, Equatable {
        var pattern: String
        var shaping = TableShaping()
        var reading = ReadingEntry()
        var conflict: ConflictRule?
        /// Where its keys stand.
        var keyPlaces: [String: Place] = [:]
    }
}

extension Configuration.Entry {
    /// How tables are read of which the file says nothing by themselves, as a flag has it; nil for what was not said.
    package mutating func read(_ mode: SyncMode?, everySeconds: Int64?) {
        reading.mode = mode ?? reading.mode
        if let everySeconds { reading.schedule = everySeconds == 0 ? .onDemand : .every(seconds: everySeconds) }
    }

    /// What its tables are told: of the rules that name a table the first counts, and what no item names goes by what the pipeline says.
    package var rules: TableRules {
        var rules = tableEntries.map {
            TableRule(
                TablePattern($0.pattern), shaping: $0.shaping, polled: $0.reading.polled(over: reading), conflicts: $0.conflict ?? conflict)
        }
        let polled = reading.polled(over: reading)
        if polled != nil || conflict != nil { rules.append(TableRule(TablePattern("*"), polled: polled, conflicts: conflict)) }
        return TableRules(rules, schemas: schemas, tenant: tenant)
    }

    /// Do others write the target's rows, too?
    var isShared: Bool { conflict != nil || tableEntries.contains { $0.conflict != nil } }
    /// Is it known of every table what becomes of conflicts there?
    var isWhollyShared: Bool { conflict != nil || !tableEntries.isEmpty && tableEntries.allSatisfy { $0.conflict != nil } }
}

extension ConfigurationReader {
    private static let tableForms = "a pattern, or a list of patterns, schema.table with *; one of a list may hold keys of its own"

    private static let targetForms = "the name of a table, schema.table or table"

    /// - Returns: the patterns, and what was said of some of them.
    mutating func tables(_ node: YAMLNode) -> ([String], [Configuration.TableEntry]) {
        guard case .list(let items) = node.value else { return (text(node, "tables", Self.tableForms).map { [$0] } ?? [], []) }
        var (patterns, entries): ([String], [Configuration.TableEntry]) = ([], [])
        for item in items where !hasSaidEnough {
            guard case .mapping(let pairs) = item.value else {
                guard let pattern = text(item, "tables", Self.tableForms) else { continue }
                patterns.append(pattern)
                // It counts before later rules that name the same table.
                entries.append(Configuration.TableEntry(pattern: pattern))
                continue
            }
            for (key, value) in pairs where !hasSaidEnough {
                guard let pattern = text(key, "tables", Self.tableForms) else { continue }
                if SourceLines.isCrossedOut(pattern) { continue }
                patterns.append(pattern)
                if let entry = table(pattern, value) { entries.append(entry) }
            }
        }
        return (patterns, entries)
    }

    private mutating func table(_ pattern: String, _ node: YAMLNode) -> Configuration.TableEntry? {
        guard let fields = fields(node, of: "table \(pattern)", ConfigurationSection.table.keys) else { return nil }
        var entry = Configuration.TableEntry(pattern: pattern)
        shaping(fields, &entry.shaping)
        if entry.shaping.target != nil, pattern.contains("*") {
            fail(fields.keys["to"]?.place, "to: is for one table, and \(pattern) may name several; rename-schemas: of the pipeline is for all tables of a schema")
        }
        reading(fields, &entry.reading)
        incremental(fields, &entry.reading)
        entry.conflict = conflict(fields)
        entry.keyPlaces = fields.keys.mapValues(\.place)
        return entry
    }

    private mutating func shaping(_ fields: Fields, _ shaping: inout TableShaping) {
        shaping.filter = text("where", fields, "a condition in the source's SQL")
        if fields["columns"] != nil { shaping.columns = patterns("columns", fields) }
        if shaping.columns?.isEmpty == true { fail(fields.keys["columns"]?.place, "columns: names none: write those that travel, or take it out") }
        shaping.omitted = patterns("omit", fields) ?? []
        if shaping.columns != nil, fields["omit"] != nil {
            fail(fields.keys["omit"]?.place, "columns: names all that travel: take omit: or columns: out")
        }
        shaping.expressions = pairs("set", fields, "an expression in the source's SQL").map { TableShaping.Expression(column: $0.name, sql: $0.value) }
        for name in shaping.omitted where shaping.expressions.contains(where: { $0.column == name }) {
            fail(fields.keys["set"]?.place, "set: and omit: both name \(name), which cannot travel and stay: take it out of one of them")
        }
        shaping.renamedColumns = names("rename", fields) ?? [:]
        guard let target = text("to", fields, Self.targetForms) else { return }
        shaping.target = ofTenant(target)
        let parts = target.split(separator: ".", omittingEmptySubsequences: false)
        if parts.count > 2 || parts.contains("") { fail(fields["to"]?.place, "to: has to be \(Self.targetForms), with one dot at most") }
        if let first = parts.first, ofTenant(String(first)).contains(".") {
            fail(fields["to"]?.place, "to: \(shaping.target ?? target) would be a table of another schema, as the tenant's value has a dot: write the schema before it")
        }
    }

    /// How tables are read: what a pipeline says for all of them, and a table for itself.
    mutating func reading(_ fields: Fields, _ reading: inout Configuration.ReadingEntry) {
        reading.mode = choice("mode", fields, Self.forms(SyncMode.allCases), of: SyncMode.allCases) ?? reading.mode
        let every = time("every", fields, seconds: 1...31_536_000, orOff: true)
        if let every { reading.schedule = every == 0 ? .onDemand : .every(seconds: Int64(every / 1000)) }
        if let cron = parsed("cron", fields, CronSchedule.forms, { CronSchedule($0) == nil ? nil : $0 }) {
            if every != nil { fail(fields.keys["cron"]?.place, "every: and cron: both say when: take one of them out") }
            reading.schedule = .cron(cron)
        }
        reading.batchRows = number("batch", fields, 1...1_000_000) ?? reading.batchRows
        let strategies = SyncErrorStrategy.allCases
        reading.onError = choice("on-error", fields, Self.forms(strategies), of: strategies) ?? reading.onError
    }

    /// Warns of what says how tables are read, and stands where none is: a flag may still say that they are.
    mutating func warnOfReading(_ fields: Fields, _ entry: Configuration.Entry) {
        func warn(_ keys: [String: Place], _ whose: String) {
            for key in Self.readingKeys {
                guard let place = keys[key] else { continue }
                self.warn(place, "\(key): is for tables that are read, and \(whose) by triggers (mode: realtime): take it out, or write mode: full")
            }
        }
        for table in entry.tableEntries where table.reading.mode == nil && entry.reading.mode?.isPolled != true || table.reading.mode == .realtime {
            warn(table.keyPlaces, "\(table.pattern) is followed")
        }
        let modes = [entry.reading.mode] + entry.tableEntries.map(\.reading.mode)
        if !modes.contains(where: { $0?.isPolled == true }) { warn(fields.keys.mapValues(\.place), "all tables of the pipeline are followed") }
    }

    private static let readingKeys = ["every", "cron", "batch", "on-error"]

    private mutating func incremental(_ fields: Fields, _ reading: inout Configuration.ReadingEntry) {
        let keys = ["by", "strategy", "start", "overlap", "condition", "deletes"]
        guard reading.mode == .incremental else {
            for key in keys where fields[key] != nil { fail(fields.keys[key]?.place, "\(key): is for mode: incremental") }
            return
        }
        guard let columns = patterns("by", fields), !columns.isEmpty else {
            if fields["by"] == nil { fail(fields.keys["mode"]?.place ?? fields.place, "mode: incremental needs by: the column that says what has changed") }
            return
        }
        var incremental = IncrementalReading(columns: columns)
        let strategies = IncrementalReading.Strategy.allCases
        incremental.strategy = choice("strategy", fields, Self.forms(strategies), of: strategies)
        incremental.start = text("start", fields, "a value of the column")
        if let overlap = time("overlap", fields, seconds: 0...31_536_000, orOff: true) { incremental.overlapSeconds = Int64(overlap / 1000) }
        incremental.condition = text("condition", fields, "a condition in the source's SQL")
        if let deletes = time("deletes", fields, seconds: 1...31_536_000, orOff: true), deletes > 0 { incremental.deletesEverySeconds = Int64(deletes / 1000) }
        reading.incremental = incremental
    }

    /// New names by old ones.
    mutating func names(_ key: String, _ fields: Fields) -> [String: String]? {
        guard fields[key] != nil else { return nil }
        return Dictionary(pairs(key, fields, "a name").map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
    }

    private mutating func pairs(_ key: String, _ fields: Fields, _ forms: String) -> [(name: String, value: String)] {
        guard let node = fields[key] else { return [] }
        guard case .mapping(let found) = node.value else {
            fail(node.place, "\(key): has to be a mapping of names, each with \(forms)")
            return []
        }
        var pairs: [(name: String, value: String)] = []
        for (name, value) in found where !hasSaidEnough {
            guard let name = text(name, key, "a name"), let value = text(value, "\(key): \(name)", forms) else { continue }
            guard !pairs.contains(where: { $0.name == name }) else {
                fail(node.place, "\(key): “\(name)” stands twice")
                continue
            }
            pairs.append((name, value))
        }
        return pairs
    }
}
