import TidemarkCore

/// Pipelines whose targets others write to, too.
extension PipelineDefinition {
    /// - Throws: where the target has writes of its own, which `work` would overwrite or leave out.
    package func refuseIfShared(_ work: String) throws {
        guard rules.isShared else { return }
        throw TidemarkError(
            "the target has writes of its own", pipeline: name,
            why: "the pipeline's tables have conflict:, so that others write to them; to \(work) would overwrite what the source never had",
            remedy: Self.remedy(work))
    }

    /// What mends a row that differs.
    static let rewriting = "write the row that is right once more at the end that has it (UPDATE … SET column = column), and the rule takes it everywhere"

    private static func remedy(_ work: String) -> String {
        switch work {
        case "repair it", "rewind it":
            "Look at what differs with tidemark verify …; \(rewriting). What a conflict overwrote comes back with tidemark conflicts restore …"
        default:
            "Both ends take writes as they are: point the application at the other one, and leave roles as they are."
        }
    }

    /// - Throws: for what cannot be said together, wherever each of it was said: in a file, by a flag, or in the environment.
    func refuseUnsharable() throws {
        guard rules.isShared else { return }
        func refused(_ what: String, _ why: String, _ remedy: String) -> TidemarkError {
            TidemarkError("conflict: cannot stand beside \(what)", pipeline: name, why: why, remedy: remedy)
        }
        if role == .replica {
            throw refused("role: replica", "nobody but the pipeline may write to a replica, so that nothing can conflict", "Give --role feed, or take conflict: out.")
        }
        if failurePolicy == .setAside {
            throw refused(
                "on-failure: set-aside", "a row that is set aside has no place among the later ones that its conflicts are decided by",
                "Give --on-failure stop, or --on-failure retry.")
        }
        if images == .new {
            throw refused("image: new", "a conflict is found by what the row was before", "Leave --image out, or give --image both.")
        }
        if kind == .statement {
            throw refused("capture: statement", "only row capture sees what a row was before", "Give --capture auto, or --capture row.")
        }
        if isArchive {
            throw refused("an archive", "files hold every change as it came, and nobody else writes them", "Take conflict: out of this pipeline.")
        }
        if delaySeconds > 0 {
            throw refused("a delay", "a target that stays behind would meet writes of its own that are newer", "Give --delay 0, or take conflict: out.")
        }
        if rules.tenant != nil {
            throw refused("tenants:", "each takes a part of the rows, and both ends have to hold all of them", "Take one of them out.")
        }
        for rule in rules.rules where rule.conflicts != nil {
            if rule.shaping.isPartial || !rule.shaping.renamedColumns.isEmpty {
                throw refused(
                    "where:, columns:, omit:, set: or rename: of table \(rule.pattern.text)", "both ends have to hold the whole row under the same names",
                    "Take one of them out.")
            }
            if let mode = rule.polled?.mode {
                throw refused(
                    "mode: \(mode.rawValue)", "a table that is read tells of no single changes", "Give --mode realtime, or take conflict: out.")
            }
        }
    }

    /// Those of the tables whose rows others change at the target, too, each with its rule.
    func sharedTables(_ tables: [SourceTable]) -> [CapturedTable] {
        tables.compactMap { table in
            guard let rule = rules.conflicts(table.name) else { return nil }
            var shared = CapturedTable(capture: 0, name: table.name, columns: table.columns, keyColumns: table.keyColumns, encoding: table.encoding)
            let target = rules.target(of: table.name)
            shared.targetName = target == table.name ? nil : target
            shared.conflicts = rule
            return shared
        }
    }
}
