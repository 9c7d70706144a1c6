/// The native form: of each value a tag and its bits, row after row, without lengths of rows or names of columns.
/// Only processes of one machine exchange it, so numbers lie as the processor has them.
enum NativeTag {
    static let null: UInt8 = 0
    /// Four bytes; most integers fit.
    static let shortInteger: UInt8 = 1
    static let integer: UInt8 = 2
    static let real: UInt8 = 3
    /// The length in four bytes, then the bytes.
    static let text: UInt8 = 4
    static let blob: UInt8 = 5

    /// How many bytes of fixed size follow a tag.
    @inline(__always)
    static func size(_ tag: UInt8) -> Int {
        switch tag {
        case null: 0
        case integer, real: 8
        default: 4
        }
    }
}
