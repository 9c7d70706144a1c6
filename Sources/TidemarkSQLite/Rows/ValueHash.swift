/// Folds values into a number. Every step is a bijection of what was folded so far, so that a difference in one
/// word never gets lost; the last one spreads it over all bits, as sums of rows' hashes need.
struct ValueHash {
    private var state: UInt64

    init(seed: UInt64 = 0) { state = seed ^ 0x9E37_79B9_7F4A_7C15 }

    @inline(__always)
    mutating func fold(_ tag: UInt64, _ word: UInt64) {
        mix(tag)
        mix(word)
    }

    @inline(__always)
    mutating func fold(_ tag: UInt64, _ bytes: UnsafeRawBufferPointer) {
        // With the length in front, no two rows of values read as the same words.
        mix(tag | UInt64(bytes.count) << 8)
        var place = 0
        while bytes.count - place >= 8 {
            mix(bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self))
            place += 8
        }
        guard place < bytes.count else { return }
        var last: UInt64 = 0
        while place < bytes.count {
            last = last << 8 | UInt64(bytes[place])
            place += 1
        }
        mix(last)
    }

    var value: Int64 {
        var x = state
        x = (x ^ (x >> 33)) &* 0xFF51_AFD7_ED55_8CCD
        x = (x ^ (x >> 33)) &* 0xC4CE_B9FE_1A85_EC53
        return Int64(bitPattern: x ^ (x >> 33))
    }

    @inline(__always)
    private mutating func mix(_ word: UInt64) {
        state = (state ^ word) &* 0x9FB2_1C65_1E98_DF25
        state ^= state >> 29
    }
}
