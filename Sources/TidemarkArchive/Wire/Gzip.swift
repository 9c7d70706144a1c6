import CZlib

/// Compresses, a piece at a time.
final class GzipWriter {
    private var stream = z_stream()
    private var buffer = [UInt8](repeating: 0, count: 1 << 17)
    private let receive: (UnsafeRawBufferPointer) throws -> Void

    /// - Parameter receive: takes what is compressed.
    init(_ receive: @escaping (UnsafeRawBufferPointer) throws -> Void) {
        self.receive = receive
        // Fails only where there is no memory left.
        guard tidemark_deflate_start(&stream) == Z_OK else { fatalError("zlib cannot begin") }
    }

    deinit { deflateEnd(&stream) }

    func write(_ bytes: [UInt8]) throws {
        var bytes = bytes
        try bytes.withUnsafeMutableBufferPointer { try deflate($0, Z_NO_FLUSH) }
    }

    func finish() throws { try deflate(UnsafeMutableBufferPointer(start: nil, count: 0), Z_FINISH) }

    private func deflate(_ bytes: UnsafeMutableBufferPointer<UInt8>, _ flush: Int32) throws {
        stream.next_in = bytes.baseAddress
        stream.avail_in = UInt32(bytes.count)
        var isMore = true
        while isMore {
            let produced = buffer.withUnsafeMutableBufferPointer { space in
                stream.next_out = space.baseAddress
                stream.avail_out = UInt32(space.count)
                _ = CZlib.deflate(&stream, flush)
                return space.count - Int(stream.avail_out)
            }
            isMore = produced == buffer.count
            if produced > 0 { try buffer.withUnsafeBytes { try receive(UnsafeRawBufferPointer(rebasing: $0[..<produced])) } }
        }
    }
}

/// Decompresses, a piece at a time.
final class GzipReader {
    private var stream = z_stream()
    private var buffer = [UInt8](repeating: 0, count: 1 << 18)
    /// Has the end of the compressed stream been seen?
    private(set) var isAtEnd = false

    struct Malformed: Error {}

    init() {
        guard tidemark_inflate_start(&stream) == Z_OK else { fatalError("zlib cannot begin") }
    }

    deinit { inflateEnd(&stream) }

    /// - Parameter receive: takes what was compressed.
    func read(_ bytes: UnsafeRawBufferPointer, _ receive: (UnsafeRawBufferPointer) throws -> Void) throws {
        stream.next_in = UnsafeMutablePointer(mutating: bytes.assumingMemoryBound(to: UInt8.self).baseAddress)
        stream.avail_in = UInt32(bytes.count)
        while stream.avail_in > 0 {
            guard !isAtEnd else { throw Malformed() }
            try step(receive)
        }
    }

    private func step(_ receive: (UnsafeRawBufferPointer) throws -> Void) throws {
        var isMore = true
        while isMore, !isAtEnd {
            let (status, produced) = buffer.withUnsafeMutableBufferPointer { space in
                stream.next_out = space.baseAddress
                stream.avail_out = UInt32(space.count)
                let status = inflate(&stream, Z_NO_FLUSH)
                return (status, space.count - Int(stream.avail_out))
            }
            // No progress is none where the input is used up.
            guard status == Z_OK || status == Z_STREAM_END || status == Z_BUF_ERROR && stream.avail_in == 0 else { throw Malformed() }
            isAtEnd = status == Z_STREAM_END
            isMore = produced == buffer.count
            if produced > 0 { try buffer.withUnsafeBytes { try receive(UnsafeRawBufferPointer(rebasing: $0[..<produced])) } }
        }
    }
}
