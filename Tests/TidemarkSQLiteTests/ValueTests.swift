import Foundation
import Testing

@testable import TidemarkSQLite

@Suite struct ValueTests {
    @Test func wireKeepsEveryValue() throws {
        let database = try SQLiteDatabase(path: ":memory:", mode: .create)
        let values: [SQLiteValue] = [
            .null, .integer(.min), .integer(.max), .real(.infinity), .real(-.infinity), .real(Double.leastNonzeroMagnitude), .real(1),
            .text([]), .text([0x61, 0, 0x62]), .text([0xff, 0xc3, 0x28]), .blob([]), .blob([0, 1, 255]), .string("é😀"),
        ]
        for value in values { #expect(try database.rows("SELECT ?", [value]) == [[value]]) }
        #expect(try database.rows("SELECT ?", [.real(.nan)]) == [[.null]])
    }

    @Test func failuresAreTyped() throws {
        let database = try SQLiteDatabase(path: ":memory:", mode: .create)
        #expect(throws: SQLiteFailure.self) { try database.rows("SELECT ?", []) }
        #expect(throws: SQLiteFailure.self) { try database.prepare("") }
        #expect(throws: SQLiteFailure.self) { try database.execute("SELECT 1;\0 SELECT 2") }
        #expect(throws: SQLiteFailure.self) { try database.execute("nonsense") }
        #expect(throws: SQLiteFailure.self) { try SQLiteDatabase(path: "/nowhere/x", mode: .readWrite) }
        #expect(try database.prepare("SELECT 1").column(9) == .null)
    }

    @Test func imageKeepsDoublesBitForBit() throws {
        let captured = try Captured("CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
        var random = SplitMix(state: 11)
        let insert = try captured.database.prepare("INSERT INTO t (v) VALUES (?)")
        var doubles = [0.1 + 0.2, Double.leastNonzeroMagnitude, Double.greatestFiniteMagnitude, 2.2250738585072014e-308, 1 / 3.0, .infinity, -.infinity]
        while doubles.count < 2007 {
            let number = Double(bitPattern: random.next())
            if number.isFinite { doubles.append(number) }
        }
        for number in doubles {
            try insert.bind([.real(number)])
            _ = try insert.step()
            insert.reset()
        }
        var wrong = 0
        for (row, number) in zip(try captured.database.rows("SELECT image FROM data_changes ORDER BY id"), doubles) {
            let text = row[0].string?.split(separator: "\"v\":").last?.dropLast() ?? ""
            if strtod(String(text), nil).bitPattern != number.bitPattern { wrong += 1 }
        }
        #expect(wrong == 0)
    }

    @Test func imageSpellsEveryStorageClass() throws {
        let captured = try Captured("CREATE TABLE t (id INTEGER PRIMARY KEY, \"a \"\"b\" ANY)")
        let cases: [(SQLiteValue, String)] = [
            (.null, "null"), (.integer(.min), "-9223372036854775808"), (.string("a ]^[~"), "\"a ]^[~\""),
            (.string(""), "\"\""), (.text([0x61, 0]), #"{"t":"6100"}"#), (.text([0xff]), #"{"t":"FF"}"#),
            (.string("\""), #"{"t":"22"}"#), (.string("\\"), #"{"t":"5C"}"#), (.string("\n"), #"{"t":"0A"}"#),
            (.string("\u{7f}"), #"{"t":"7F"}"#), (.string("é"), #"{"t":"C3A9"}"#), (.blob([0, 0x31]), #"{"x":"0031"}"#),
            (.blob([]), #"{"x":""}"#), (.real(.infinity), "1e999"), (.real(-.infinity), "-1e999"),
        ]
        for (value, text) in cases {
            _ = try captured.database.rows("REPLACE INTO t VALUES (1, ?)", [value])
            let image = try captured.database.rows("SELECT image FROM data_changes ORDER BY id DESC LIMIT 1")
            #expect(image == [[.string(#"{"id":1,"a \"b":"# + text + "}")]])
        }
        #expect(try captured.isRight())
    }

    @Test func wideTablesAndUntrustedSchemas() throws {
        let columns = (0..<1990).map { "c\($0)" }.joined(separator: ",")
        let captured = try Captured("CREATE TABLE t (id INTEGER PRIMARY KEY, \(columns))", after: "PRAGMA trusted_schema = OFF")
        try captured.database.execute("INSERT INTO t (id, c1989) VALUES (1, 'x')")
        #expect(try captured.isRight())
    }

    @Test func hexIsReadDigitByDigit() {
        let scratch = ScratchBytes()
        for byte in UInt8.min...UInt8.max {
            let digit = byte < 128 ? Character(Unicode.Scalar(byte)).hexDigitValue.map { UInt8($0) } : nil
            for (text, value) in [([byte, 0x30], digit.map { $0 << 4 }), ([0x30, byte], digit)] {
                let bytes = (Array("\\x".utf8) + text).withUnsafeBufferPointer { text -> [UInt8]? in
                    let reader = TokenReader(base: text.baseAddress!, count: text.count, place: 0, scratch: scratch)
                    scratch.begin(atLeast: 1)
                    return reader.byteaBytes(text).map { Array($0) }
                }
                #expect(bytes == value.map { [$0] }, "\(text)")
            }
        }
    }
}
