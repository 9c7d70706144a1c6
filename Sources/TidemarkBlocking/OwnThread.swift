/// A thread for one piece of work that blocks: a question to a database that may not answer keeps nobody else waiting.
package enum OwnThread {
    package static func run<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
        let thread = DedicatedThread<Void> { }
        defer { thread.stop() }
        return try await thread.run { _ in try body() }
    }
}
