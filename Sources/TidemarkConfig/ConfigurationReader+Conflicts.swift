import TidemarkCore

/// What becomes of rows that were changed at both ends.
extension ConfigurationReader {
    private static let plainStrategies: [ConflictRule.Strategy] = [.sourceWins, .targetWins, .stop]
    private static let keyedStrategies = ["last-write-wins", "highest-version", "merge", "custom"]
    private static let conflictForms = "source-wins, target-wins, stop, {last-write-wins: COLUMN}, {highest-version: COLUMN}, {merge: COLUMN, columns: …} or {custom: SQL}"
    private static let columnWords: [String: ConflictRule.ColumnStrategy] = ["add": .add, "json": .json, "fill": .fill, "source": .source, "target": .target]
    private static let columnForms = "add, fill, json, source, target, {newest: COLUMN} or {custom: SQL}"
    private static let shapingKeys = ["where", "columns", "omit", "set", "rename"]

    mutating func conflict(_ fields: Fields) -> ConflictRule? {
        guard let node = fields["conflict"] else { return nil }
        switch node.value {
        case .text(let word): return plain(word, node.place)
        case .mapping: return keyed(node)
        case .nothing, .list:
            fail(node.place, "conflict: has to be \(Self.conflictForms)")
            return nil
        }
    }

    private mutating func plain(_ word: String, _ place: Place) -> ConflictRule? {
        if let strategy = Self.plainStrategies.first(where: { ConflictRule($0).name == word }) { return ConflictRule(strategy) }
        if Self.keyedStrategies.contains(word) {
            let said = word == "custom" ? "SQL that is true where the source's change counts" : "the column by which rows are compared"
            fail(place, "conflict: \(word) needs \(said): write conflict: {\(word): \(word == "custom" ? "SQL" : "COLUMN")}")
            return nil
        }
        let known = Self.plainStrategies.map { ConflictRule($0).name } + Self.keyedStrategies
        fail(place, "conflict: has to be \(Self.conflictForms)", meant: Suggestion.nearest(to: word, of: known))
        return nil
    }

    private mutating func keyed(_ node: YAMLNode) -> ConflictRule? {
        guard let fields = fields(node, of: "conflict:", ConfigurationSection.conflict.keys) else { return nil }
        let named = Self.keyedStrategies.filter { fields.keys[$0] != nil }
        guard named.count == 1, let word = named.first else {
            if named.isEmpty, fields.hasUnknown { return nil }
            let place = named.dropFirst().first.flatMap { fields.keys[$0]?.place } ?? node.place
            fail(place, named.isEmpty ? "conflict: names no strategy: it has to be \(Self.conflictForms)" : "conflict: names \(named.joined(separator: " and ")): take one of them out")
            return nil
        }
        let forms = word == "custom" ? "SQL of the target over the columns of source, target and before" : "the name of a column that grows with each write"
        let columns = fields["columns"].map { mergedColumns($0) } ?? [:]
        if word != "merge", let key = fields.keys["columns"] { fail(key.place, "columns: is for merge: write conflict: {merge: COLUMN, columns: …}") }
        let site = text("site", fields, "the name of a column that says where a row was written")
        if word == "custom", let key = fields.keys["site"] { fail(key.place, "site: says which of two equal rows counts, and custom: has no order of rows: take it out") }
        guard let value = text(word, fields, forms) else { return nil }
        let strategy: ConflictRule.Strategy =
            switch word {
            case "last-write-wins": .lastWriteWins(by: value)
            case "highest-version": .highestVersion(by: value)
            case "merge": .merge(by: value)
            default: .custom(value)
            }
        if case .merge = strategy, let own = columns[value], own != .newest(by: value) {
            fail(fields.keys["columns"]?.place, "columns: \(value) is the column by which rows are compared: it goes with the row that counts; take it out")
        }
        return ConflictRule(strategy, columns: columns, site: site)
    }

