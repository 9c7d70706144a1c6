/// The latest change of each row of a page, found by the bytes of its key.
///
/// Open addressing over indices into the page: a dictionary of byte arrays would allocate once per
/// change, on the hottest path of the worker.
struct KeyIndex {
    private var slots: [Int32] = Array(repeating: -1, count: 64)
    private var count = 0

    /// Records `index` as the latest change of its row.
    /// - Returns: the change that was the latest until now, if the row has one.
    mutating func put(_ index: Int, key: Range<Int>, of capture: Int32, in page: ChangePage) -> Int? {
        if (count + 1) * 2 > slots.count { grow(page) }
        let place = self.place(of: key, capture: capture, in: page)
        let previous = slots[place]
        slots[place] = Int32(index)
        if previous < 0 {
            count += 1
            return nil
        }
        return Int(previous)
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

    private mutating func grow(_ page: ChangePage) {
        let old = slots
        slots = Array(repeating: -1, count: old.count * 2)
        for index in old where index >= 0 {
            let change = page.changes[Int(index)]
            guard let key = change.key else { continue }
            slots[place(of: key, capture: change.capture, in: page)] = index
        }
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
