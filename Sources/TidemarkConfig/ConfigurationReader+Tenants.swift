import TidemarkCore

/// A pipeline that is a template: one for each tenant.
extension ConfigurationReader {
    struct TenantTemplate {
        var column: String
        var values: [String]
        var place: Place
    }

    static let tenantMark = "{tenant}"

    /// What stands for the tenant's name in addresses and names of the target.
    func ofTenant(_ text: String) -> String {
        guard let tenant, text.contains(Self.tenantMark) else { return text }
        return text.split(separator: Self.tenantMark, omittingEmptySubsequences: false).joined(separator: tenant)
    }

    /// Nil for a pipeline that is no template. What is wrong in it is said here, and leaves it without tenants.
    mutating func tenants(of pipeline: YAMLNode) -> TenantTemplate? {
        guard case .mapping(let pairs) = pipeline.value,
            let node = pairs.first(where: { pair in if case .text("tenants") = pair.key.value { true } else { false } })?.value
        else { return nil }
        var template = TenantTemplate(column: "", values: [], place: node.place)
        guard let fields = fields(node, of: "tenants:", ConfigurationSection.tenants.keys) else { return template }
        for key in ConfigurationSection.tenants.keys where fields[key] == nil { fail(node.place, "tenants: has no \(key):") }
        template.column = text("column", fields, "the name of a column") ?? ""
        let values = patterns("values", fields) ?? []
        for (place, value) in values.enumerated() {
            let isPlain = value.unicodeScalars.allSatisfy { $0.isASCII && ($0.properties.isAlphabetic || $0.properties.numericType != nil || "_-.".unicodeScalars.contains($0)) }
            if !isPlain { fail(fields["values"]?.place, "values: a tenant's stands in names and addresses: letters, digits, _, - and . only") }
            if values[..<place].contains(value) { fail(fields["values"]?.place, "values: “\(isPlain ? value : "a value")” stands twice") }
            if isPlain, !template.values.contains(value) { template.values.append(value) }
        }
        if fields["values"] != nil, values.isEmpty { fail(fields["values"]?.place, "values: has to name one tenant at least") }
        return template
    }

    /// One for each tenant, called NAME.TENANT.
    mutating func pipelines(
        _ name: String, _ key: YAMLNode, _ node: YAMLNode, _ template: TenantTemplate, over defaults: Configuration.Entry, _ needsAddresses: Bool,
        _ ends: inout Set<[String]>
    ) -> [Configuration.Entry] {
        defer { tenant = nil }
        var entries: [Configuration.Entry] = []
        for value in template.values {
            let whole = "\(name).\(value)"
            if let fault = PipelineName.fault(whole) {
                fail(template.place, "tenants: \(fault): \(whole)")
                continue
            }
            tenant = value
            let known = diagnostics.count
            guard var entry = pipeline(whole, key, node, over: defaults, needsAddresses, &ends).first else { break }
            if entry.isShared {
                fail(template.place, "tenants: takes a part of the rows each, and conflict: needs both ends to hold all of them: take one of them out")
            }
            entry.tenant = Tenant(column: template.column, value: value)
            entries.append(entry)
            // What is wrong in a template is said once.
            if diagnostics.count > known { break }
        }
        if let (one, other, table) = Self.meeting(entries) {
            fail(
                template.place, "tenants: \(one.tenant?.value ?? "") and \(other.tenant?.value ?? "") would both write \(table) of the target, and each needs a place of its own:"
                    + " write \(Self.tenantMark) into target:, rename-schemas: or the table's to:")
        }
        return entries
    }

    /// The first two that would write one table, and which.
    private static func meeting(_ entries: [Configuration.Entry]) -> (Configuration.Entry, Configuration.Entry, String)? {
        for (place, other) in entries.enumerated() {
            for one in entries[..<place] where one.target == other.target {
                let patterns = one.tables ?? ["*"]
                if let table = patterns.first(where: { meet(one.rules, other.rules, at: TablePattern($0)) }) { return (one, other, table == "*" ? "the same tables" : table) }
            }
        }
        return nil
    }

    private static func meet(_ one: TableRules, _ other: TableRules, at pattern: TablePattern) -> Bool {
        guard !pattern.isNegated else { return false }
        let table = pattern.asTable
        if one.named(table).target != nil || table.schema?.contains("*") == false { return one.target(of: table) == other.target(of: table) }
        // In any schema: it may be one of those that have a name for each tenant, unless all tables are meant.
        let shared = one.schemas.filter { other.schemas[$0.key] == $0.value }
        return shared.count == one.schemas.count || pattern.isEverything && !shared.isEmpty
    }
}
