package import TidemarkCore

/// The sequences of a source's tables where each of several databases gives numbers of its own.
struct SharedSequences {
    let session: PostgresSession
    /// Of another database.
    var floors = SequenceFloors()

    /// A sequence as it is declared, and as it stands.
    private struct Standing {
        var increment, min, max, start: Int64
        var counter: SequenceCounter

        func isRight(for sites: SequenceSite) -> Bool {
            guard sites.contains(counter.nextValue) else { return false }
            return switch sites {
            case .every(let sites, _): increment == sites
            case .range(let range): increment == 1 && min == range.lowerBound && max == range.upperBound
            }
        }
    }

    func share(_ sites: SequenceSite, of selection: TableSelection, for pipeline: String) throws {
        let locks = TableLocks(session: session)
        for entry in try entries(selection) {
            try refuseOther(sites, entry, pipeline)
            guard try !isRight(entry, standing(entry), sites) || !isRecorded(entry, pipeline) else { continue }
            try locks.holding(entry.name, doing: "sequence \(entry.name) cannot be told which numbers to give") {
                let before = try standing(entry)
                try record(sites, entry, before, pipeline)
                guard try !isRight(entry, before, sites) else { return }
                // It holds back whoever draws a number, so that what is read next is the last one drawn.
                try session.run(Self.locking(entry, sites))
                try session.run(try placing(entry, sites, standing(entry)))
            }
        }
    }

    func plan(_ sites: SequenceSite, of selection: TableSelection, for pipeline: String) throws -> [PlannedStatement] {
        try entries(selection).flatMap { entry -> [PlannedStatement] in
            try refuseOther(sites, entry, pipeline)
            let standing = try standing(entry)
            guard try !isRight(entry, standing, sites) else { return [] }
            let lock = "SHARE ROW EXCLUSIVE on sequence \(entry.name): who draws a number waits, for milliseconds"
            return [PlannedStatement(Self.locking(entry, sites), lock: lock), PlannedStatement(try placing(entry, sites, standing), lock: lock)]
        }
    }

    func findings(_ sites: SequenceSite, of selection: TableSelection) throws -> [Finding] {
        try entries(selection).compactMap { entry in
            let (standing, table) = (try standing(entry), entry.identity.columns.first?.table)
            guard try isRight(entry, standing, sites) else {
                return Finding(
                    .problem, table: table, "sequence \(entry.name) gives \(standing.counter.nextValue) next, counting by \(standing.increment): that is none of sites: \(sites), or there is a row of it",
                    remedy: "Type: tidemark setup …, which puts it on the next number of this site.")
            }
            guard SharedNumbers.isNearEnd(standing.counter.nextValue, of: standing.min...standing.max) else { return nil }
            return Finding(
                .warning, table: table, "sequence \(entry.name) gives \(standing.counter.nextValue) next, and ends at \(standing.max)",
                remedy: "Give this database another range with sites:, and type: tidemark setup …")
        }
    }

    /// - Returns: nothing where another pipeline has the sequence share its numbers, too.
    func planUnsharing(_ pipeline: String) throws -> [PlannedStatement] {
        guard try isInstalled() else { return [] }
        let rows = try session.query(
            """
            select format('%I.%I', s.schema_name, s.sequence_name), s.increment, s.min_value, s.max_value, s.start_value from tidemark.sequence_site s
            where s.pipeline = $1 and to_regclass(format('%I.%I', s.schema_name, s.sequence_name)) is not null
              and not exists (select from tidemark.sequence_site o where o.pipeline <> s.pipeline
                              and (o.schema_name, o.sequence_name) = (s.schema_name, s.sequence_name))
            order by 1
            """, [.text(pipeline)])
        let restored = (0..<rows.count).map { row in
            PlannedStatement(
                "alter sequence \(rows[row, 0] ?? "") increment by \(rows[row, 1] ?? "") minvalue \(rows[row, 2] ?? "")"
                    + " maxvalue \(rows[row, 3] ?? "") start with \(rows[row, 4] ?? "")",
                lock: "SHARE ROW EXCLUSIVE on sequence \(rows[row, 0] ?? ""): who draws a number waits, for milliseconds")
        }
        let forgotten = "delete from tidemark.sequence_site where pipeline = \(PostgresIdentifier.literal(pipeline))"
        let isKnown = try session.query("select exists (select from tidemark.sequence_site where pipeline = $1)", [.text(pipeline)])[0, 0] == "t"
        return restored + (isKnown ? [PlannedStatement(forgotten, lock: "none on any table of yours")] : [])
    }

