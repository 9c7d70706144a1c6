package import TidemarkCore

/// JSON arrays of what a page's changes carry.
package enum PageArray {
    /// The keys of some changes, in the order given.
    package static func keys(_ indices: [Int], of page: ChangePage) -> [UInt8] { array(indices, of: page, \.key) }
    /// The images of some changes, in the order given.
    package static func images(_ indices: [Int], of page: ChangePage) -> [UInt8] { array(indices, of: page, \.image) }

    private static func array(_ indices: [Int], of page: ChangePage, _ part: (Change) -> Range<Int>?) -> [UInt8] {
        var length = 2
        for index in indices { length += 1 + (part(page.changes[index])?.count ?? 0) }
        return [UInt8](unsafeUninitializedCapacity: length) { buffer, count in
            page.bytes.withUnsafeBufferPointer { bytes in
                for index in indices {
                    guard let range = part(page.changes[index]) else { continue }
                    buffer[count] = UInt8(ascii: count == 0 ? "[" : ",")
                    _ = UnsafeMutableBufferPointer(rebasing: buffer[(count + 1)...]).update(fromContentsOf: bytes[range])
                    count += 1 + range.count
                }
            }
            if count == 0 {
                buffer[0] = UInt8(ascii: "[")
                count = 1
            }
            buffer[count] = UInt8(ascii: "]")
            count += 1
        }
    }
}
