import Foundation
package import TidemarkCore

/// A key as an operator types it: the value of a single key column, or a JSON object.
package enum RowKey {
    /// - Throws: `UsageError` where it does not name exactly the key columns of each of the tables.
    package static func json(_ text: String, of tables: [SourceTable]) throws -> String {
        let columns = Set(tables.map(\.keyColumns))
        guard columns.count == 1, let key = columns.first, !key.isEmpty else {
            throw UsageError("A key range is for one table with a key, or for several with the same key columns.")
        }
        if text.hasPrefix("{") {
            let object = try? JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
            guard let object, Set(object.keys) == Set(key) else {
                throw UsageError("The key \(text) is no JSON object of \(key.joined(separator: ", ")).")
            }
            return text
        }
        guard key.count == 1 else {
            throw UsageError("The key has \(key.count) columns: give a JSON object, such as {\(key.map { "\"\($0)\": …" }.joined(separator: ", "))}.")
        }
        let object = try JSONSerialization.data(withJSONObject: [key[0]: text], options: [.sortedKeys, .withoutEscapingSlashes])
        return String(decoding: object, as: UTF8.self)
    }
}
