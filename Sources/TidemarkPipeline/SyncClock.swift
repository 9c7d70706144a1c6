package import TidemarkCore

/// The time of day, as schedules go by it, and how to wait for it. Pipelines themselves know none.
package struct SyncClock: Sendable {
    package var now: @Sendable () -> SourceTime
    /// Waits so many milliseconds, or a little less.
    package var wait: @Sendable (Int) async -> Void

    package init(now: @escaping @Sendable () -> SourceTime, wait: @escaping @Sendable (Int) async -> Void) {
        (self.now, self.wait) = (now, wait)
    }
}
