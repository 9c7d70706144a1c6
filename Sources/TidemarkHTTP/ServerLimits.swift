/// What one server gives at most, so that no client can take it from the others.
package struct ServerLimits: Sendable {
    /// Connections at a time; more wait until one is closed.
    package var connections = 256
    /// Readers of live events at a time.
    package var eventStreams = 100
    package var bodyBytes = 64 * 1024
    package var targetBytes = 8 * 1024
    package var headerBytes = 32 * 1024
    package var headerFields = 100
    /// A connection on which no request comes, or none that is whole, is closed after that long.
    package var idleSeconds = 30
    /// A request's body must be there, and an answer be taken, within this.
    package var transferSeconds = 20
    /// Of one token, or of one address where there are none.
    package var requestsPerSecond = 50.0
    package var requestBurst = 100.0
    /// Of one address.
    package var failedLoginsPerSecond = 1.0
    package var failedLoginBurst = 20.0
    /// Live readers hear at least a comment that often, so that nothing between takes the connection for dead.
    package var keepAliveSeconds = 15.0
    /// How long a stop waits for requests that are under way.
    package var stopSeconds = 5

    package init() {}
}