    func unshare(_ pipeline: String) throws {
        for statement in try planUnsharing(pipeline) { try session.run(statement.sql) }
    }

    private func isInstalled() throws(PostgresFailure) -> Bool { try session.query("select to_regclass('tidemark.sequence_site')")[0, 0] != nil }

    private func entries(_ selection: TableSelection) throws -> [SequenceCatalog.Entry] {
        let entries = try SequenceCatalog(taking: selection, in: session).entries.filter { !$0.identity.columns.isEmpty }
        if let down = entries.first(where: { $0.increment < 0 }) {
            throw TidemarkError(
                "a sequence cannot be shared", table: down.identity.columns.first?.table, why: "sequence \(down.name) counts down",
                remedy: "Let it count up, or leave the table out with --exclude.")
        }
        return entries
    }

    private func standing(_ entry: SequenceCatalog.Entry) throws -> Standing {
        let rows = try session.query(
            """
            select s.seqincrement, s.seqmin, s.seqmax, s.seqstart, q.last_value, q.is_called
            from pg_sequence s, \(PostgresIdentifier.quoted(entry.name)) q where s.seqrelid = $1::oid
            """, [.text(entry.oid)])
        func number(_ place: Int) -> Int64 { rows[0, place].flatMap { Int64($0) } ?? 0 }
        return Standing(
            increment: number(0), min: number(1), max: number(2), start: number(3),
            counter: SequenceCounter(lastValue: number(4), isCalled: rows[0, 5] == "t", increment: number(0), range: number(1)...max(number(1), number(2))))
    }

    private static func locking(_ entry: SequenceCatalog.Entry, _ sites: SequenceSite) -> String {
        let increment = if case .every(let sites, _) = sites { sites } else { Int64(1) }
        return "alter sequence \(PostgresIdentifier.quoted(entry.name)) increment by \(increment)"
    }

    /// On the first number of the site above all that were drawn or stored.
    private func placing(_ entry: SequenceCatalog.Entry, _ sites: SequenceSite, _ standing: Standing) throws -> String {
        let within: ClosedRange<Int64> = if case .range(let range) = sites { range } else { standing.min...standing.max }
        var greatest = within.contains(standing.counter.lastValue) && standing.counter.isCalled ? standing.counter.lastValue : within.lowerBound - 1
        for column in entry.identity.columns {
            if let floor = floors[column], within.contains(floor) { greatest = max(greatest, floor - 1) }
            let name = PostgresIdentifier.quoted(column.column)
            let stored = try session.query(
                "select max(\(name)) from \(PostgresIdentifier.quoted(column.table)) where \(name) between $1 and $2",
                [.text(String(within.lowerBound)), .text(String(within.upperBound))])[0, 0]
            greatest = max(greatest, stored.flatMap { Int64($0) } ?? greatest)
        }
        guard greatest < within.upperBound, let next = sites.first(from: greatest + 1), within.contains(next) else { throw SharedNumbers.isFull(entry.name.description, sites) }
        let sequence = "alter sequence \(PostgresIdentifier.quoted(entry.name))"
        guard case .range(let range) = sites else { return "\(sequence) restart with \(next)" }
        return "\(sequence) minvalue \(range.lowerBound) maxvalue \(range.upperBound) start with \(range.lowerBound) restart with \(next)"
    }

