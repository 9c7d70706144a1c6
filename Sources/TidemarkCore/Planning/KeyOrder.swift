extension ChangePage {
    /// The same changes in the order of their keys, shorter ones first, so that numbers come by value.
    ///
    /// Rows that lie together in an index are then written together. Measured: 500,000 scattered changes
    /// drain in 2.3 s instead of 2.6 s. Only for changes of which each row has one.
    package func inKeyOrder(_ indices: [Int]) -> [Int] {
        bytes.withUnsafeBufferPointer { bytes in
            let keys = indices.map { UnsafeBufferPointer(rebasing: bytes[changes[$0].key ?? 0..<0]) }
            let shared = Self.sharedPrefix(of: keys)
            return indices.indices.map { KeyPlace(index: indices[$0], key: keys[$0], from: shared) }.sorted().map(\.index)
        }
    }

    /// How many bytes all keys begin with: the name of the first column at least.
    private static func sharedPrefix(of keys: [UnsafeBufferPointer<UInt8>]) -> Int {
        guard let first = keys.first else { return 0 }
        var shared = first.count
        for key in keys {
            shared = Swift.min(shared, key.count)
            var place = 0
            while place < shared, key[place] == first[place] { place += 1 }
            shared = place
        }
        return shared
    }
}

/// A change in the order of keys. Most are told apart by two numbers.
private struct KeyPlace: Comparable {
    let index: Int
    private let key: UnsafeBufferPointer<UInt8>
    /// The bytes in which keys first differ, as a number of the same order.
    private let head: UInt64

    init(index: Int, key: UnsafeBufferPointer<UInt8>, from shared: Int) {
        (self.index, self.key) = (index, key)
        var head: UInt64 = 0
        for place in shared..<shared + 8 { head = head << 8 | (place < key.count ? UInt64(key[place]) : 0) }
        self.head = head
    }

    static func < (left: KeyPlace, right: KeyPlace) -> Bool {
        if left.key.count != right.key.count { return left.key.count < right.key.count }
        if left.head != right.head { return left.head < right.head }
        return left.key.lexicographicallyPrecedes(right.key)
    }

    static func == (left: KeyPlace, right: KeyPlace) -> Bool { left.key.elementsEqual(right.key) }
}
