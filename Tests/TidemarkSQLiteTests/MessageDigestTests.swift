import Foundation
import Testing

@testable import TidemarkSQLite

@Suite struct MessageDigestTests {
    @Test("hashes are what everybody else computes, of every length around a block's", arguments: ["md5", "sha256"])
    func hashes(name: String) throws {
        let database = try SQLiteDatabase(path: ":memory:", mode: .create)
        try database.addShapingFunctions()
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("digest-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let lengths = Array(0...130) + [1000, 4096, 100_001]
        let contents = lengths.map { length in (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ length) } }
        for (length, bytes) in zip(lengths, contents) { try Data(bytes).write(to: directory.appendingPathComponent("\(length)")) }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/\(name)sum")
        process.arguments = lengths.map(String.init)
        process.currentDirectoryURL = directory
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let expected = output.split(separator: "\n").map { String($0.prefix { $0 != " " }) }
        let found = try contents.map { try database.rows("SELECT \(name)(?)", [.blob($0)]).first?.first?.string ?? "" }
        #expect(found == expected && found.count == lengths.count)
    }

    @Test("a text is hashed by its bytes, a number by its text, and NULL stays NULL")
    func values() throws {
        let database = try SQLiteDatabase(path: ":memory:", mode: .create)
        try database.addShapingFunctions()
        let row = try database.rows("SELECT md5('é'), md5(x'C3A9'), md5(12), md5('12'), md5(NULL), sha256(''), sha256(x''), md5('abc')").first ?? []
        #expect(row[0] == row[1] && row[2] == row[3] && row[4] == .null && row[5] == row[6])
        #expect(row[7] == .string("900150983cd24fb0d6963f7d28e17f72"))
    }
}
