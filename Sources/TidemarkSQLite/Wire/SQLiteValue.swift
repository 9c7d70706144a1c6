/// One SQLite value in its exact storage class.
///
/// Text is bytes, not `String`: SQLite stores NUL and broken UTF-8 in text, and both must survive.
package enum SQLiteValue: Hashable, Sendable {
    case null
    case integer(Int64)
    case real(Double)
    case text([UInt8])
    case blob([UInt8])

    /// A text value from a Swift string.
    package static func string(_ text: String) -> SQLiteValue { .text(Array(text.utf8)) }

    /// The text, if this is text and valid UTF-8.
    package var string: String? {
        guard case .text(let bytes) = self else { return nil }
        return String(validating: bytes, as: UTF8.self)
    }

    /// The integer, if this is one.
    package var integer: Int64? {
        guard case .integer(let value) = self else { return nil }
        return value
    }
}
