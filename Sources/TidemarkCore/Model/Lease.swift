/// Which process leads a pipeline, as its target keeps it. The cursor's epoch is what makes a leader's writes fail once
/// another has taken over; the lease says when that may be done.
package struct Lease: Hashable, Sendable {
    /// Who leads: host, process, and a random part, so that a process that begins anew is another one.
    package var holder: String
    /// Raised whenever the holder changes.
    package var epoch: Int64
    /// When it ends unless it is renewed, in milliseconds from when it was read, by the target's clock.
    package var remainingMs: Int64
    /// Its last renewal; nil where it is kept by a clock that nobody sets.
    package var renewal: Renewal?

    /// A renewal, told from others by when it was by a clock that may be set, and for how long it holds.
    package struct Renewal: Hashable, Sendable {
        package var at: String
        package var lengthMs: Int64

        package init(at: String, lengthMs: Int64) { (self.at, self.lengthMs) = (at, lengthMs) }
    }

    package init(holder: String, epoch: Int64, remainingMs: Int64) {
        (self.holder, self.epoch, self.remainingMs) = (holder, epoch, remainingMs)
    }

    package var isAlive: Bool { remainingMs > 0 }

    /// What a worker is told whose pipeline this lease keeps from it; nil where it does not.
    package func refusal(of worker: String, pipeline: String) -> TidemarkError? {
        guard holder != worker, isAlive else { return nil }
        return TidemarkError(
            "another process leads the pipeline", pipeline: pipeline, why: "\(holder) has its lease",
            remedy: "Nothing was applied by this one. Let one process run each pipeline; tidemark run … takes the lease from a service.",
            retry: .takenOver)
    }
}
