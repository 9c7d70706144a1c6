import CLibPQ

/// A connection string as libpq itself reads it.
enum ConnectionText {
    /// Is this libpq's `keyword=value` form?
    static func isKeyValue(_ text: String) -> Bool {
        guard let word = text.split(separator: "=", maxSplits: 1).first, text.contains("=") else { return false }
        return parsed(text) != nil && !word.contains("/") && !word.contains(":")
    }

    static func isReadable(_ text: String) -> Bool { parsed(text) != nil }

    /// Where it leads, without passwords; a text that libpq cannot read shows nothing of itself.
    static func withoutSecrets(_ text: String) -> String {
        guard let options = parsed(text) else { return "(unreadable address)" }
        if let service = options["service"] { return "service=\(service)" }
        let host = options["host"] ?? options["hostaddr"] ?? "local socket"
        let port = options["port"].map { ":\($0)" } ?? ""
        let user = options["user"].map { "\($0)@" } ?? ""
        return "postgresql://\(user)\(host)\(port)/\(options["dbname"] ?? "")"
    }

    private static func parsed(_ text: String) -> [String: String]? {
        var message: UnsafeMutablePointer<CChar>?
        guard let options = PQconninfoParse(text, &message) else {
            PQfreemem(message)
            return nil
        }
        defer { PQconninfoFree(options) }
        var found: [String: String] = [:]
        var option = options
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val { found[String(cString: keyword)] = String(cString: value) }
            option += 1
        }
        return found
    }
}
