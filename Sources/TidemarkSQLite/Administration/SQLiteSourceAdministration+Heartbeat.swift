package import TidemarkCore

/// A heartbeat is a row of the log that says nothing (operation B, of no table): readers pass it over, windows end behind it,
/// and it goes with the rows around it.
extension SQLiteSourceAdministration {
    package func writeHeartbeat() throws -> HeartbeatMark? {
        try saying("a heartbeat cannot be written", path: path) {
            guard try log.isInstalled(), try LogLimitRecord(database: database).isInstalled(), try LogLimitRecord(database: database).stop() == nil
            else { return nil }
            // The application comes first.
            let written = try BriefWrite(database: database, waitMs: SQLiteSourceLimits().rareWriteWaitMs).attempt { () throws(SQLiteFailure) in
                try database.rows(
                    """
                    INSERT INTO main.data_changes (token, capture, operation, changed_at)
                    VALUES (hex(randomblob(8)), ?, 'B', strftime('%Y-%m-%dT%H:%M:%fZ', 'now')) RETURNING id
                    """, [.integer(Int64(HeartbeatMark.capture))]).first?.first?.integer
            }
            return written?.map { HeartbeatMark(.change($0)) }
        }
    }
}
