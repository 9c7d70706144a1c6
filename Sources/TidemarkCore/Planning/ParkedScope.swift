/// The rows that parked transactions hold: whose later changes wait. Each belongs to one of them, so that what is parked of
/// one can be settled without the others.
package struct ParkedScope: Hashable, Sendable {
    /// What is held of one table.
    package struct Table: Hashable, Sendable {
        /// Keys are of these columns and types.
        package var keyForm: [String]
        package var holders: [String: ParkedOwner] = [:]
        /// Who holds all of its rows.
        package var whole: ParkedOwner?
    }

    /// Beyond so many keys a table is held as a whole: the scope is in memory.
    package static let keysMax = 100_000

    package private(set) var tables: [TableName: Table] = [:]
    private var keys = 0

    package init() {}

    package var isEmpty: Bool { tables.isEmpty }
    package func holds(_ table: TableName) -> Bool { tables[table] != nil }
    package var isFull: Bool { keys >= Self.keysMax }

    package mutating func hold(_ key: String, of name: TableName, keyForm: [String], by owner: ParkedOwner) {
        guard whole(of: name) == nil else { return }
        // In place: a copy for each key would make many of them take for ever.
        if tables[name, default: Table(keyForm: keyForm)].holders.updateValue(owner, forKey: key) == nil { keys += 1 }
    }

    func whole(of name: TableName) -> ParkedOwner? { tables[name]?.whole }
    func keyForm(of name: TableName) -> [String]? { tables[name]?.keyForm }
    func holder(of key: String, in name: TableName) -> ParkedOwner? { tables[name]?.holders[key] }

    /// - Returns: the others that held rows of the table, whose changes come before those that follow.
    @discardableResult
    package mutating func holdAll(of name: TableName, by owner: ParkedOwner) -> Set<ParkedOwner> {
        let earlier = tables[name]
        guard earlier?.whole == nil else { return [] }
        keys -= earlier?.holders.count ?? 0
        tables[name] = Table(keyForm: earlier?.keyForm ?? [], whole: owner)
        return Set(earlier.map { Array($0.holders.values) } ?? []).subtracting([owner])
    }

    /// The table's rows are what the source has: nothing of it waits any more.
    package mutating func release(_ name: TableName) { keys -= tables.removeValue(forKey: name)?.holders.count ?? 0 }
}

extension CapturedTable {
    /// What its keys are made of: between two generations that agree on it, the same row has the same key.
    package var keyForm: [String] {
        keyColumns.map { name in "\(name) \(columns.first { $0.name == name }?.type ?? "")" }
    }

    /// Does the source take two keys for one exactly if their text is the same? As far as the types of their columns say; where
    /// a collation decides, the target's does.
    package var keysAreTheirText: Bool {
        guard encoding == .typedText else { return !keyColumns.isEmpty }
        let types = keyColumns.map { name in columns.first { $0.name == name }?.type ?? "" }
        return !types.isEmpty && types.allSatisfy { type in
            // Without modifiers: timestamp(3) without time zone.
            Self.exactTypes.contains(String(type.prefix { $0 != "(" })) || type.hasPrefix("timestamp") && !type.hasSuffix("]")
        }
    }

    /// Types that have one text for each value.
    private static let exactTypes: Set = [
        "smallint", "integer", "bigint", "oid", "boolean", "text", "character varying", "uuid", "date", "bytea",
    ]
}
