import TidemarkCore

extension PipelineDefinition {
    /// Names of the configuration that none of the pipeline's tables has: a misspelt one would let rows through, or nobody wait, without
    /// a word.
    /// - Parameter tables: those that the pipeline captures.
    func unknownNames(_ tables: [SourceTable]) -> [Finding] {
        var found: [Finding] = []
        for pattern in waiting?.mode == .hybrid ? waiting?.tables ?? [] : [] where !tables.contains(where: { pattern.matches($0.name) }) {
            found.append(
                Finding(
                    .problem, "wait-tables names \(pattern.text), and no captured table of the pipeline matches it: nobody would wait for its changes",
                    remedy: "Correct wait-tables, or take the name out."))
        }
        // Tables that are read may have it.
        if let tenant = rules.tenant, !rules.isPolling, !tables.contains(where: { $0.columns.contains { $0.name == tenant.column } }) {
            found.append(
                Finding(
                    .problem, "no table of the pipeline has the column \(tenant.column), which tells tenants apart: each would get all rows",
                    remedy: "Correct column: of tenants."))
        }
        return found
    }

    /// Items that name one table each, beside others that match: what nobody replicates is missed when it is needed.
    /// Asks the catalogue only, which needs no right to any table.
    func unknownTables(_ source: any SourceAdministration) throws -> [Finding] {
        let named = (include ?? []).filter { !$0.isNegated && !$0.text.contains("*") }
        guard !named.isEmpty else { return [] }
        let all = try source.tables(TableSelection()).map(\.name)
        return named.filter { !all.contains(where: $0.matches) }.map { pattern in
            Finding(
                .problem, "the pipeline is to take \(pattern.text), and the source has no such table",
                remedy: "Correct tables: (or --table), or take the name out.")
        }
    }

    func refuse(_ unknown: [Finding]) throws {
        guard let first = unknown.first else { return }
        throw TidemarkError("the configuration names what is not there", pipeline: name, why: first.what, remedy: first.remedy)
    }
}
