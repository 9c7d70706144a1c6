import TidemarkCore

/// The target's sequences, by those of the source that they follow. Confined to one thread.
final class TargetSequences {
    /// A sequence of the target.
    struct Found: Hashable {
        let oid: String
        let name: TableName
        var quoted: String { PostgresIdentifier.quoted(name) }
    }

    private let session: PostgresSession
    /// For a session that lasts.
    private let prepared: PreparedStatements?
    private var known: [SequenceState.Identity: [Found]] = [:]
    /// When those were looked for that the target has not.
    private var missedAt: ContinuousClock.Instant?
    /// They may be made meanwhile, which nothing tells.
    private static let missedFor = Duration.seconds(60)

    init(session: PostgresSession, prepared: PreparedStatements? = nil) {
        self.session = session
        self.prepared = prepared
    }

    func forget() {
        known = [:]
        missedAt = nil
    }

    /// In the window's transaction: puts those that are behind where the source's are. What the role may not set, the
    /// target lacks, or is out of a sequence's range, is left as it is; `check` names it.
    func advance(_ states: [SequenceState]) throws(PostgresFailure) {
        guard !states.isEmpty else { return }
        let found = try find(states.map(\.identity))
        var standing = try counters(Array(Set(found.values.joined())))
        var settings: [String: (Int64, Bool)] = [:]
        for state in states {
            for sequence in found[state.identity] ?? [] {
                guard let counter = standing[sequence.oid], let setting = state.setting(for: counter) else { continue }
                settings[sequence.oid] = setting
                standing[sequence.oid]?.lastValue = setting.lastValue
                standing[sequence.oid]?.isCalled = setting.isCalled
            }
        }
        guard !settings.isEmpty else { return }
        let items = settings.map { #"{"sequence":\#($0),"value":\#($1.0),"called":\#($1.1)}"# }
        let sql = "select setval(sequence::regclass, value, called) from json_to_recordset($1::json) as x (sequence oid, value bigint, called boolean)"
        let values: [PostgresParameter] = [.text("[\(items.joined(separator: ","))]")]
        // Its answer is awaited with the next statement's.
        if let prepared { try prepared.send(sql, values) } else { try session.send(sql, values) }
    }

    /// Puts one sequence where it is said to be, whatever it held.
    func set(_ sequence: Found, to setting: (lastValue: Int64, isCalled: Bool)) throws(PostgresFailure) {
        try session.query(
            "select setval($1::oid::regclass, $2, $3)",
            [.text(sequence.oid), .text(String(setting.lastValue)), .text(setting.isCalled ? "t" : "f")])
    }

    /// Where those stand that the role may set.
    func counters(_ sequences: [Found]) throws(PostgresFailure) -> [String: SequenceCounter] {
        guard !sequences.isEmpty else { return [:] }
        let sql = """
            select s.seqrelid, s.seqincrement, s.seqmin, s.seqmax, pg_sequence_last_value(s.seqrelid)
            from pg_sequence s join pg_class c on c.oid = s.seqrelid
            where s.seqrelid = any ($1::oid[]) and has_sequence_privilege(s.seqrelid, 'SELECT') and has_sequence_privilege(s.seqrelid, 'UPDATE')
              and has_schema_privilege(c.relnamespace, 'USAGE')
            """
        let oids: [PostgresParameter] = [.text("{\(sequences.map(\.oid).joined(separator: ","))}")]
        let rows: PostgresRows
        if let prepared { rows = try prepared.query(sql, oids) } else { rows = try session.query(sql, oids) }
        let names = Dictionary(sequences.map { ($0.oid, $0.quoted) }, uniquingKeysWith: { name, _ in name })
        var counters: [String: SequenceCounter] = [:]
        for row in 0..<rows.count {
            guard let oid = rows[row, 0], let name = names[oid], let increment = rows[row, 1].flatMap({ Int64($0) }),
                let low = rows[row, 2].flatMap({ Int64($0) }), let high = rows[row, 3].flatMap({ Int64($0) }), low <= high
            else { continue }
            var (value, isCalled) = (rows[row, 4].flatMap { Int64($0) }, true)
            if value == nil {
                // One that was never asked does not tell by that function where it begins.
                let own = try session.query("select last_value, is_called from \(name)")
                (value, isCalled) = (own[0, 0].flatMap { Int64($0) }, own[0, 1] == "t")
            }
            guard let value else { continue }
            counters[oid] = SequenceCounter(lastValue: value, isCalled: isCalled, increment: increment, range: low...high)
        }
        return counters
    }

    /// The target's own by each of the columns, and where none has one, by its name.
    func find(_ identities: [SequenceState.Identity]) throws(PostgresFailure) -> [SequenceState.Identity: [Found]] {
        if let missedAt, ContinuousClock.now - missedAt > Self.missedFor {
            known = known.filter { !$0.value.isEmpty }
            self.missedAt = nil
        }
        let asked = identities.filter { known[$0] == nil }
        if !asked.isEmpty {
            known.merge(try look(for: asked), uniquingKeysWith: { _, new in new })
            if missedAt == nil, asked.contains(where: { known[$0]?.isEmpty ?? true }) { missedAt = .now }
        }
        return Dictionary(identities.map { ($0, known[$0] ?? []) }, uniquingKeysWith: { found, _ in found })
    }

    private func look(for asked: [SequenceState.Identity]) throws(PostgresFailure) -> [SequenceState.Identity: [Found]] {
        var items: [String] = []
        for (place, identity) in asked.enumerated() {
            items += identity.columns.map { Self.item(place, $0.table, column: $0.column) }
            if let name = identity.name { items.append(Self.item(place, name, column: nil)) }
        }
        let rows = try session.query(
            """
            with uses as (\(SequenceCatalog.uses)),
            asked as (
                select x.place, c.oid, c.relkind, x.attname from json_to_recordset($1::json) as x (place int, nspname text, relname text, attname text)
                join pg_namespace n on n.nspname = x.nspname join pg_class c on c.relnamespace = n.oid and c.relname = x.relname)
            select distinct f.place, f.by_name, s.seqrelid, n.nspname, c.relname
            from (select asked.place, false as by_name, uses.sequence from asked
                  join pg_attribute a on a.attrelid = asked.oid and a.attname = asked.attname and not a.attisdropped
                  join uses on uses.relation = asked.oid and uses.place = a.attnum
                  union all
                  select place, true, oid from asked where attname is null and relkind = 'S') f
            join pg_sequence s on s.seqrelid = f.sequence join pg_class c on c.oid = s.seqrelid join pg_namespace n on n.oid = c.relnamespace
            where n.nspname <> 'tidemark' order by 1, 2, 3
            """, [.text("[\(items.joined(separator: ","))]")])
        var found = Dictionary(asked.map { ($0, [Found]()) }, uniquingKeysWith: { none, _ in none })
        for row in 0..<rows.count {
            guard let place = rows[row, 0].flatMap({ Int($0) }), let oid = rows[row, 2] else { continue }
            // Those found by their columns come first.
            if rows[row, 1] == "t", !(found[asked[place]] ?? []).isEmpty { continue }
            found[asked[place], default: []].append(Found(oid: oid, name: TableName(schema: rows[row, 3], name: rows[row, 4] ?? "")))
        }
        return found
    }

    private static func item(_ place: Int, _ name: TableName, column: String?) -> String {
        let (schema, table) = (JSONString.quoted(name.schema ?? "public"), JSONString.quoted(name.name))
        return #"{"place":\#(place),"nspname":\#(schema),"relname":\#(table),"attname":\#(column.map(JSONString.quoted) ?? "null")}"#
    }
}
