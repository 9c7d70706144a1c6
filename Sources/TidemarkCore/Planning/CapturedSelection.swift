extension TableRules {
    /// What is left of a selection for capture: the tables that are not read instead. As patterns, so that a table which is made
    /// later goes the way of its pattern, too.
    ///
    /// - Returns: nil where every table is read.
    package func captured(of selection: TableSelection) -> TableSelection? {
        guard isPolling else { return selection }
        let named = selection.named
        let all = named.include.isEmpty ? [TablePattern("*")] : named.include
        var patterns: [TablePattern] = []
        func add(_ pattern: TablePattern) {
            guard !patterns.contains(where: { $0.covers(pattern) }) else { return }
            patterns.append(pattern)
        }
        for rule in rules {
            if rule.polled != nil {
                add(rule.pattern.negated)
            } else if all.contains(where: { $0.covers(rule.pattern) }) {
                add(rule.pattern)
            } else {
                // It counts before later rules, but only for what is taken at all.
                for pattern in all where rule.pattern.covers(pattern) { add(pattern) }
            }
        }
        for pattern in all { add(pattern) }
        guard patterns.contains(where: { !$0.isNegated }) else { return nil }
        return TableSelection(include: patterns, exclude: named.exclude)
    }

    /// How each of these tables is read; those whose log is read are left out.
    package func polled(_ tables: [CapturedTable]) -> [(table: CapturedTable, reading: PolledReading)] {
        tables.compactMap { table in polled(table.name).map { (table, $0) } }
    }
}