    /// Does it give the numbers of the site, and none that a row has already?
    private func isRight(_ entry: SequenceCatalog.Entry, _ standing: Standing, _ sites: SequenceSite) throws -> Bool {
        guard standing.isRight(for: sites) else { return false }
        let next = standing.counter.nextValue
        return try !entry.identity.columns.contains { column in
            let name = PostgresIdentifier.quoted(column.column)
            let own = switch sites {
            case .every(let sites, let site): "mod(\(name), \(sites)) = \(site % sites)"
            case .range(let range): "\(name) <= \(range.upperBound)"
            }
            let stored = "select exists (select from \(PostgresIdentifier.quoted(column.table)) where \(name) >= $1 and \(own))"
            return try session.query(stored, [.text(String(next))])[0, 0] == "t"
        }
    }

    private func isRecorded(_ entry: SequenceCatalog.Entry, _ pipeline: String) throws -> Bool {
        try session.query(
            "select exists (select from tidemark.sequence_site where (pipeline, schema_name, sequence_name) = ($1, $2, $3))",
            [.text(pipeline), .text(entry.name.schema ?? ""), .text(entry.name.name)])[0, 0] == "t"
    }

    /// As it was before any pipeline shared it.
    private func record(_ sites: SequenceSite, _ entry: SequenceCatalog.Entry, _ before: Standing, _ pipeline: String) throws {
        let values = [before.increment, before.min, before.max, before.start].map { PostgresParameter.text(String($0)) }
        try session.query(
            """
            insert into tidemark.sequence_site (pipeline, schema_name, sequence_name, sites, increment, min_value, max_value, start_value)
            select $1, $2, $3, $4, k.* from (
                select increment, min_value, max_value, start_value, 1 as place from tidemark.sequence_site
                where (schema_name, sequence_name) = ($2, $3)
                union all select $5::bigint, $6::bigint, $7::bigint, $8::bigint, 2) as o (increment, min_value, max_value, start_value, place),
                lateral (select o.increment, o.min_value, o.max_value, o.start_value) k
            order by o.place limit 1
            on conflict (pipeline, schema_name, sequence_name) do update set sites = excluded.sites
            """, [.text(pipeline), .text(entry.name.schema ?? ""), .text(entry.name.name), .text(sites.description)] + values)
    }

    private func refuseOther(_ sites: SequenceSite, _ entry: SequenceCatalog.Entry, _ pipeline: String) throws {
        guard try isInstalled() else { return }
        let other = try session.query(
            "select pipeline, sites from tidemark.sequence_site where pipeline <> $1 and (schema_name, sequence_name) = ($2, $3) and sites <> $4 limit 1",
            [.text(pipeline), .text(entry.name.schema ?? ""), .text(entry.name.name), .text(sites.description)])
        guard other.count > 0 else { return }
        throw SharedNumbers.isOther(entry.name.description, other[0, 0] ?? "", other[0, 1] ?? "", sites)
    }
}

extension PostgresSourceAdministration {
    package func share(_ sites: SequenceSite, of selection: TableSelection, above others: SequenceFloors, for pipeline: String) throws {
        try reporting("the sequences cannot be shared") { try SharedSequences(session: session, floors: others).share(sites, of: selection, for: pipeline) }
    }

    package func planSharing(_ sites: SequenceSite, of selection: TableSelection, above others: SequenceFloors, for pipeline: String) throws -> [PlannedStatement] {
        try reporting("the sequences cannot be read") { try SharedSequences(session: session, floors: others).plan(sites, of: selection, for: pipeline) }
    }

    package func checkSharing(_ sites: SequenceSite, of selection: TableSelection) throws -> [Finding] {
        try reporting("the sequences cannot be read") { try SharedSequences(session: session).findings(sites, of: selection) }
    }

    package func unshare(_ pipeline: String) throws {
        try reporting("the sequences cannot be put back") { try SharedSequences(session: session).unshare(pipeline) }
    }

    package func planUnsharing(_ pipeline: String) throws -> [PlannedStatement] {
        try reporting("the sequences cannot be read") { try SharedSequences(session: session).planUnsharing(pipeline) }
    }
}
