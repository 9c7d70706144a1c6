/// A part of a configuration with keys of its own.
package enum ConfigurationSection: String, CaseIterable, Sendable {
    case file, service, tls, token, pipeline, tenants, table, conflict, column, address

    /// What may be said there. The page Configuration has a row for each.
    package var keys: [String] {
        switch self {
        case .file: ["service", "defaults", "pipelines"]
        case .service: ["listen", "tls", "tokens", "state", "audit-log", "log", "log-level", "status-every", "lease", "heartbeat", "stop-within"]
        case .tls: ["certificate", "key"]
        case .token: ["name", "role", "token-file", "token-env", "token"]
        case .pipeline:
            [
                "source", "target", "tables", "exclude", "capture", "image", "require-key", "capture-replica-role", "role", "retain",
                "max-log-size", "at-max-log-size", "delay", "create", "copy", "existing", "verify", "max-rate", "jobs", "on-failure",
                "wait", "wait-tables", "rename-schemas", "tenants", "mode", "every", "cron", "batch", "on-error",
                "conflict", "pass-on", "two-way", "sites",
            ]
        case .table:
            [
                "where", "columns", "omit", "set", "rename", "to", "mode", "by", "strategy", "start", "overlap", "condition", "deletes", "every", "cron",
                "batch", "on-error", "conflict",
            ]
        case .tenants: ["column", "values"]
        case .conflict: ["last-write-wins", "highest-version", "merge", "columns", "custom", "site"]
        case .column: ["newest", "custom"]
        case .address: ["url", "file", "env", "password-file", "password-env"]
        }
    }

    /// What every pipeline may have of its own, and none has to.
    static let defaults = pipeline.keys.filter { !["source", "target", "tenants", "two-way", "sites"].contains($0) }

    /// May hold a secret, or what somebody took for the place of one.
    private static let secret: Set = ["source", "target", "url", "tls", "key", "tokens", "token", "service", "defaults", "pipelines"]

    /// Keys whose lines may be shown.
    static let shown = Set(allCases.flatMap(\.keys)).subtracting(secret)
}
