import Synchronization
import TidemarkConfig
import TidemarkCore
import TidemarkService

/// Who may call, and as whom.
final class AccessControl: Sendable {
    enum Caller {
        case known(Actor)
        /// No token, or none that is known.
        case unknown(presented: Bool)
    }

    private let state: Mutex<State>

    private struct State {
        var tokens: [ServiceSettings.Token]
        var host: String
    }

    init(_ settings: ServiceSettings) throws {
        state = Mutex(try Self.state(settings))
    }

    /// Takes other tokens; keeps what it has where they may not be used.
    /// - Parameter listen: where others reach it until it is started anew, whatever the settings say by now.
    func replace(_ settings: ServiceSettings, listeningOn listen: ServiceSettings.ListenAddress) throws {
        if settings.listen != nil { _ = try Self.state(settings) }
        var reached = settings
        reached.listen = listen
        let found = try Self.state(reached)
        state.withLock { $0 = found }
    }

    private static func state(_ settings: ServiceSettings) throws -> State {
        guard let listen = settings.listen else {
            throw TidemarkError(
                "The API was not started", why: "the configuration says no address to listen on",
                remedy: "Write under service: listen: 127.0.0.1:7788")
        }
        guard listen.isLoopback || !settings.tokens.isEmpty else {
            throw TidemarkError(
                "The API was not started",
                why: "it would listen on \(listen.host), which other machines reach, and anybody could do anything: there are no tokens",
                remedy: "Write tokens under service: tokens, or listen on 127.0.0.1.")
        }
        if let empty = settings.tokens.first(where: { $0.secret.text.isEmpty }) {
            throw TidemarkError(
                "The API was not started", why: "the token \(empty.name) is empty",
                remedy: "Give it a secret, such as the output of: openssl rand -hex 32")
        }
        return State(tokens: settings.tokens, host: listen.host.lowercased())
    }

    /// Must a request say who sends it?
    var asksForToken: Bool { state.withLock { !$0.tokens.isEmpty } }

    func caller(authorization: String?, address: String?) -> Caller {
        let tokens = state.withLock { $0.tokens }
        guard !tokens.isEmpty else { return .known(Actor(name: "local", role: .admin, address: address)) }
        guard let authorization, let space = authorization.firstIndex(of: " "),
            authorization[..<space].lowercased() == "bearer"
        else { return .unknown(presented: authorization != nil) }
        let presented = Array(authorization[authorization.index(after: space)...].drop { $0 == " " }.utf8)
        var found: ServiceSettings.Token?
        // All of them are looked at, so that the time tells nothing of which came close.
        for token in tokens where Self.isEqual(presented, Array(token.secret.text.utf8)) { found = token }
        return found.map { .known(Actor(name: $0.name, role: $0.role, address: address)) } ?? .unknown(presented: true)
    }

    /// Takes a time that depends on what was presented, and not on how much of it is right.
    static func isEqual(_ presented: [UInt8], _ secret: [UInt8]) -> Bool {
        var difference = UInt(bitPattern: presented.count ^ secret.count)
        for index in presented.indices { difference |= UInt(presented[index] ^ secret[index % secret.count]) }
        return difference == 0
    }

    /// Without tokens, a page of another site whose name was made to point at this machine must get nothing: it is known by
    /// the name that its requests carry.
    func accepts(host authority: String?) -> Bool {
        let (tokens, listen) = state.withLock { ($0.tokens, $0.host) }
        guard tokens.isEmpty else { return true }
        guard let authority else { return false }
        let name = Self.name(of: authority.lowercased())
        return name == listen || name == "localhost" || name == "::1" || Self.isLoopbackAddress(name)
    }

    private static func isLoopbackAddress(_ name: String) -> Bool {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }

    /// Without the port, and without the brackets of an IPv6 address.
    private static func name(of authority: String) -> String {
        if authority.hasPrefix("[") { return String(authority.dropFirst().prefix { $0 != "]" }) }
        return String(authority.prefix { $0 != ":" })
    }
}
