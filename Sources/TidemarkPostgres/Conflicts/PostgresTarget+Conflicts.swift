import TidemarkCore

extension PostgresTarget {
    package func identityAsSource() throws -> String? {
        do {
            return try SourceIdentity.ifInstalled(in: session)
        } catch let failure as PostgresFailure {
            throw TargetFault(failure, context: context).error("the target cannot be identified")
        }
    }

    private static let forgettingEvery: Duration = .seconds(600)

    /// A tombstone matters as long as a change can come that was made before the row was deleted: a week, beyond the place of
    /// whichever pipeline into this database, or out of it, is furthest behind.
    package func forgetSettled() throws {
        if let forgotAt, ContinuousClock.now - forgotAt < Self.forgettingEvery { return }
        forgotAt = .now
        do {
            guard try session.query("select to_regclass('tidemark.tombstone')")[0, 0] != nil else { return }
            let outbound = try CaptureRegistry.isInstalled(in: session)
                ? "(select min(coalesce(p.confirmed_at, '-infinity')) from tidemark.pipeline p where p.lost_at is null)" : "null"
            try session.query(
                """
                delete from tidemark.tombstone where deleted_at < least(clock_timestamp(), \(outbound),
                    (select min(coalesce(c.source_at, '-infinity')) from tidemark.cursor c
                     where c.closed_at is null and c.pipeline in (select s.pipeline from tidemark.shared_table s))) - interval '7 days'
                """)
            try session.query("delete from tidemark.conflict where pipeline = $1 and at < clock_timestamp() - interval '90 days'", [.text(context.pipeline)])
        } catch let failure as PostgresFailure {
            throw TargetFault(failure, context: context).error("what conflicts no longer need cannot be forgotten")
        }
    }
}
