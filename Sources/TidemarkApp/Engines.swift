import TidemarkArchive
package import TidemarkCore
import TidemarkPostgres
import TidemarkSQLite

/// The engines that this build speaks to. A new one is one folder and one line here.
package enum Engines {
    package static let all: [any Engine] = [
        PostgresEngine(),
        SQLiteEngine(),
    ]

    /// What a pipeline may also be followed into.
    private static let archive = ArchiveEngine()

    /// - Throws: `UsageError` for an address that no engine takes. It never shows the address: what is
    ///   mistyped may hold a password.
    package static func accepting(_ address: String, of side: String) throws -> any Engine {
        if side == "target", archive.accepts(address) { return archive }
        guard let engine = all.first(where: { $0.accepts(address) }) else {
            throw UsageError("The address of the \(side) is none that tidemark knows: \(forms).")
        }
        return engine
    }

    /// What engines show of an address that they cannot read.
    static let unreadable = "(unreadable address)"

    /// Every form of address, for help and errors.
    package static var forms: String { all.flatMap(\.addressForms).joined(separator: ", ") }
}
