import Testing

@testable import TidemarkSQLite

/// Objects that two ends have changed, merged to the text that PostgreSQL's jsonb has for the same.
@Suite struct MergedJSONTests {
    @Test(
        "members count by themselves",
        arguments: [
            (#"{"a":1,"b":1}"#, #"{"a":2,"b":1}"#, #"{"a":1,"b":3}"#, #"{"a": 2, "b": 3}"#),
            (#"{"a":1,"b":1}"#, #"{"b":1}"#, #"{"a":1,"b":2,"c":3}"#, #"{"b": 2, "c": 3}"#),
            (#"{"a":1}"#, #"{}"#, #"{"a":2}"#, #"{"a": 2}"#),
            (#"{"o":{"x":1,"y":1}}"#, #"{"o":{"x":2,"y":1}}"#, #"{"o":{"x":1,"y":[1,2]}}"#, #"{"o": {"x": 2, "y": [1, 2]}}"#),
            (#"{}"#, #"{"a":"b"}"#, #"{"a":"c"}"#, #"{"a": "c"}"#),
            (nil, #"{"long":1}"#, #"{"z":2,"b":3}"#, #"{"b": 3, "z": 2, "long": 1}"#),
            (#"{"a":1}"#, "[1]", #"{"a":2}"#, #"{"a":2}"#),
        ] as [(String?, String, String, String)])
    func members(before: String?, target: String, source: String, merged: String) {
        let result = JSONMerge.merged(before: before.map { Array($0.utf8) }, target: Array(target.utf8), source: Array(source.utf8))
        #expect(result.map { String(decoding: $0, as: UTF8.self) } == merged)
    }

    @Test(
        "text is that of jsonb",
        arguments: [
            (#" {"bb":1e2, "a":-0.0, "ccc":[true,null,"\u00e9\/\n\u0001"], "a":1.50} "#, #"{"a": 1.50, "bb": 100, "ccc": [true, null, "é/\n\u0001"]}"#),
            ("-0", "0"), ("1.5e-3", "0.0015"), ("12.5e1", "125"), ("-1.20E+1", "-12.0"), ("0.10", "0.10"), (#""\ud83d\ude00""#, #""😀""#),
        ])
    func text(json: String, text: String) throws {
        #expect(try String(decoding: #require(JSONValue(json.utf8)).text, as: UTF8.self) == text)
    }

    @Test("what is no JSON is none", arguments: ["", "{", "{a:1}", "01", "1.", "[1,]", "nul", #""\u0000""#, #""\ud800""#, "1 2", "\"\n\""])
    func refused(json: String) { #expect(JSONValue(json.utf8) == nil) }
}
