import TidemarkCore

extension ConfigurationReader {
    mutating func service(_ node: YAMLNode) -> ServiceSettings {
        var settings = ServiceSettings()
        guard let fields = fields(node, of: "service:", ConfigurationSection.service.keys) else { return settings }
        if let text = text("listen", fields, Self.listenForms) { listen(text, fields, &settings) }
        let speaksTLSElsewhere = tls(fields, &settings)
        if let node = fields["tokens"] { settings.tokens = tokens(node) }
        settings.stateDirectory = text("state", fields, "a directory").map(resolved)
        settings.auditLog = text("audit-log", fields, "a path").map(resolved)
        let formats = LogFormat.allCases
        settings.logFormat = choice("log", fields, Self.forms(formats), of: formats) ?? settings.logFormat
        settings.logLevel = choice("log-level", fields, Self.forms(LogThreshold.allCases), of: LogThreshold.allCases)?.rawValue ?? settings.logLevel
        settings.statusEveryMs = time("status-every", fields, seconds: 1...3600) ?? settings.statusEveryMs
        settings.leaseMs = time("lease", fields, seconds: 1...600) ?? settings.leaseMs
        settings.heartbeatEveryMs = time("heartbeat", fields, seconds: 1...3600, orOff: true) ?? settings.heartbeatEveryMs
        settings.stopWithinMs = time("stop-within", fields, seconds: 1...3600) ?? settings.stopWithinMs
        if let listen = settings.listen, !listen.isLoopback, let place = fields["listen"]?.place {
            if fields["tokens"] == nil {
                fail(
                    place, "listen: other machines reach this address, and nobody has to say who he is. Write below service: as well:"
                        + " tokens: [{name: ops, role: admin, token-file: /etc/tidemark/ops.token}]. Or listen on 127.0.0.1")
            }
            if settings.tls == nil, !speaksTLSElsewhere, fields["tls"] == nil {
                fail(
                    place, "listen: other machines reach this address, and tokens would travel in clear text. Write below service: as well:"
                        + " tls: {certificate: /etc/tidemark/tls.crt, key: /etc/tidemark/tls.key}; or tls: off, where a proxy in front of it speaks TLS")
            }
        }
        return settings
    }

    private static let listenForms = "HOST:PORT, [IPv6]:PORT, or none"

    private mutating func listen(_ text: String, _ fields: Fields, _ settings: inout ServiceSettings) {
        let place = fields["listen"]?.place
        if text == "none" {
            settings.listen = nil
            return
        }
        let host: Substring, port: Substring
        if text.hasPrefix("["), let end = text.firstIndex(of: "]"), text[end...].hasPrefix("]:") {
            (host, port) = (text[..<end].dropFirst(), text[end...].dropFirst(2))
        } else if let colon = text.lastIndex(of: ":"), !text[..<colon].contains(":") {
            (host, port) = (text[..<colon], text[colon...].dropFirst())
        } else {
            return fail(place, "listen: has to be \(Self.listenForms), such as 127.0.0.1:7788", meant: text.lowercased() == "off" ? "none" : nil)
        }
        guard !host.isEmpty, host.utf8.count <= 253, host.unicodeScalars.allSatisfy({ $0.isASCII && ($0.properties.isAlphabetic || "0123456789.-:_%".unicodeScalars.contains($0)) }) else {
            return fail(place, "listen: has to be \(Self.listenForms), such as 127.0.0.1:7788")
        }
        guard port.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }), let number = Int(port), (0...65535).contains(number) else {
            return fail(place, "listen: a port is a number from 0 to 65535")
        }
        settings.listen = ServiceSettings.ListenAddress(host: String(host), port: number)
    }

    /// - Returns: is it said that TLS is spoken by something in front?
    private mutating func tls(_ fields: Fields, _ settings: inout ServiceSettings) -> Bool {
        guard let node = fields["tls"] else { return false }
        if case .text("off") = node.value { return true }
        guard let files = self.fields(node, of: "tls:", ConfigurationSection.tls.keys, hidesKeys: true) else { return false }
        var paths: [String] = []
        for key in ConfigurationSection.tls.keys {
            guard files[key] != nil else {
                fail(node.place, "tls: has no \(key):", isSecret: true)
                continue
            }
            guard let path = text(key, files, "a path", isSecret: true).map(resolved) else { continue }
            do {
                let file = try ConfigurationFile(path: path, maxBytes: 1 << 20)
                if key == "key", let readers = file.readers { warn(files[key]?.place, "key: \(readers) may read \(path); type: chmod 600 \(path)") }
                paths.append(path)
            } catch {
                fail(files[key]?.place, "\(key): the file cannot be used: \(error.why)", isSecret: true)
            }
        }
        if paths.count == 2 { settings.tls = ServiceSettings.TLSFiles(certificate: paths[0], key: paths[1]) }
        return false
    }

    private mutating func tokens(_ node: YAMLNode) -> [ServiceSettings.Token] {
        guard case .list(let items) = node.value, !items.isEmpty else {
            fail(node.place, "tokens: has to be a list, each with \(ConfigurationSection.token.keys.prefix(2).joined(separator: ", ")) and one of token-file, token-env, token", isSecret: true)
            return []
        }
        var tokens: [ServiceSettings.Token] = []
        for item in items {
            guard let token = token(item) else { continue }
            if tokens.contains(where: { $0.name == token.name }) { fail(item.place, "two tokens have this name: a name tells in the audit log who it was", isSecret: true) }
            if tokens.contains(where: { $0.secret == token.secret }) { fail(item.place, "two names have this token: nobody could tell who it was", isSecret: true) }
            tokens.append(token)
        }
        return tokens
    }

    private mutating func token(_ item: YAMLNode) -> ServiceSettings.Token? {
        guard let fields = fields(item, of: "a token", ConfigurationSection.token.keys, hidesKeys: true) else { return nil }
        let name = text("name", fields, "a name", isSecret: true)
        if let fault = name.flatMap({ PipelineName.fault($0) }) { fail(fields["name"]?.place, fault.replacing("pipeline", with: "token"), isSecret: true) }
        for key in ["name", "role"] where fields[key] == nil { fail(item.place, "this token has no \(key):", isSecret: true) }
        let role = choice("role", fields, Self.forms(AccessRole.allCases), of: AccessRole.allCases)
        let given = ["token-file", "token-env", "token"].filter { fields[$0] != nil }
        guard given.count == 1, let way = given.first else {
            fail(item.place, "a token has to have one of token-file, token-env and token", isSecret: true)
            return nil
        }
        let secret: String?
        switch way {
        case "token-file": secret = self.secret(file: way, fields)
        case "token-env": secret = self.secret(variable: way, fields)
        default:
            secret = text(way, fields, "a text", isSecret: true)
            noteLiteralSecret()
        }
        guard let name, let role, let secret else { return nil }
        guard secret.utf8.allSatisfy({ (33...126).contains($0) }) else {
            fail(fields[way]?.place, "\(way): a token is one word of ASCII characters, as HTTP carries it", isSecret: true)
            return nil
        }
        if secret.utf8.count < 16 { warn(fields[way]?.place, "\(way): the token is short enough to be guessed; type: openssl rand -hex 32") }
        return ServiceSettings.Token(name: name, role: role, secret: Secret(secret))
    }
}
