import Foundation
import Logging
import Testing
import TidemarkConfig
import TidemarkCore

@testable import TidemarkService

@Suite("Tasks while no process runs")
struct SyncTaskFileTests {
    private let directory = FileManager.default.temporaryDirectory.appendingPathComponent("tasks-\(UUID().uuidString)").path
    private static let log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    private static let actor = Actor(name: "ann", role: .admin)

    private func tasks() throws -> SyncTasks { try SyncTasks(directory: directory, instance: "here", log: Self.log) }

    @Test("what is pending stays, and what ran when the process ended has failed and says how to go on")
    func interrupted() async throws {
        let first = try tasks()
        let pending = try await first.create(SyncTaskRequest(pipeline: "shop", kind: .verify, tables: ["public.*"]), by: Self.actor)
        #expect(pending.state == .pending && pending.createdBy == "ann")
        var ran = pending
        (ran.id, ran.state) = ("ran", .running)
        try SyncTaskFile(directory: directory).write([pending, ran])
        let second = try tasks()
        #expect(try await second.task(pending.id) == pending)
        let failed = try await second.task("ran")
        #expect(failed.state == .failed && failed.error?.contains("Execute it again") == true && failed.endedAt != nil)
    }

    @Test("a task that is pending is cancelled and deleted; a request that makes no sense is refused")
    func lifecycle() async throws {
        let tasks = try tasks()
        let task = try await tasks.create(SyncTaskRequest(pipeline: "shop", kind: .copy, existing: "merge"), by: Self.actor)
        #expect(try await tasks.cancel(task.id).state == .cancelled)
        await #expect(throws: RequestRefusal.self) { try await tasks.cancel(task.id) }
        try await tasks.delete(task.id)
        await #expect(throws: RequestRefusal.self) { try await tasks.task(task.id) }
        for wrong in [
            SyncTaskRequest(pipeline: "shop", kind: .verify, existing: "merge"), SyncTaskRequest(pipeline: "shop", kind: .copy, existing: "keep"),
        ] {
            await #expect(throws: RequestRefusal.self) { try await tasks.create(wrong, by: Self.actor) }
        }
        #expect(await tasks.all.isEmpty)
    }

    @Test("a place that cannot be used is named with what the system says of it, and a file that cannot be read is not called damaged")
    func unusable() throws {
        let files = FileManager.default
        #expect(files.createFile(atPath: directory, contents: nil))
        let below = directory + "/state"
        let unusable = try #require(throws: TidemarkError.self) { try SyncTasks(directory: below, instance: "here", log: Self.log) }
        #expect(unusable.why.hasPrefix("\(below): it cannot be made: ") && unusable.remedy.contains("state:"), "\(unusable)")
        try files.removeItem(atPath: directory)
        try files.createDirectory(atPath: directory + "/tasks.json", withIntermediateDirectories: true)
        let unreadable = try #require(throws: TidemarkError.self) { try tasks() }
        #expect(unreadable.why.hasPrefix("\(directory)/tasks.json: ") && !unreadable.why.contains("damaged") && unreadable.remedy.contains("belong to the user"), "\(unreadable)")
    }

    @Test("no more than a thousand ended tasks are kept")
    func bounded() async throws {
        let tasks = try SyncTasks(directory: nil, instance: "here", log: Self.log)
        for _ in 0..<1_050 {
            let task = try await tasks.create(SyncTaskRequest(pipeline: "shop", kind: .verify), by: Self.actor)
            _ = try await tasks.cancel(task.id)
        }
        #expect(await tasks.all.count <= SyncTasks.keptMax + 1)
    }

    @Test("a file that is damaged, and a folder that cannot be written, say what to do")
    func damaged() throws {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try "{".write(toFile: directory + "/tasks.json", atomically: true, encoding: .utf8)
        #expect(throws: TidemarkError.self) { try tasks() }
        #expect(throws: TidemarkError.self) { try SyncTasks(directory: "/proc/none", instance: "here", log: Self.log) }
        #expect(throws: TidemarkError.self) { try AuditLog(path: "/proc/none/audit", log: Self.log) }
    }
}
