/// Who leads the pipelines of one target. One connection, confined to one thread; every call blocks, for a moment only:
/// a target that is busy with a window answers all the same.
///
/// Throws `TidemarkError` only. After one that may be retried later, the connection is of no use.
package protocol LeaseAdministration: AnyObject {
    /// Makes what keeps leases, where it is missing.
    func installLeases() throws

    /// Takes the lease where nobody holds it, where it has run out, or where it is this holder's already; a compare-and-set
    /// on holder and epoch, in one transaction.
    /// - Parameters:
    ///   - force: takes it from whoever holds it.
    /// - Returns: the lease as it is now, whoever holds it.
    func acquire(_ pipeline: String, by holder: String, forMs: Int64, force: Bool) throws -> Lease

    /// Extends the leases that this holder still has with the epochs it knows.
    /// - Returns: the pipelines whose lease was extended; of any other the lease is lost.
    func renew(_ epochs: [String: Int64], by holder: String, forMs: Int64) throws -> Set<String>

    /// Gives a lease back, so that another may take it at once. Nothing where it is somebody else's.
    func release(_ pipeline: String, by holder: String) throws

    func lease(of pipeline: String) throws -> Lease?

    /// Ends what an earlier leader left open in this target and what would make a new one wait: a session of a process that
    /// is stopped in the middle of a window. Nothing where the engine cannot.
    /// - Parameter pipeline: what it works at there; nil for all that it leads in this target.
    func endSessions(of holder: String, pipeline: String?) throws
}

extension LeaseAdministration {
    package func endSessions(of holder: String) throws { try endSessions(of: holder, pipeline: nil) }
}
