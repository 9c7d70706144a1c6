import TidemarkCore

extension PipelineDefinition {
    /// Names of the configuration that none of the pipeline's tables has: a misspelt one would let rows through, or nobody wait, without
    /// a word.
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

    func refuseUnknownNames(_ tables: [SourceTable]) throws {
        guard let first = unknownNames(tables).first else { return }
        throw TidemarkError("the configuration names what is not there", pipeline: name, why: first.what, remedy: first.remedy)
    }
}
