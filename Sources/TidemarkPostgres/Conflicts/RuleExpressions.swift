import TidemarkCore

/// What a rule decides about a step `s`, as SQL over the rows `source`, `target` and `before`, which have the table's columns and are all NULL where
/// there is no such row.
struct RuleExpressions {
    let rule: ConflictRule
    let rows: SharedRows

    /// Does the source's version count? Both are there, or a tombstone of the target's is.
    /// - Parameters: conditions under which the source's, or the target's, is of a row that was deleted.
    func sourceCounts(sourceGone: String, targetGone: String) -> String {
        switch rule.strategy {
        case .sourceWins, .stop: return "true"
        case .targetWins: return "false"
        case .custom(let sql): return "coalesce((\(sql)), false)"
        case .lastWriteWins(let by), .highestVersion(let by), .merge(let by):
            // A deletion has the version of the row that it removed, and counts as just above it: no clock is asked.
            var cases = "case" + decided(by: column(by))
            cases += " when \(sourceGone) is distinct from \(targetGone) then \(sourceGone)"
            if let site = rule.site { cases += decided(by: column(site)) }
            return cases + " else \(version("source")) > \(version("target")) collate \"C\" end"
        }
    }

    /// What decides between versions where nothing else does: the columns that the greater one counts for. Merged ones may differ
    /// from end to end until all changes are there.
    private func version(_ alias: String) -> String {
        var merged: Set<String> = []
        if isMerge {
            merged = Set(rule.columns.keys)
            for case .newest(let by) in rule.columns.values where by != rule.orderColumn { merged.insert(by) }
        }
        return rows.image(of: Set(rows.columns.map(\.name)).subtracting(merged), alias)
    }

    /// Where the target has neither a row nor a tombstone: is what the source made of the row taken?
    var sourceCountsAlone: String {
        switch rule.strategy {
        case .targetWins: "false"
        case .custom(let sql): "coalesce((\(sql)), false)"
        case .sourceWins, .stop, .lastWriteWins, .highestVersion, .merge: "true"
        }
    }

    /// Is a row that the source inserted taken where the target remembers one with its key that was deleted? That a key is given
    /// again is the usual case: only where versions are in an order they say whether it was.
    func insertionCounts(_ sourceCounts: String) -> String {
        switch rule.strategy {
        case .sourceWins, .targetWins, .stop, .custom: "true"
        case .lastWriteWins, .highestVersion, .merge: sourceCounts
        }
    }

    /// Which image does a tombstone have that both know?
    func tombstoneCounts(_ sourceCounts: String) -> String {
        switch rule.strategy {
        case .sourceWins, .custom, .stop: "true"
        case .targetWins, .lastWriteWins, .highestVersion, .merge: sourceCounts
        }
    }

    /// Are there counters to which the source has added something? Then rows that are the same are still to be merged.
    var adds: String {
        let counters = rule.columns.filter { if case .add = $0.value { isMerge } else { false } }.keys.sorted()
        guard !counters.isEmpty else { return "false" }
        return "(" + counters.map { differ("source", "before", column($0)) }.joined(separator: " or ") + ")"
    }

    var isMerge: Bool { if case .merge = rule.strategy { true } else { false } }

    /// The rows of an order, the greatest version first; `y` is the row, `key` its key, `incoming` whether the source brings it.
    var rank: String {
        var order: [String] = []
        switch rule.strategy {
        case .sourceWins: order.append("incoming desc")
        case .targetWins: order.append("incoming")
        case .lastWriteWins, .highestVersion, .merge:
            order += [rule.orderColumn, rule.site].compactMap(\.self).map { "\(bytewise("y", column($0))) desc nulls last" }
        case .stop, .custom: break
        }
        return (order + ["\(version("y")) collate \"C\" desc", "key collate \"C\" desc"]).joined(separator: ", ")
    }

    /// The merged row's columns, with `verdict.counts` for whether the source's version is the greater one.
    var merged: String { rows.columns.map { "\(merged($0)) as \($0.quoted)" }.joined(separator: ", ") }

    private func merged(_ column: TargetColumn) -> String {
        let (source, target, before) = (field("source", column), field("target", column), field("before", column))
        guard let strategy = rule.columns[column.name] else {
            guard let clock = clock(column) else { return "case when verdict.counts then \(source) else \(target) end" }
            return "case when \(later("source", "target", clock)) then \(source) else \(target) end"
        }
        switch strategy {
        case .newest(let by):
            let clock = self.column(by)
            let newer = "case when \(differ("source", "target", clock)) then \(later("source", "target", clock))"
                + " else \(text("source", column)) > \(text("target", column)) end"
            return changed(column, else: "case when \(newer) then \(source) else \(target) end")
        case .fill:
            return changed(
                column, else: "case when \(source) is null then \(target) when \(target) is null then \(source)"
                    + " when \(text("source", column)) > \(text("target", column)) then \(source) else \(target) end")
        case .json:
            let parts = ["before", "source", "target"].map { "\(field($0, column))::text::jsonb" }.joined(separator: ", ")
            return changed(column, else: "tidemark.merge_json(\(parts))::text::\(column.type)")
        case .add:
            let sum = "(coalesce(\(target), 0) + (coalesce(\(source), 0) - coalesce(\(before), 0)))::\(column.type)"
            return "case when \(same("source", "before", column)) then \(target) else \(sum) end"
        case .source: return changed(column, else: source)
        case .target: return changed(column, else: target)
        case .custom(let sql): return changed(column, else: "(\(sql))::\(column.type)")
        }
    }

    /// What only one of the two has changed is taken from there.
    private func changed(_ column: TargetColumn, else both: String) -> String {
        "case when s.before is not null and \(same("source", "before", column)) then \(field("target", column))"
            + " when s.before is not null and \(same("target", "before", column)) then \(field("source", column))"
            + " when \(same("source", "target", column)) then \(field("target", column)) else \(both) end"
    }

    /// The column, if others go by it and the rule says nothing else of it: it never goes back.
    private func clock(_ column: TargetColumn) -> TargetColumn? {
        guard column.name != rule.orderColumn else { return nil }
        return rule.columns.values.contains(.newest(by: column.name)) ? column : nil
    }

    private func column(_ name: String) -> TargetColumn {
        guard let column = rows.columns.first(where: { $0.name == name }) else { preconditionFailure("not checked before: \(name)") }
        return column
    }

    private func field(_ alias: String, _ column: TargetColumn) -> String { "\(alias).\(column.quoted)" }

    private func text(_ alias: String, _ column: TargetColumn) -> String { "\(field(alias, column))::text collate \"C\"" }

    private func bytewise(_ alias: String, _ column: TargetColumn) -> String {
        column.isText ? "\(field(alias, column)) collate \"C\"" : field(alias, column)
    }

    private func same(_ one: String, _ other: String, _ column: TargetColumn) -> String {
        "\(field(one, column))::text is not distinct from \(field(other, column))::text"
    }

    private func differ(_ one: String, _ other: String, _ column: TargetColumn) -> String {
        "\(field(one, column))::text is distinct from \(field(other, column))::text"
    }

    /// NULL is the lowest.
    private func later(_ one: String, _ other: String, _ column: TargetColumn) -> String {
        "(\(field(one, column)) is not null and (\(field(other, column)) is null or \(bytewise(one, column)) > \(bytewise(other, column))))"
    }

    private func decided(by column: TargetColumn) -> String {
        let (source, target) = (bytewise("source", column), bytewise("target", column))
        return " when \(source) is distinct from \(target) then \(later("source", "target", column))"
    }
}
