import TidemarkCore

/// A pipeline that stands for two, one for each direction.
extension ConfigurationReader {
    private static let siteForms = "\(SequenceSite.forms); with two-way: true a list of two, the source's and the target's"

    /// What numbers each end gives by itself.
    mutating func sites(_ fields: Fields) -> (source: SequenceSite?, target: SequenceSite?) {
        guard let node = fields["sites"] else { return (nil, nil) }
        guard case .list(let items) = node.value else {
            return (parsed("sites", fields, Self.siteForms) { SequenceSite(parsing: $0) }, nil)
        }
        let found = items.compactMap { item in text(item, "sites", Self.siteForms) }.compactMap { SequenceSite(parsing: $0) }
        guard items.count == 2, found.count == 2 else {
            fail(node.place, "sites: has to be \(Self.siteForms)")
            return (nil, nil)
        }
        if found[0].overlaps(found[1]) { fail(node.place, "sites: both ends would give the same numbers: write two that never meet, such as [\"1 of 2\", \"2 of 2\"]") }
        return (found[0], found[1])
    }

    /// The same pipeline the other way round, with what is told of it mirrored; nil where that cannot be.
    mutating func back(of entry: inout Configuration.Entry, _ fields: Fields) -> Configuration.Entry? {
        let sites = sites(fields)
        entry.sites = sites.source
        guard flag("two-way", fields) == true else {
            if sites.target != nil { fail(fields["sites"]?.place, "sites: is the source's; a list of two is for two-way: true") }
            return nil
        }
        let place = fields.keys["two-way"]?.place
        let name = "\(entry.name)-back"
        if let fault = PipelineName.fault(name) { fail(place, "two-way: true adds pipeline \(name): \(fault)") }
        guard tenant == nil else {
            fail(place, "two-way: true is for one pipeline, and tenants: makes several of a part of the rows each: take one of them out")
            return nil
        }
        if !entry.isWhollyShared {
            fail(
                place, "two-way: true needs conflict: at the pipeline, or at each of its tables: what becomes of a row that was changed at both ends;"
                    + " to begin with, write conflict: {last-write-wins: COLUMN} with a column that grows with each write")
        }
        guard let schemas = swapped(entry.schemas) else {
            fail(fields.keys["rename-schemas"]?.place ?? place, "rename-schemas: gives two schemas one name, and two-way: true has to tell them apart on the way back")
            return nil
        }
        var back = entry
        back.name = name
        (back.source, back.target) = (entry.target, entry.source)
        back.sites = sites.target ?? entry.sites?.other
        if back.sites == nil, entry.sites != nil {
            fail(fields["sites"]?.place, "sites: says what the source gives; with two-way: true write what the target gives, too, such as [\"1 of 3\", \"2 of 3\"]")
        }
        // The way there copies; what came with it is not sent back.
        back.run = Configuration.RunSettings()
        (back.run.copies, back.run.jobs) = (false, entry.run.jobs)
        back.conflict = entry.conflict?.mirrored
        back.schemas = schemas
        let names = NamesBack(of: entry)
        back.tables = entry.tables?.map { names.pattern($0) }
        back.exclude = entry.exclude?.map { names.excluded($0) }
        back.waitTables = entry.waitTables?.map { names.pattern($0) }
        back.tableEntries = entry.tableEntries.map { table in
            var mirrored = table
            mirrored.pattern = names.pattern(table.pattern)
            mirrored.conflict = table.conflict?.mirrored
            mirrored.shaping.target = table.shaping.target.map { _ in table.pattern }
            return mirrored
        }
        (entry.counterpart, back.counterpart) = (name, entry.name)
        return back
    }

    private func swapped(_ schemas: [String: String]) -> [String: String]? {
        let pairs = schemas.map { ($0.value, $0.key) }
        guard Set(pairs.map(\.0)).count == pairs.count else { return nil }
        return Dictionary(uniqueKeysWithValues: pairs)
    }
}

/// What tables are called in the database that they come to.
private struct NamesBack {
    private let schemas: [String: String]
    private let targets: [String: String]
    private let hasSchemas: Bool

    init(of entry: Configuration.Entry) {
        schemas = entry.schemas
        targets = Dictionary(entry.tableEntries.compactMap { table in table.shaping.target.map { (table.pattern, $0) } }) { first, _ in first }
        // A file has one schema, which nobody writes.
        hasSchemas = entry.target?.hasPrefix("sqlite:") != true
    }

    func pattern(_ text: String) -> String { named(targets[text].map { qualified($0, like: text) } ?? renamed(text)) }

    func excluded(_ text: String) -> String { named(renamed(text)) }

    private func renamed(_ text: String) -> String {
        guard let dot = text.firstIndex(of: "."), let schema = schemas[String(text[..<dot])] else { return text }
        return schema + text[dot...]
    }

    /// A name without a schema stays in that of its table.
    private func qualified(_ name: String, like text: String) -> String {
        guard !name.contains("."), let dot = text.firstIndex(of: ".") else { return name }
        return renamed(String(text[...dot]) + name)
    }

    private func named(_ text: String) -> String {
        guard !hasSchemas, let dot = text.firstIndex(of: ".") else { return text }
        return String(text[text.index(after: dot)...])
    }
}

extension SequenceSite {
    /// The share that is left, where two have all.
    fileprivate var other: SequenceSite? {
        guard case .every(let sites, let site) = self, sites == 2 else { return nil }
        return .every(sites: 2, site: 3 - site)
    }

    fileprivate func overlaps(_ other: SequenceSite) -> Bool {
        switch (self, other) {
        case (.every(let sites, let site), .every(let others, let second)): sites != others || site == second
        case (.range(let one), .range(let second)): one.overlaps(second)
        default: true
        }
    }
}
