/// Tells of each step of a change of roles, with the time that it took, once it is done.
struct TimedSteps: Sendable {
    let report: @Sendable (RoleChangeReport) -> Void
    private let clock = ContinuousClock()

    init(_ report: @escaping @Sendable (RoleChangeReport) -> Void) { self.report = report }

    var now: ContinuousClock.Instant { clock.now }

    func seconds(since start: ContinuousClock.Instant) -> Double { (clock.now - start) / .seconds(1) }

    func callAsFunction<T>(_ step: RoleChangeStep, _ body: () throws -> T) rethrows -> T {
        let start = clock.now
        let result = try body()
        report(RoleChangeReport(step: step, seconds: seconds(since: start)))
        return result
    }

    func callAsFunction<T>(_ step: RoleChangeStep, _ body: () async throws -> T) async rethrows -> T {
        let start = clock.now
        let result = try await body()
        report(RoleChangeReport(step: step, seconds: seconds(since: start)))
        return result
    }
}
