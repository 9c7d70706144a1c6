/// What is another way in a configuration that is loaded anew.
package struct ConfigurationChange: Sendable, Equatable {
    /// Names, in the order of the file that they stand in.
    package var added: [String] = []
    package var removed: [String] = []
    package var changed: [String] = []
    package var unchanged: [String] = []
    /// Keys below `service:` that take effect at once.
    package var live: [String] = []
    /// And those that the process has to be started again for.
    package var needsRestart: [String] = []

    package init(from old: Configuration, to new: Configuration) {
        let (before, after) = (Self.byName(old), Self.byName(new))
        for pipeline in new.pipelines {
            guard let known = before[pipeline.name] else {
                added.append(pipeline.name)
                continue
            }
            if known == pipeline { unchanged.append(pipeline.name) } else { changed.append(pipeline.name) }
        }
        removed = old.pipelines.map(\.name).filter { after[$0] == nil }
        let (was, now) = (old.service, new.service)
        let differs: [String: Bool] = [
            "listen": was.listen != now.listen, "tls": was.tls != now.tls, "tokens": was.tokens != now.tokens,
            "state": was.stateDirectory != now.stateDirectory, "audit-log": was.auditLog != now.auditLog, "log": was.logFormat != now.logFormat,
            "log-level": was.logLevel != now.logLevel, "status-every": was.statusEveryMs != now.statusEveryMs, "lease": was.leaseMs != now.leaseMs,
            "heartbeat": was.heartbeatEveryMs != now.heartbeatEveryMs, "stop-within": was.stopWithinMs != now.stopWithinMs,
        ]
        for key in ConfigurationSection.service.keys where differs[key] == true {
            if Self.isLive(key) { live.append(key) } else { needsRestart.append(key) }
        }
    }

    package var isNone: Bool { added.isEmpty && removed.isEmpty && changed.isEmpty && live.isEmpty && needsRestart.isEmpty }

    /// Does a key below `service:` take effect without a restart?
    package static func isLive(_ key: String) -> Bool { ["tokens", "log-level", "status-every", "heartbeat", "stop-within"].contains(key) }

    private static func byName(_ configuration: Configuration) -> [String: Configuration.Entry] {
        Dictionary(configuration.pipelines.map { ($0.name, $0) }) { first, _ in first }
    }
}
