package import TidemarkCore

/// Keeps leases beside one SQLite database.
package final class SQLiteLeaseAdministration: LeaseAdministration {
    private let file: LeaseFile

    package init(path: String) throws {
        // A mistyped path is an error, and makes no file.
        _ = try SQLiteFile(path, role: "target").open()
        file = LeaseFile(besides: path)
    }

    /// The file is made with the first lease.
    package func installLeases() throws {}

    package func acquire(_ pipeline: String, by holder: String, forMs: Int64, force: Bool) throws -> Lease {
        try file.change { entries in
            if !force, let lease = LeaseFile.lease(entries[pipeline]), lease.holder != holder, lease.isAlive { return lease }
            let former = entries[pipeline]
            let epoch = (former?.epoch ?? 0) + (former?.holder == holder ? 0 : 1)
            entries[pipeline] = LeaseFile.Entry(holder: holder, epoch: epoch, expiresMs: LeaseFile.nowMs + forMs, boot: LeaseFile.boot)
            return Lease(holder: holder, epoch: epoch, remainingMs: forMs)
        }
    }

    package func renew(_ epochs: [String: Int64], by holder: String, forMs: Int64) throws -> Set<String> {
        try file.change { entries in
            let own = epochs.filter { entries[$0.key]?.holder == holder && entries[$0.key]?.epoch == $0.value }
            for pipeline in own.keys {
                entries[pipeline]?.expiresMs = LeaseFile.nowMs + forMs
                entries[pipeline]?.boot = LeaseFile.boot
            }
            return Set(own.keys)
        }
    }

    /// The line stays, so that the epoch goes on rising.
    package func release(_ pipeline: String, by holder: String) throws {
        try file.change { entries in
            if entries[pipeline]?.holder == holder { entries[pipeline]?.holder = "" }
        }
    }

    package func lease(of pipeline: String) throws -> Lease? { LeaseFile.lease(try file.entries()[pipeline]) }

    /// There are none: who writes to the file has its lock until its process ends or goes on. A new leader of a stopped one
    /// waits for that.
    package func endSessions(of holder: String, pipeline: String?) throws {}
}