    private mutating func mergedColumns(_ node: YAMLNode) -> [String: ConflictRule.ColumnStrategy] {
        guard case .mapping(let pairs) = node.value else {
            fail(node.place, "columns: has to be a mapping of columns, each with \(Self.columnForms)")
            return [:]
        }
        var columns: [String: ConflictRule.ColumnStrategy] = [:]
        for (key, value) in pairs where !hasSaidEnough {
            guard let name = text(key, "columns", "a name") else { continue }
            if SourceLines.isCrossedOut(name) { continue }
            guard columns[name] == nil else {
                fail(key.place, "columns: “\(name)” stands twice")
                continue
            }
            columns[name] = column(name, value)
        }
        return columns
    }

    private mutating func column(_ name: String, _ node: YAMLNode) -> ConflictRule.ColumnStrategy? {
        if case .text(let word) = node.value {
            if let strategy = Self.columnWords[word] { return strategy }
            let meant = Suggestion.nearest(to: word, of: Self.columnWords.keys.sorted() + ["newest", "custom"])
            fail(node.place, "columns: \(name) has to be \(Self.columnForms)", meant: meant)
            return nil
        }
        guard case .mapping = node.value else {
            fail(node.place, "columns: \(name) has to be \(Self.columnForms)")
            return nil
        }
        guard let fields = fields(node, of: "columns: \(name)", ConfigurationSection.column.keys) else { return nil }
        guard fields.keys.count == 1 else {
            if fields.keys.isEmpty, fields.hasUnknown { return nil }
            fail(node.place, "columns: \(name) has to be \(Self.columnForms), one of them")
            return nil
        }
        if fields.keys["newest"] != nil { return text("newest", fields, "the name of a column that grows with each write").map { .newest(by: $0) } }
        return text("custom", fields, "SQL of the target that gives the value").map { .custom($0) }
    }

    /// What cannot be said of a pipeline whose target others write to.
    mutating func refuseUnsharable(_ fields: Fields, _ entry: Configuration.Entry) {
        guard entry.isShared else { return }
        func place(_ keys: String...) -> Place { keys.compactMap { fields.keys[$0]?.place }.first ?? fields.place }
        /// Said where it is written, and not again for each pipeline that has it of defaults:.
        let isNew = fields["conflict"] != nil || fields["tables"] != nil
        if entry.failurePolicy == .setAside, isNew || fields["on-failure"] != nil {
            fail(place("on-failure", "conflict", "tables"), "conflict: cannot stand beside on-failure: set-aside: a row that is set aside has no place among later ones; write on-failure: stop or retry")
        }
        if entry.role == .replica, isNew || fields["role"] != nil {
            fail(place("role", "conflict", "tables"), "conflict: is for a target that others write to, and role: replica lets nobody: write role: feed, or take conflict: out")
        }
        if let mode = entry.reading.mode, mode.isPolled, entry.conflict != nil, isNew || fields["mode"] != nil {
            fail(place("mode", "conflict"), "mode: \(mode.rawValue) reads tables and knows no single changes: conflict: needs mode: realtime")
        }
        if let delay = entry.delay, delay.seconds > 0, isNew || fields["delay"] != nil {
            fail(place("delay", "conflict", "tables"), "conflict: cannot stand beside delay:: a target that stays behind would meet writes of its own that are newer; take delay: out")
        }
        if entry.images == .new, isNew || fields["image"] != nil {
            fail(place("image", "conflict", "tables"), "conflict: needs image: both, as a conflict is found by what the row was before: take image: out")
        }
        if entry.capture == .statement, isNew || fields["capture"] != nil {
            fail(place("capture", "conflict", "tables"), "conflict: needs row capture, which sees what a row was before: write capture: auto")
        }
        guard isNew else { return }
        for table in entry.tableEntries where (table.conflict ?? entry.conflict) != nil {
            let whose = table.conflict == nil ? "conflict: of the pipeline, which counts for table \(table.pattern)" : "conflict: of table \(table.pattern)"
            for key in Self.shapingKeys {
                guard let place = table.keyPlaces[key] else { continue }
                fail(place, "\(key): cannot stand beside \(whose): both ends have to hold the whole row under the same names; take one of them out")
            }
            if let mode = table.reading.mode, mode.isPolled {
                fail(table.keyPlaces["mode"], "mode: \(mode.rawValue) cannot stand beside \(whose): it knows no single changes; write mode: realtime, or take conflict: out")
            }
        }
    }
}
