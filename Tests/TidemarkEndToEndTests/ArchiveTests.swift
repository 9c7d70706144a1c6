import Foundation
import Testing
import TidemarkTestSupport

@testable import TidemarkPostgres

/// The built binary, an archive, and a source that is gone.
@Suite("Archive and replay")
struct ArchiveReplayTests {
    @Test("kill -9 of the archiver at random moments under load, then the source is dropped: the backup becomes what it was")
    func killedArchiver() throws {
        let source = try ScratchCluster.shared.database("source")
        let onSource = try PostgresSession(source, schema: "public")
        try onSource.run("create table account (id int primary key, balance int not null); create table entry (a int)")
        try onSource.run("insert into account select i, 100 from generate_series(1, 50) i")
        let directory = FileManager.default.temporaryDirectory.path + "/tidemark-archive-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        func tidemark(_ arguments: String...) -> (status: Int32, output: String) { Shell.run(Replica.binary, arguments) }
        let first = tidemark("archive", directory, "--source", source, "--once")
        #expect(first.status == 0, "\(first.output)")
        let backup = try ScratchCluster.shared.database("backup")
        let dump = Shell.run("\(ScratchCluster.binaries())/pg_dump", ["-Fc", "-f", directory + "/backup", "-d", source])
        #expect(dump.status == 0, "\(dump.output)")

        let script = FileManager.default.temporaryDirectory.appendingPathComponent("archive-\(UUID().uuidString).sql")
        try """
            \\set a random(1, 50)
            begin;
            update account set balance = balance - 1 where id = :a;
            update account set balance = balance + 1 where id = 51 - :a;
            insert into entry values (:a);
            commit;
            """.write(to: script, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: script) }
        let load = try Shell.start(
            "\(ScratchCluster.binaries())/pgbench", ["-n", "-c", "1", "-t", "3000", "-f", script.path, source],
            log: URL(fileURLWithPath: script.path + ".log"))
        var random = SystemRandomNumberGenerator()
        var kills = 0
        while load.isRunning {
            let archiver = try Shell.start(
                Replica.binary, ["archive", directory, "--source", source, "--every", "1s"], log: URL(fileURLWithPath: script.path + ".archiver"))
            // A look at the database takes about a millisecond: the moment is random.
            for _ in 0..<Int.random(in: 50...400, using: &random) { _ = try onSource.query("select 1") }
            kill(archiver.processIdentifier, SIGKILL)
            archiver.waitUntilExit()
            kills += 1
        }
        #expect(load.terminationStatus == 0 && kills > 0)
        let last = tidemark("archive", directory, "--source", source, "--once")
        #expect(last.status == 0, "\(last.output)")
        let expected = try (Replica.rows("account", onSource), Replica.rows("entry", onSource))
        let verified = tidemark("archive", directory, "--verify")
        #expect(verified.status == 0 && verified.output.contains("every file is the one that was written"), "\(verified.output)")

        // The source is gone.
        let admin = try PostgresSession(try ScratchCluster.shared.database("admin"))
        try admin.run("drop database \(onSource.query("select current_database()")[0, 0] ?? "") with (force)")
        let restore = Shell.run("\(ScratchCluster.binaries())/pg_restore", ["-d", backup, directory + "/backup"])
        #expect(restore.status == 0, "\(restore.output)")
        let list = tidemark("replay", directory, "--list")
        #expect(list.status == 0 && list.output.contains("public.account"), "\(list.output)")
        let replay = tidemark("replay", directory, "--target", backup)
        #expect(replay.status == 0, "\(replay.output)")
        let onBackup = try PostgresSession(backup, schema: "public")
        #expect(try Replica.rows("account", onBackup) == expected.0)
        #expect(try Replica.rows("entry", onBackup) == expected.1)
        let again = tidemark("replay", directory, "--target", backup, "--json")
        #expect(again.status == 0, "\(again.output)")
    }

    @Test("a person can read a file with zcat, a full disk is said and nothing is lost, and wrong usage is 64")
    func oddities() throws {
        let source = try ScratchCluster.shared.database("source")
        let onSource = try PostgresSession(source, schema: "public")
        try onSource.run("create table account (id int primary key, owner text)")
        let directory = FileManager.default.temporaryDirectory.path + "/tidemark-archive-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let first = Shell.run(Replica.binary, ["archive", directory, "--source", source, "--once"])
        #expect(first.status == 0, "\(first.output)")
        // A limit on the size of files is met in the middle of one, as the end of a disk is.
        try onSource.run("insert into account select i, 'owner ' || i from generate_series(1, 5000) i")
        let full = Shell.run("/bin/bash", ["-c", "ulimit -f 4; trap '' XFSZ; \(Replica.binary) archive \(directory) --source '\(source)' --once"])
        #expect(full.status == 1 && full.output.contains("a window cannot be archived"), "\(full.output)")
        let second = Shell.run(Replica.binary, ["archive", directory, "--source", source, "--once"])
        #expect(second.status == 0, "\(second.output)")
        let text = Shell.run("/bin/bash", ["-c", "zcat \(directory)/*.jsonl.gz"])
        #expect(text.output.contains("\"image\":{\"id\":5000"), "\(text.output.suffix(300))")
        let status = Shell.run(Replica.binary, ["status", "--pipeline", "archive", "--source", source, "--target", "archive:\(directory)"])
        #expect(status.status == 0 && status.output.contains("archive: current"), "\(status.output)")
        for wrong in [["archive"], ["archive", directory], ["replay", directory], ["replay", directory, "--target", "archive:\(directory)"]] {
            let run = Shell.run(Replica.binary, wrong)
            #expect(run.status == 64, "\(wrong): \(run.output)")
        }
    }
}
