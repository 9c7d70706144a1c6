package import TidemarkCore

/// A heartbeat is a row of the log that says nothing (operation B, of no table): readers pass it over, windows end behind it,
/// and it goes with its segment.
extension PostgresSourceAdministration {
    package func writeHeartbeat() throws -> HeartbeatMark? {
        try reporting("a heartbeat cannot be written") {
            guard try CaptureRegistry.isInstalled(in: session) else { return nil }
            // Where capture was stopped, windows end before that.
            guard try session.query("select tidemark.is_capture_stopped()")[0, 0] != "t" else { return nil }
            let rows = try session.query(
                "select pg_current_xact_id(), tidemark.log_mark($1, 'B'), set_config('synchronous_commit', 'off', true)",
                [.text(String(HeartbeatMark.capture))])
            return rows[0, 0].flatMap { UInt64($0) }.map { HeartbeatMark(.transaction($0)) }
        }
    }
}
