import Foundation
import Synchronization
package import TidemarkPostgres

/// A PostgreSQL server of the tests' own: made with initdb as an unprivileged user, on a Unix socket
/// in a new directory, stopped and removed when the tests end.
package final class ScratchCluster: Sendable {
    /// For every test that only needs databases. A test that stops its server makes one of its own.
    package static let shared = ScratchCluster()

    package let directory: String
    private let databases = Mutex(0)
    private let clock: SetClock?

    /// - Parameter clock: what it takes for the time of day.
    package init(clock: SetClock? = nil) {
        self.clock = clock
        directory = FileManager.default.temporaryDirectory.path + "/tidemark-test-\(UUID().uuidString.prefix(8))"
        RunningClusters.add(directory)
        shell(
            """
            mkdir -m 700 '\(directory)'
            [ $(id -u) -ne 0 ] || chown postgres '\(directory)'
            as \(Self.binaries())/initdb -D '\(directory)/data' -A trust -U postgres --no-sync >/dev/null
            cat >> '\(directory)/data/postgresql.conf' <<'C'
            unix_socket_directories = '\(directory)'
            listen_addresses = ''
            fsync = off
            max_prepared_transactions = 10
            max_connections = 1500
            C
            """)
        start()
    }

    package func start() {
        shell(
            """
            # Process knows its child's end by an inherited descriptor, which the server must not keep open.
            for fd in /proc/$$/fd/*; do fd=${fd##*/}; [ "$fd" -le 2 ] || eval "exec $fd>&-" 2>/dev/null || true; done
            as env \(environment) \(Self.binaries())/pg_ctl -D '\(directory)/data' -l '\(directory)/log' -w start >/dev/null
            """)
    }

    private var environment: String { (clock?.environment ?? [:]).map { "\($0)='\($1)'" }.joined(separator: " ") }

    /// A physical copy of a running server.
    private init(copying primary: ScratchCluster, following: Bool) {
        clock = nil
        directory = FileManager.default.temporaryDirectory.path + "/tidemark-test-\(UUID().uuidString.prefix(8))"
        RunningClusters.add(directory)
        shell(
            """
            mkdir -m 700 '\(directory)'
            [ $(id -u) -ne 0 ] || chown postgres '\(directory)'
            as \(Self.binaries())/pg_basebackup -D '\(directory)/data' -h '\(primary.directory)' -U postgres -c fast -X stream --no-sync >/dev/null
            echo "unix_socket_directories = '\(directory)'" >> '\(directory)/data/postgresql.conf'
            \(following ? "echo \"primary_conninfo = 'host=\(primary.directory) user=postgres'\" >> '\(directory)/data/postgresql.conf'" : "")
            touch '\(directory)/data/standby.signal'; chown --reference='\(directory)/data' '\(directory)/data/standby.signal'
            """)
        start()
    }

    /// Makes a standby of this server.
    /// - Parameter following: does it stream from it, or stay as it is?
    package func standby(following: Bool = true) throws -> ScratchCluster { ScratchCluster(copying: self, following: following) }

    /// Waits until this standby has all that its primary has written.
    package func waitUntilReplayed(from primary: PostgresSession) throws {
        let place = try primary.query("select pg_current_wal_lsn()")[0, 0] ?? "0/0"
        let session = try PostgresSession(url("postgres"))
        while try session.query("select pg_last_wal_replay_lsn() >= $1::pg_lsn", [.text(place)])[0, 0] != "t" {}
    }

    package func promote() throws { try PostgresSession(url("postgres")).run("select pg_promote(true, 60)") }

    /// Stops the server as a crash does, without a last checkpoint.
    package func crash() {
        shell("as \(Self.binaries())/pg_ctl -D '\(directory)/data' -m immediate -w stop >/dev/null")
    }

    /// Stops the server for good, whatever has become of it.
    package func end() {
        _ = Shell.run("/bin/bash", ["-c", "\(Shell.asPostgres)\nas \(Self.binaries())/pg_ctl -D '\(directory)/data' -m immediate -w stop"])
    }

    /// The programs of the newest server that is installed.
    package static func binaries() -> String {
        let found = (try? FileManager.default.contentsOfDirectory(atPath: "/usr/lib/postgresql")) ?? []
        let newest = found.compactMap { Int($0) }.max() ?? 15
        return "/usr/lib/postgresql/\(newest)/bin"
    }

    package func url(_ database: String, user: String = "postgres") -> String {
        "host=\(directory) user=\(user) dbname=\(database)"
    }

    /// Makes a new, empty database and returns its connection string.
    /// - Parameter directory: where its tables are, if not with the server's; of the server's user.
    package func database(_ purpose: String, in directory: String? = nil) throws -> String {
        let number = databases.withLock { $0 += 1; return $0 }
        let (name, session) = ("\(purpose)_\(number)", try PostgresSession(url("postgres")))
        if let directory {
            shell("mkdir -m 700 '\(directory)'; [ $(id -u) -ne 0 ] || chown postgres '\(directory)'")
            try session.run("create tablespace place_\(number) location '\(directory)'")
        }
        try session.run("create database \(name)\(directory == nil ? "" : " tablespace place_\(number)")")
        return url(name)
    }

    private func shell(_ script: String) {
        let result = Shell.run("/bin/bash", ["-c", "set -e\n\(Shell.asPostgres)\n\(script)"])
        precondition(result.status == 0, "the test server cannot be started or stopped: \(result.output)")
    }
}

/// Stops every server at the end of the process, also of a failed one.
private enum RunningClusters {
    private static let directories = Mutex<[String]>([])

    static func add(_ directory: String) {
        directories.withLock { known in
            if known.isEmpty { atexit { RunningClusters.stopAll() } }
            known.append(directory)
        }
    }

    private static func stopAll() {
        for directory in directories.withLock({ $0 }) {
            _ = Shell.run(
                "/bin/bash",
                [
                    "-c",
                    """
                    \(Shell.asPostgres)
                    as \(ScratchCluster.binaries())/pg_ctl -D '\(directory)/data' -m immediate -w stop; rm -rf '\(directory)'
                    """,
                ])
        }
    }
}
