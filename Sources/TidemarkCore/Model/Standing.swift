/// What a database is to a pipeline whose two databases can change their roles. Each keeps this itself, so that it is
/// known whichever of the two can be reached.
package struct Standing: Hashable, Sendable {
    package enum Role: String, Sendable, CaseIterable {
        /// Applications write here, and capture logs what they write.
        case primary
        /// Only the pipeline writes here.
        case replica
        /// Nobody writes here: roles are being changed, or another database was promoted meanwhile.
        case fenced
    }

    package enum Cause: String, Sendable, CaseIterable {
        case setup, switchover, failover, failback
    }

    package var role: Role
    /// Counts the changes of roles: of two databases that both say primary, the one with the lower epoch was overtaken.
    package var epoch: Int64
    package var cause: Cause
    /// Of a primary: a place in its own log before the first write that it let in. There a replica begins to follow it.
    package var start: Cursor?
    /// Of a primary: when the changes that its lost source had not sent were written here once more.
    package var replayedAt: String?
    /// Since when, as the database writes times; nil before it is noted.
    package var since: String?

    package init(_ role: Role, epoch: Int64, cause: Cause, start: Cursor? = nil, since: String? = nil) {
        (self.role, self.epoch, self.cause, self.start, self.since) = (role, epoch, cause, start, since)
    }
}
