/// A set of places in a page: one bit for each, where a set of numbers would hash every one.
package struct PlaceSet: Sendable {
    private var words: [UInt64] = []

    package func contains(_ place: Int) -> Bool {
        place >> 6 < words.count && words[place >> 6] & (1 << (UInt64(place) & 63)) != 0
    }

    package var isEmpty: Bool { words.allSatisfy { $0 == 0 } }

    mutating func insert(_ place: Int) {
        while place >> 6 >= words.count { words.append(0) }
        words[place >> 6] |= 1 << (UInt64(place) & 63)
    }

    /// - Returns: whether it was in the set.
    mutating func remove(_ place: Int) -> Bool {
        guard contains(place) else { return false }
        words[place >> 6] &= ~(1 << (UInt64(place) & 63))
        return true
    }
}
