import Foundation
import TidemarkApp
import TidemarkCore

/// The steps of a change of roles as they are done: lines for people, nothing for programs until the end.
struct RoleChangeOutput: Sendable {
    let json: Bool
    /// For rehearsals: the process kills itself once this step is done.
    var diesAfter: RoleChangeStep?

    func show(_ report: RoleChangeReport) {
        if !json {
            print("  \(report.step.words)\(report.note.map { ": \($0)" } ?? "") (\(Self.seconds(report.seconds)))")
            fflush(nil)
        }
        if report.step == diesAfter { kill(getpid(), SIGKILL) }
    }

    static func seconds(_ seconds: Double) -> String { String(format: seconds < 10 ? "%.3f s" : "%.1f s", seconds) }
}

/// Waits for a yes at the terminal.
/// - Returns: false for anything else.
func isConfirmed(_ question: String) -> Bool {
    FileHandle.standardError.write(Data("\(question) Type yes to go on: ".utf8))
    return readLine()?.trimmingCharacters(in: .whitespaces).lowercased() == "yes"
}
