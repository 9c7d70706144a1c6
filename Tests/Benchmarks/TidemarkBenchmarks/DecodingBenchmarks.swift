import Benchmark
import TidemarkCore
import TidemarkPostgres

/// Reading the log: rows of a binary COPY become a page.
func measureDecoding() {
    for kind in RowKind.allCases {
        Benchmark("Decode \(kind.rawValue) of the log") { (benchmark, log: CopiedLog) throws in
            var page = ChangePage()
            var decoder = ChangeDecoder()
            try log.bytes.withUnsafeBytes { bytes in
                for row in benchmark.scaledIterations {
                    try decoder.decode(UnsafeRawBufferPointer(rebasing: bytes[log.rows[row]]), into: &page)
                }
            }
            blackHole(page)
        } setup: {
            CopiedLog(GeneratedChanges(kind).page)
        }
    }
}

/// What a server sends of the log, one message a row.
private struct CopiedLog {
    private(set) var bytes: [UInt8] = []
    private(set) var rows: [Range<Int>] = []

    init(_ page: ChangePage) {
        bytes += Array("PGCOPY\n".utf8) + [0xff, 0x0d, 0x0a, 0x00] + [UInt8](repeating: 0, count: 8)
        var start = 0
        for change in page.changes {
            append(Int16(5))
            append(field: change.id)
            append(field: change.capture)
            append(field: change.operation.rawValue)
            append(change.key.map { page.bytes[$0] })
            append(change.image.map { page.bytes[$0] })
            rows.append(start..<bytes.count)
            start = bytes.count
        }
    }

    private mutating func append(_ number: some FixedWidthInteger) {
        withUnsafeBytes(of: number.bigEndian) { bytes.append(contentsOf: $0) }
    }

    private mutating func append<Number: FixedWidthInteger>(field number: Number) {
        append(Int32(MemoryLayout<Number>.size))
        append(number)
    }

    private mutating func append(_ field: ArraySlice<UInt8>?) {
        append(Int32(field?.count ?? -1))
        bytes += field ?? []
    }
}
