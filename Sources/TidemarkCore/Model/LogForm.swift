/// How the log is written.
package enum LogFormat: String, Sendable, CaseIterable {
    /// For people and journals.
    case console
    /// One object a line, for programs.
    case json
}

/// The least that is logged, as it is typed and configured.
package enum LogThreshold: String, Sendable, CaseIterable {
    case trace, debug, info, notice, warning, error, critical
}
