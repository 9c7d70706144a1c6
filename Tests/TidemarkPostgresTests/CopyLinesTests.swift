import Foundation
import Testing
import TidemarkCore
import TidemarkTestSupport

@testable import TidemarkPostgres

@Suite("Lines of COPY")
struct CopyLinesTests {
    private static let columns = ["a", "quoted \" name", "c"]

    private static func lines(_ images: [String], writing isWritten: (String) -> Bool = { _ in true }) -> String? {
        var page = ChangePage()
        for image in images {
            Array(image.utf8).withUnsafeBytes { page.append(id: 1, capture: 1, operation: .insert, key: nil, image: $0) }
        }
        return CopyLines(columns.map { ($0, isWritten($0)) }).lines(Array(images.indices), of: page)
            .map { String(decoding: $0, as: UTF8.self) }
    }

    private static func image(_ values: [String]) -> String {
        let members = zip(columns, values).map { "\(JSONString.quoted($0)):\($1)" }
        return "{\(members.joined(separator: ","))}"
    }

    /// What the server makes of a value of a line.
    private static func read(_ value: Substring) -> String? {
        if value == "\\N" { return nil }
        var text = ""
        var isEscaped = false
        for scalar in value.unicodeScalars {
            if !isEscaped, scalar == "\\" {
                isEscaped = true
                continue
            }
            let meant: Unicode.Scalar = switch scalar {
            case "b": "\u{8}"
            case "f": "\u{c}"
            case "n": "\n"
            case "r": "\r"
            case "t": "\t"
            default: scalar
            }
            text.unicodeScalars.append(isEscaped ? meant : scalar)
            isEscaped = false
        }
        return text
    }

    @Test("every text arrives as it was, wherever in it the escapes are", arguments: 0..<200)
    func texts(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let alphabet: [Unicode.Scalar] = ["a", "b", " ", "0", "\"", "\\", "\n", "\r", "\t", "\u{8}", "\u{c}", "\u{1}", "\u{1f}", "/", "\u{7f}", "ü", "東", "🚢"]
        let rows = (0..<5).map { _ in
            Self.columns.map { _ -> String? in
                if Int.random(in: 0..<8, using: &random) == 0 { return nil }
                let plain = Int.random(in: 0...7, using: &random)
                return (0..<Int.random(in: 0...30, using: &random)).reduce(into: "") { text, _ in
                    text.unicodeScalars.append(Int.random(in: 0..<8, using: &random) < plain ? "x" : alphabet.randomElement(using: &random)!)
                }
            }
        }
        let encoder = JSONEncoder()
        let images = try rows.map { row in
            Self.image(try row.map { try $0.map { String(decoding: try encoder.encode($0), as: UTF8.self) } ?? "null" })
        }
        let text = try #require(Self.lines(images))
        let read = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
            .map { $0.split(separator: "\t", omittingEmptySubsequences: false).map(Self.read) }
        #expect(read == rows)
    }

    @Test("scalars are written as they are, escapes as what they stand for, columns that the target computes not at all")
    func scalars() {
        #expect(Self.lines([Self.image(["-1.50e+20", "true", "null"])]) == "-1.50e+20\ttrue\t\\N\n")
        #expect(Self.lines([Self.image([#""""#, #""\u0041\u000a\u005c""#, #""\ud83d\udea2\/\u00fc""#])]) == "\tA\\n\\\\\t🚢/ü\n")
        let image = Self.image([#""longer than eight""#, "2", "3"])
        #expect(Self.lines([image, image], writing: { $0 != "a" }) == "2\t3\n2\t3\n")
        #expect(Self.lines([image], writing: { $0 != "c" }) == "longer than eight\t2\n")
        #expect(Self.lines([]) == "")
    }

    @Test("what is not of that form is left to JSON")
    func malformed() {
        let whole = Self.image([#""a text, {with} \" and \\ ""#, "12", #""\ud83d\udea2""#])
        #expect(Self.lines([whole]) != nil)
        for length in 0..<whole.utf8.count {
            #expect(Self.lines([String(decoding: whole.utf8.prefix(length), as: UTF8.self)]) == nil, "\(length)")
        }
        for values in [["{}", "1", "2"], ["[1]", "1", "2"], ["1", "2"], ["1", "2", "\"\u{1}\""], ["1", "2", #""\x""#], ["1", "2", #""\ud83d""#]] {
            #expect(Self.lines([Self.image(values)]) == nil, "\(values)")
        }
        #expect(Self.lines([whole + " "]) == nil)
        #expect(Self.lines([#"{"a":1,"c":2,"quoted \" name":3}"#]) == nil)
    }
}
