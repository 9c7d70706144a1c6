/// The latest change of each row of a page, found by the bytes of its key.
///
/// Open addressing over indices into the page: a dictionary of byte arrays would allocate once per
/// change, on the hottest path of the worker.
struct KeyIndex {
    private var slots: [Int32]

    /// - Parameter changes: at most so many rows; half of the slots stay free.
    init(changes: Int) {
        var count = 64
        while count < 2 * changes { count *= 2 }
        slots = Array(repeating: -1, count: count)
    }

    /// Records `index` as the latest change of its row.
    /// - Returns: the change that was the latest until now, if the row has one.
    mutating func put(_ index: Int, key: Range<Int>, of capture: Int32, in page: ChangePage) -> Int? {
        let place = self.place(of: key, capture: capture, in: page)
        let previous = slots[place]
        slots[place] = Int32(index)
        return previous < 0 ? nil : Int(previous)
    }

    private func place(of key: Range<Int>, capture: Int32, in page: ChangePage) -> Int {
        let mask = slots.count - 1
        var place = Int(truncatingIfNeeded: Self.hash(page.bytes, key, capture)) & mask
        while slots[place] >= 0 {
            let other = page.changes[Int(slots[place])]
            if other.capture == capture, let otherKey = other.key, page.bytes[otherKey] == page.bytes[key] {
                return place
            }
            place = (place + 1) & mask
        }
        return place
    }

    /// FNV-1a, 64 bits, with a last mix so that the low bits carry the whole key.
    private static func hash(_ bytes: [UInt8], _ key: Range<Int>, _ capture: Int32) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325 ^ UInt64(UInt32(bitPattern: capture))
        for index in key {
            hash = (hash ^ UInt64(bytes[index])) &* 0x100_0000_01b3
        }
        return hash ^ (hash >> 32)
    }
}
