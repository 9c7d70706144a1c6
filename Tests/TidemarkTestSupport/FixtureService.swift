package import Foundation

/// A service that is none, with figures made up in fixture.py, until its input ends.
package struct FixtureService {
    package let address: String
    private let process = Process()
    private let input = Pipe()

    package static var isPossible: Bool { Shell.run("/bin/sh", ["-c", "command -v python3"]).status == 0 }
    package static let folder = root.appendingPathComponent("Tests/TidemarkServiceTests/Dashboard")
    package static let assets = root.appendingPathComponent("Sources/TidemarkHTTP/Dashboard")
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    package init(_ scenario: [String]) throws {
        let output = Pipe()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3", Self.folder.appendingPathComponent("fixture.py").path, Self.assets.path] + scenario
        (process.standardInput, process.standardOutput) = (input, output)
        try process.run()
        var line = Data()
        while line.last != UInt8(ascii: "\n"), case let next = output.fileHandleForReading.readData(ofLength: 1), !next.isEmpty { line += next }
        address = String(decoding: line, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    package func stop() {
        try? input.fileHandleForWriting.close()
        process.waitUntilExit()
    }
}
