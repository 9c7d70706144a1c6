/// “1 table”, “2 tables”.
package enum Amount {
    package static func text(_ count: some BinaryInteger, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }

    /// “1 change waits”, “2 changes wait”.
    package static func text(_ count: some BinaryInteger, _ noun: String, _ verb: (one: String, many: String)) -> String {
        "\(text(count, noun)) \(count == 1 ? verb.one : verb.many)"
    }
}
