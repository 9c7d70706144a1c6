import CLibPQ

/// A value that goes to the server beside the statement.
package enum PostgresParameter: Sendable {
    case text(String)
    case json([UInt8])
    /// Text, or NULL.
    case optional(String?)
}

/// Parameters in the arrays that libpq takes. JSON goes as binary: its bytes need no terminator.
struct BoundParameters {
    private static let jsonType: Oid = 114
    /// Nil is NULL.
    private var buffers: [[UInt8]?] = []
    private(set) var lengths: [Int32] = []
    private(set) var formats: [Int32] = []
    /// 0 lets the server find the type out.
    private(set) var types: [Oid] = []

    init(_ parameters: [PostgresParameter]) {
        for parameter in parameters {
            switch parameter {
            case .text(let text): append(Array(text.utf8) + [0], format: 0, type: 0)
            case .json(let bytes): append(bytes, format: 1, type: Self.jsonType)
            case .optional(let text): append(text.map { Array($0.utf8) + [0] }, format: 0, type: 0)
            }
        }
    }

    private mutating func append(_ buffer: [UInt8]?, format: Int32, type: Oid) {
        buffers.append(buffer)
        lengths.append(Int32(buffer?.count ?? 0))
        formats.append(format)
        types.append(type)
    }

    /// Lends the addresses of all values at once.
    func withPointers<R>(_ body: ([UnsafePointer<CChar>?]) -> R) -> R { Self.lend(buffers[...], [], body) }

    private static func lend<R>(
        _ buffers: ArraySlice<[UInt8]?>, _ pointers: [UnsafePointer<CChar>?], _ body: ([UnsafePointer<CChar>?]) -> R
    ) -> R {
        guard let head = buffers.first else { return body(pointers) }
        guard let first = head else { return lend(buffers.dropFirst(), pointers + [nil], body) }
        return first.withUnsafeBytes { bytes in
            lend(buffers.dropFirst(), pointers + [bytes.baseAddress?.assumingMemoryBound(to: CChar.self)], body)
        }
    }
}
