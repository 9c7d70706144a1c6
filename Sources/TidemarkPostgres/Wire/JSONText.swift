import Foundation
import TidemarkCore

/// The little JSON that catalog queries return: arrays of names.
enum JSONText {
    static func strings(_ text: String) throws -> [String] {
        do {
            return try JSONDecoder().decode([String]?.self, from: Data(text.utf8)) ?? []
        } catch {
            throw TidemarkError(
                "the catalog cannot be read", why: "not an array of names: \(text)",
                remedy: "This should not happen; report it with the server's version.")
        }
    }

    /// The other way: names as a JSON array.
    static func array(_ names: [String]) -> [UInt8] {
        // Strings always encode.
        (try? JSONEncoder().encode(names)).map { Array($0) } ?? Array("[]".utf8)
    }
}
