import TidemarkCore

extension PipelineDefinition {
    /// - Throws: where the target could not take its source's place: it lacks something, or has writes of its own.
    func requireWholeReplica(to work: String) throws {
        try refuseIfShaped(work)
        try refuseIfShared(work)
    }

    /// - Throws: where the target is not what its source is: rows or columns are left out, replaced or called otherwise.
    func refuseIfShaped(_ work: String, why: String? = nil) throws {
        let recorded = try isArchive ? nil : openTargetAdministration().copies(of: name).first { $0.shape != nil }
        guard rules.isShaping || recorded != nil else { return }
        let lacks = rules.isPartial || recorded?.shape.map { !$0.hasPrefix("to: ") } ?? false
        throw TidemarkError(
            "the pipeline shapes its tables on their way", pipeline: name, table: recorded?.table,
            why: why ?? (lacks
                ? "the target lacks rows, columns or values of the source, so that nobody can \(work)"
                : "the target's tables have other names than the source's, so that nobody can \(work)"),
            remedy: "Let another pipeline, without where:, columns:, omit:, set:, rename:, to: and rename-schemas:, follow the source into a"
                + " database of its own.")
    }

    /// What travels otherwise than it is, for people who set the pipeline up.
    func shapeFindings(_ tables: [SourceTable]) -> [Finding] {
        tables.compactMap { table in
            rules.shape(of: table.name).map { shape in
                Finding(
                    .note, table: table.name, "the table is shaped on its way: \(shape.split(separator: "\n").joined(separator: "; "))",
                    remedy: "After a change of that, type: tidemark copy --table \(table.name) --existing empty …")
            }
        }
    }
}
