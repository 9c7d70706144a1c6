/// Where a sequence of the source stands: a PostgreSQL sequence, or the numbers that SQLite gives the rows of a table.
package struct SequenceState: Hashable, Sendable {
    /// A column that takes its values from the sequence.
    package struct Column: Hashable, Sendable {
        package var table: TableName
        package var column: String

        package init(_ table: TableName, _ column: String) {
            self.table = table
            self.column = column
        }
    }

    /// Which sequence, wherever it stands.
    package struct Identity: Hashable, Sendable {
        /// By what the target finds its own; empty for a sequence that only the application asks.
        package var columns: [Column]
        /// Its own name; nil in SQLite.
        package var name: TableName?

        package init(columns: [Column], name: TableName?) {
            self.columns = columns
            self.name = name
        }
    }

    package var identity: Identity
    /// The last value given; where `isCalled` is false, the next one.
    package var lastValue: Int64
    package var isCalled: Bool
    package var increment: Int64
    /// Does it begin again at its end?
    package var cycles: Bool
    /// False where the engine simply counts on from the table's largest key, as SQLite does without AUTOINCREMENT.
    package var isDeclared: Bool

    package init(
        _ identity: Identity, lastValue: Int64, isCalled: Bool, increment: Int64 = 1, cycles: Bool = false, isDeclared: Bool = true
    ) {
        self.identity = identity
        self.lastValue = lastValue
        self.isCalled = isCalled
        self.increment = increment
        self.cycles = cycles
        self.isDeclared = isDeclared
    }

    /// What it gives next, unless it begins again.
    package var nextValue: Int64 { isCalled ? lastValue.advancedOrAtEnd(by: increment) : lastValue }

    /// So many values further, as if they had been given.
    package func ahead(by margin: Int64) -> SequenceState {
        guard margin > 0 else { return self }
        var ahead = self
        let (distance, isTooFar) = margin.multipliedReportingOverflow(by: increment)
        ahead.lastValue = lastValue.advancedOrAtEnd(by: isTooFar ? (increment < 0 ? .min : .max) : distance)
        ahead.isCalled = true
        return ahead
    }

    /// As if this value, which a row has, had been given too.
    package func past(_ value: Int64) -> SequenceState {
        let isBeyond = increment < 0 ? value <= nextValue : value >= nextValue
        guard isBeyond, !cycles else { return self }
        var past = self
        (past.lastValue, past.isCalled) = (value, true)
        return past
    }

    /// Where a sequence of the target has to be put so that it gives next what this one does; nil where it is there
    /// or, in the direction in which this one counts, ahead, and where the value is none of its own.
    package func setting(for standing: SequenceCounter) -> (lastValue: Int64, isCalled: Bool)? {
        let countsAlike = standing.increment == increment
        let wanted = countsAlike ? (lastValue, isCalled) : (nextValue, false)
        guard standing.range.contains(wanted.0) else { return nil }
        let isThere = wanted == (standing.lastValue, standing.isCalled)
        if cycles || standing.nextValue == nextValue { return isThere || !countsAlike && !cycles ? nil : wanted }
        let isBehind = increment < 0 ? standing.nextValue > nextValue : standing.nextValue < nextValue
        return isBehind ? wanted : nil
    }
}

/// A sequence of the target, as it stands.
package struct SequenceCounter: Hashable, Sendable {
    package var lastValue: Int64
    package var isCalled: Bool
    package var increment: Int64
    package var range: ClosedRange<Int64>

    package init(lastValue: Int64, isCalled: Bool, increment: Int64, range: ClosedRange<Int64>) {
        self.lastValue = lastValue
        self.isCalled = isCalled
        self.increment = increment
        self.range = range
    }

    package var nextValue: Int64 { isCalled ? lastValue.advancedOrAtEnd(by: increment) : lastValue }
}

extension Int64 {
    fileprivate func advancedOrAtEnd(by distance: Int64) -> Int64 {
        let (sum, isTooFar) = addingReportingOverflow(distance)
        return isTooFar ? (distance < 0 ? .min : .max) : sum
    }
}

/// Which sequences the windows of a look carry: those that the target may not know as they stand.
///
/// What the look before found is known to the target exactly where its cursor has come to the end of that look's last
/// window: otherwise some may have been given up, or another process of the pipeline applied its own, and all are carried.
package struct SequenceFollowing {
    private var known: (witness: String, states: Set<SequenceState>)?

    package init() {}

    /// - Parameters:
    ///   - states: as read after the windows' end was taken.
    ///   - witness: of the last window; nil where the next look has to carry all.
    package mutating func carried(_ states: [SequenceState], after cursor: Cursor, witness: String?) -> [SequenceState] {
        defer { known = witness.map { ($0, Set(states)) } }
        guard let known, known.witness == cursor.witness else { return states }
        return states.filter { !known.states.contains($0) }
    }
}
