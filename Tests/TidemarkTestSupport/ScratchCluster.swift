import Foundation
import TidemarkPostgres

/// A PostgreSQL server of the tests' own: made with initdb as an unprivileged user, on a Unix socket
/// in a new directory, stopped when the tests end.
package final class ScratchCluster: Sendable {
    package static let shared = ScratchCluster()

    package let directory: String
    private let counter = Counter()

    private init() {
        directory = FileManager.default.temporaryDirectory.path + "/tidemark-test-\(UUID().uuidString.prefix(8))"
        let binaries = Self.binaries()
        let script = """
            set -e
            mkdir -m 700 '\(directory)'
            [ $(id -u) -ne 0 ] || chown postgres '\(directory)'
            as() { if [ $(id -u) -eq 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }
            as \(binaries)/initdb -D '\(directory)/data' -A trust -U postgres --no-sync >/dev/null
            cat >> '\(directory)/data/postgresql.conf' <<'C'
            unix_socket_directories = '\(directory)'
            listen_addresses = ''
            fsync = off
            max_prepared_transactions = 10
            max_connections = 400
            C
            # Process knows its child's end by an inherited descriptor, which the server must not keep open.
            for fd in /proc/$$/fd/*; do fd=${fd##*/}; [ "$fd" -le 2 ] || eval "exec $fd>&-" 2>/dev/null || true; done
            as \(binaries)/pg_ctl -D '\(directory)/data' -l '\(directory)/log' -w start >/dev/null
            """
        let started = Shell.run("/bin/bash", ["-c", script])
        precondition(started.status == 0, "the test server did not start: \(started.output)")
        atexit {
            let directory = ScratchCluster.shared.directory
            _ = Shell.run(
                "/bin/bash",
                [
                    "-c",
                    """
                    as() { if [ $(id -u) -eq 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }
                    as \(ScratchCluster.binaries())/pg_ctl -D '\(directory)/data' -m immediate stop; rm -rf '\(directory)'
                    """,
                ])
        }
    }

    package static func binaries() -> String {
        let found = (try? FileManager.default.contentsOfDirectory(atPath: "/usr/lib/postgresql")) ?? []
        let newest = found.compactMap { Int($0) }.max() ?? 15
        return "/usr/lib/postgresql/\(newest)/bin"
    }

    package func url(_ database: String, user: String = "postgres") -> String {
        "host=\(directory) user=\(user) dbname=\(database)"
    }

    /// Makes a new, empty database and returns its connection string.
    package func database(_ purpose: String) throws -> String {
        let name = "\(purpose)_\(counter.next())"
        try PostgresSession(url("postgres")).run("create database \(name)")
        return url(name)
    }
}

private final class Counter: @unchecked Sendable {
    // @unchecked: `value` is read and written under `lock`.
    private let lock = NSLock()
    private var value = 0
    func next() -> Int { lock.withLock { value += 1; return value } }
}
