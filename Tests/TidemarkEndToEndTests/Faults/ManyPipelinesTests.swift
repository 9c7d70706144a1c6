import Foundation
import Testing
import TidemarkSQLite
import TidemarkTestSupport

@Suite("Many pipelines in one process", .serialized)
struct ManyPipelinesTests {
    private static let count = 100
    private static let fewer = 10
    private let directory: URL
    private let service: FaultService

    init() throws {
        directory = FileManager.default.temporaryDirectory.appendingPathComponent("tidemark-many-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        service = try FaultService("many", pipelines: Self.pipelines(Self.count, directory), in: directory, clock: nil)
        for number in 0..<Self.count {
            for side in ["source", "target"] {
                let database = try SQLiteDatabase(path: path(side, number), mode: .create)
                try database.execute("PRAGMA journal_mode = WAL; create table entry (id integer primary key, what text)")
            }
            try write(1, to: number)
        }
    }

    private static func pipelines(_ count: Int, _ directory: URL) -> String {
        "pipelines:\n" + (0..<count).map { number in
            "  flow\(number):\n    source: sqlite:\(directory.path)/source\(number).db\n    target: sqlite:\(directory.path)/target\(number).db\n"
        }.joined()
    }

    private func path(_ side: String, _ number: Int) -> String { "\(directory.path)/\(side)\(number).db" }

    private func write(_ id: Int, to number: Int) throws {
        try SQLiteDatabase(path: path("source", number), mode: .readWrite, busyTimeoutMilliseconds: 30_000)
            .execute("insert into entry values (\(id), 'row')")
    }

    private func wait(_ what: String, _ isSo: () -> Bool) throws {
        let deadline = Date().addingTimeInterval(120)
        while !isSo() {
            try #require(Date() < deadline, "\(what) did not come about in 120 s: \(service.log.suffix(3_000))")
            usleep(20_000)
        }
    }

    private func waitForRow(_ id: Int, in numbers: Range<Int>) throws {
        var waiting = Array(numbers)
        try wait("row \(id)") {
            waiting.removeAll { number in
                let database = try? SQLiteDatabase(path: path("target", number), mode: .readOnly, busyTimeoutMilliseconds: 30_000)
                return (try? database?.rows("select 1 from entry where id = \(id)").isEmpty) == false
            }
            return waiting.isEmpty
        }
    }

    private func reload(_ count: Int) throws {
        try service.write(pipelines: Self.pipelines(count, directory))
        service.signal(SIGHUP)
        try wait("a service with \(count) pipelines") { service.get("/service")?.contains("\"pipelines\":\(count)") ?? false }
    }

    @Test("a hundred follow; those that a reload takes away leave no thread, descriptor or memory behind")
    func hundred() throws {
        try service.start()
        defer { service.kill9() }
        try waitForRow(1, in: 0..<Self.count)
        for number in 0..<Self.count { try write(2, to: number) }
        try waitForRow(2, in: 0..<Self.count)
        // A debug build; deploy/load-test holds a release build to 256 MB.
        #expect(service.status("VmHWM") < 450 << 10, "kB")
        var (threads, descriptors, memory): ([Int], [Int], [Int]) = ([], [], [])
        for round in 0..<10 {
            try reload(Self.fewer)
            // What is taken away ends after the work at hand.
            var last = Int.max
            try wait("calm") {
                defer { last = service.status("Threads") }
                guard let (fewest, least) = zip(threads, descriptors).min(by: { $0.0 < $1.0 }) else { return service.status("Threads") == last }
                // One thread or descriptor that a pipeline leaves behind would make hundreds, and this would never be so.
                return service.status("Threads") <= fewest + 60 && service.descriptors <= least + 60
            }
            for number in 0..<Self.fewer { try write(10 + round, to: number) }
            try waitForRow(10 + round, in: 0..<Self.fewer)
            threads.append(service.status("Threads"))
            descriptors.append(service.descriptors)
            memory.append(service.status("VmRSS"))
            try reload(Self.count)
            try write(100 + round, to: Self.count - 1)
            try waitForRow(100 + round, in: Self.count - 1..<Self.count)
        }
        let seen: Comment = "threads \(threads), descriptors \(descriptors), kB \(memory)"
        #expect(memory.last! <= memory[1] * 5 / 4, seen)
        #expect(service.stop() == 0)
    }
}
