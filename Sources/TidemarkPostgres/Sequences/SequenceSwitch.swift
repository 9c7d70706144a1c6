import TidemarkCore

/// Puts the target's sequences exactly where the source's stand, once nobody writes there any more; and says before
/// which cannot be put there.
struct SequenceSwitch {
    private let session: PostgresSession
    private let sequences: TargetSequences

    init(session: PostgresSession) {
        self.session = session
        sequences = TargetSequences(session: session)
    }

    /// - Returns: what could not be set, in words.
    func set(_ states: [SequenceState], margin: Int64) throws(PostgresFailure) -> [String] {
        var failures: [String] = []
        let found = try sequences.find(states.map(\.identity))
        for state in states {
            let own = found[state.identity] ?? []
            if own.isEmpty, let missing = Self.missing(state) { failures.append("\(missing.what). \(missing.remedy)") }
            for sequence in own {
                do {
                    if let failure = try set(sequence, state, margin: margin) { failures.append(failure) }
                } catch {
                    guard !error.isConnectionLost else { throw error }
                    failures.append("sequence \(sequence.name) was not set: the target says: \(error)")
                }
            }
        }
        return failures
    }

    private func set(_ sequence: TargetSequences.Found, _ state: SequenceState, margin: Int64) throws(PostgresFailure) -> String? {
        guard let counter = try sequences.counters([sequence])[sequence.oid] else { return try "\(lack(sequence)). \(grant(sequence))" }
        var wanted = state
        for column in state.identity.columns {
            // A row that has the last value there is, as some have on purpose, must not use the sequence up.
            if let extreme = try extreme(of: column, descending: state.increment < 0),
                counter.range.contains(state.past(extreme).nextValue) { wanted = wanted.past(extreme) }
        }
        let further = wanted.ahead(by: margin)
        let hasRoom = counter.range.contains(further.nextValue)
        if let setting = (hasRoom ? further : wanted).setting(for: counter) {
            try sequences.set(sequence, to: setting)
        } else if !counter.range.contains(state.lastValue) {
            return "\(Self.outOfRange(sequence, state, counter)). \(Self.widening(sequence))"
        }
        return hasRoom || margin == 0 || state.cycles ? nil : "sequence \(sequence.name) has no room for the margin of \(margin): it was set without"
    }

    /// The furthest value that a row of the target has; nil for a column that is not an integer.
    private func extreme(of column: SequenceState.Column, descending: Bool) throws(PostgresFailure) -> Int64? {
        let isInteger = try session.query(
            """
            select a.atttypid in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) from pg_attribute a join pg_class c on c.oid = a.attrelid
            join pg_namespace n on n.oid = c.relnamespace where n.nspname = $1 and c.relname = $2 and a.attname = $3 and not a.attisdropped
            """, [.text(column.table.schema ?? "public"), .text(column.table.name), .text(column.column)])
        guard isInteger[0, 0] == "t" else { return nil }
        let value = try session.query(
            "select \(descending ? "min" : "max")(\(PostgresIdentifier.quoted(column.column))) from \(PostgresIdentifier.quoted(column.table))")
        return value[0, 0].flatMap { Int64($0) }
    }

    /// What `check` says of them.
    func findings(_ states: [SequenceState]) throws(PostgresFailure) -> [Finding] {
        let found = try sequences.find(states.map(\.identity))
        let counters = try sequences.counters(Array(Set(found.values.joined())))
        var findings: [Finding] = []
        for state in states {
            let own = found[state.identity] ?? []
            if own.isEmpty, let missing = Self.missing(state) {
                findings.append(Finding(.note, table: state.identity.columns.first?.table, missing.what, remedy: missing.remedy))
            }
            for sequence in own {
                guard let counter = counters[sequence.oid] else {
                    findings.append(
                        Finding(.warning, table: state.identity.columns.first?.table, try lack(sequence), remedy: try grant(sequence)))
                    continue
                }
                guard !state.cycles, !counter.range.contains(state.lastValue) else { continue }
                findings.append(
                    Finding(
                        .warning, table: state.identity.columns.first?.table, Self.outOfRange(sequence, state, counter),
                        remedy: Self.widening(sequence)))
            }
        }
        return findings
    }

    /// Nothing to say where the source counts on from the largest key without anybody's having asked for it.
    private static func missing(_ state: SequenceState) -> (what: String, remedy: String)? {
        guard state.isDeclared else { return nil }
        guard let column = state.identity.columns.first else {
            let name = state.identity.name.map(PostgresIdentifier.quoted) ?? ""
            return (
                "the target has no sequence \(name), which the source's applications may ask", "Type on the target, if they do: create sequence \(name);"
            )
        }
        let (table, name) = (PostgresIdentifier.quoted(column.table), PostgresIdentifier.quoted(column.column))
        return (
            "the target's column \(name) of \(table) takes its values from no sequence, as the source's does",
            "If applications are to write there: alter table \(table) alter column \(name) add generated by default as identity;"
        )
    }

    private func lack(_ sequence: TargetSequences.Found) throws(PostgresFailure) -> String {
        "the target's role may not read and set sequence \(sequence.name), which is not followed"
    }

    private func grant(_ sequence: TargetSequences.Found) throws(PostgresFailure) -> String {
        let role = PostgresIdentifier.quoted(try session.query("select current_user")[0, 0] ?? "")
        return "Type on the target: grant usage on schema \(PostgresIdentifier.quoted(sequence.name.schema ?? "public")) to \(role);"
            + " grant select, update on sequence \(sequence.quoted) to \(role);"
    }

    private static func outOfRange(_ sequence: TargetSequences.Found, _ state: SequenceState, _ counter: SequenceCounter) -> String {
        "the target's sequence \(sequence.name) counts from \(counter.range.lowerBound) to \(counter.range.upperBound), and the source's"
            + " stands at \(state.lastValue)"
    }

    private static func widening(_ sequence: TargetSequences.Found) -> String {
        "Type on the target: alter sequence \(sequence.quoted) as bigint no minvalue no maxvalue;"
    }
}
