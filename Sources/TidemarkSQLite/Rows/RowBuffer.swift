import TidemarkCore

/// Memory into which rows are written; it grows with a row that is larger than a page, and stays.
final class RowBuffer {
    private var memory: UnsafeMutableRawPointer
    private var capacity: Int
    private(set) var count = 0
    private(set) var rows = 0

    init(capacity: Int) {
        self.capacity = capacity
        memory = .allocate(byteCount: capacity, alignment: 8)
    }

    deinit { memory.deallocate() }

    func endRow() { rows += 1 }

    /// What was written since it was last taken.
    func take() -> NativeRows {
        var taken = NativeRows()
        taken.bytes = Array(UnsafeRawBufferPointer(start: memory, count: count))
        taken.count = rows
        (count, rows) = (0, 0)
        return taken
    }

    /// What is in it, until it is written to again.
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: memory, count: count) }

    func clear() { (count, rows) = (0, 0) }

    @inline(__always)
    func append(_ byte: UInt8) {
        reserve(1)
        memory.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
        count += 1
    }

    @inline(__always)
    func append(_ bytes: UnsafeRawBufferPointer) {
        reserve(bytes.count)
        if let start = bytes.baseAddress { (memory + count).copyMemory(from: start, byteCount: bytes.count) }
        count += bytes.count
    }

    @inline(__always)
    func append<Word: FixedWidthInteger & BitwiseCopyable>(_ tag: UInt8, _ word: Word) {
        reserve(9)
        memory.storeBytes(of: tag, toByteOffset: count, as: UInt8.self)
        memory.storeBytes(of: word, toByteOffset: count + 1, as: Word.self)
        count += 1 + MemoryLayout<Word>.size
    }

    @inline(__always)
    func append(_ tag: UInt8, _ bytes: UnsafeRawBufferPointer) {
        append(tag, UInt32(truncatingIfNeeded: bytes.count))
        append(bytes)
    }

    @inline(__always)
    private func reserve(_ more: Int) {
        if count + more > capacity { grow(count + more) }
    }

    private func grow(_ needed: Int) {
        capacity = max(needed, 2 * capacity)
        let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 8)
        larger.copyMemory(from: memory, byteCount: count)
        memory.deallocate()
        memory = larger
    }
}
