/// How the sessions of a worker are called at the target, so that whoever leads after it finds those that it left open.
enum SessionName {
    /// What the server keeps of an application's name.
    private static let bytesMax = 63

    /// - Parameter worker: as the cursor's row names it.
    static func of(_ worker: String, at pipeline: String) -> String {
        let name = "tidemark: \(worker)/\(pipeline)"
        // The server would cut a longer one, and writes other characters differently.
        if name.utf8.count <= bytesMax, name.utf8.allSatisfy({ (0x20...0x7e).contains($0) }) { return name }
        let digits = String(hash(name), radix: 16)
        let shown = String(decoding: name.utf8.filter { (0x20...0x7e).contains($0) }.prefix(bytesMax - digits.utf8.count - 2), as: UTF8.self)
        return "\(shown) #\(digits)"
    }

    /// FNV-1a.
    private static func hash(_ text: String) -> UInt64 {
        text.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }
}

extension PostgresSession {
    /// Calls the session so from now on, in pg_stat_activity and in the server's log.
    func beCalled(_ name: String) throws(PostgresFailure) {
        guard applicationName != name else { return }
        try query("select set_config('application_name', $1, false)", [.text(name)])
    }
}
