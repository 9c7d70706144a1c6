package import TidemarkCore

/// What a configuration file says of the service itself.
///
///     service:
///       listen: 127.0.0.1:7788
///       state: /var/lib/tidemark
package struct ServiceSettings: Sendable, Equatable {
    /// Where the API and the dashboard are; nil for none.
    package var listen: ListenAddress? = ListenAddress(host: "127.0.0.1", port: 7788)
    package var tls: TLSFiles?
    /// Who may do what; nobody has to say who he is where this is empty, which loopback alone allows.
    package var tokens: [Token] = []
    /// Where tasks are kept while no process runs.
    package var stateDirectory: String?
    /// A line for each thing that somebody did; the log gets it in any case.
    package var auditLog: String?
    package var logFormat = LogFormat.console
    package var logLevel = "info"
    /// How often databases are asked how a pipeline stands, in milliseconds.
    package var statusEveryMs = 5_000
    /// For how long a leader that is not heard of keeps its pipelines, in milliseconds.
    package var leaseMs = 10_000
    /// How often a row is written at each source to measure the way to its targets, in milliseconds; 0 for never.
    package var heartbeatEveryMs = 10_000
    /// For how long a service that is to end waits for the windows at hand, in milliseconds.
    package var stopWithinMs = 20_000

    package init() {}

    package struct ListenAddress: Sendable, Equatable {
        package var host: String
        /// 0 for one that is free.
        package var port: Int
        package init(host: String, port: Int) { (self.host, self.port) = (host, port) }

        /// Can nobody on another machine reach it?
        package var isLoopback: Bool { host == "localhost" || host == "::1" || host.hasPrefix("127.") }
    }

    package struct TLSFiles: Sendable, Equatable {
        package var certificate: String
        package var key: String
        package init(certificate: String, key: String) { (self.certificate, self.key) = (certificate, key) }
    }

    /// Who may use the API, and for what.
    package struct Token: Sendable, Equatable {
        package var name: String
        package var role: AccessRole
        package var secret: Secret
        package init(name: String, role: AccessRole, secret: Secret) { (self.name, self.role, self.secret) = (name, role, secret) }
    }
}

/// What a caller of the API may do; each may do what the ones before it may.
package enum AccessRole: String, Sendable, CaseIterable, Comparable, Codable {
    /// See everything.
    case read
    /// Pause, resume, run, verify, and execute tasks.
    case operate
    /// Retry and skip parked changes, overwrite and delete rows.
    case admin

    package static func < (left: Self, right: Self) -> Bool {
        (allCases.firstIndex(of: left) ?? 0) < (allCases.firstIndex(of: right) ?? 0)
    }
}

/// A text that nothing prints.
package struct Secret: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible {
    package let text: String
    package init(_ text: String) { self.text = text }
    package var description: String { "(secret)" }
    package var debugDescription: String { "(secret)" }
}
