import Foundation
import Testing
import TidemarkCore

@testable import TidemarkConfig

/// What is wrong in a text: “3:5: what”, and nothing where it is well.
func faults(_ text: String, environment: [String: String] = [:], path: String = "t.yaml") -> [String] {
    problems(text, environment: environment, path: path).map { $0.text(path: "").trimmingPrefix(":").description }
}

func problems(_ text: String, environment: [String: String] = [:], path: String = "t.yaml") -> [Diagnostic] {
    do throws(ConfigurationProblems) {
        return try Configuration(bytes: Array(text.utf8), path: path, environment: environment).warnings
    } catch {
        return error.diagnostics
    }
}

func loaded(_ text: String, environment: [String: String] = [:], path: String = "t.yaml") throws -> Configuration {
    try Configuration(bytes: Array(text.utf8), path: path, environment: environment)
}

/// One pipeline, with more keys.
func pipeline(_ keys: String) -> String { "pipelines:\n  shop:\n    source: sqlite:/a\n    target: sqlite:/b\n    \(keys)\n" }

/// A file that a test has of its own.
func scratchFile(_ bytes: some Sequence<UInt8>, mode: Int = 0o600) throws -> String {
    let path = FileManager.default.temporaryDirectory.path + "/tidemark-config-\(UUID().uuidString)"
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    return path
}
