/// A remedy names the flags of the command line; who runs a service has keys in a file instead.
package enum KeysForFlags {
    /// “In the configuration: existing: for --existing, copy: false for --no-copy; then …”; nil where the remedy needs nothing of
    /// it, since it names no flag, or only ones of commands that are typed beside a service as well.
    package static func sentence(for remedy: String) -> String? {
        var found: [(flag: String, key: String)] = []
        for flag in flags(in: remedy) where !found.contains(where: { $0.flag == flag }) {
            if let key = key(for: flag) { found.append((flag, key)) }
        }
        guard !found.isEmpty else { return nil }
        let pairs = found.map { "\($0.key) for \($0.flag)" }.joined(separator: ", ")
        return "In the configuration of a service: \(pairs); have it read anew with SIGHUP."
    }

    /// Commands whose flags are what the configuration says of a pipeline.
    private static let configured: Set = ["run", "setup"]

    private static func flags(in remedy: String) -> [String] {
        var flags: [String] = []
        var command: String?
        var isNamingCommand = false
        for word in remedy.split(whereSeparator: \.isWhitespace) {
            let bare = word.trimmed
            if isNamingCommand { command = bare }
            isNamingCommand = bare == "tidemark"
            if bare.hasPrefix("--"), command.map({ configured.contains($0) }) ?? true {
                // Addresses behind a command are the pipeline's own, however they are given.
                if command == nil || !["--source", "--target", "--pipeline"].contains(bare) { flags.append(bare) }
            }
            // The command ends with its part of the sentence.
            if let last = word.last, ".,;:)".contains(last) { command = nil }
        }
        return flags
    }

    private static func key(for flag: String) -> String? {
        switch flag {
        case "--no-copy": "copy: false"
        case "--table": "tables:"
        case "--pipeline": "another name below pipelines:"
        case _ where ["--create", "--require-key", "--capture-replica-role"].contains(flag): "\(flag.dropFirst(2)): true"
        default: ConfigurationSection.pipeline.keys.contains(String(flag.dropFirst(2))) ? "\(flag.dropFirst(2)):" : nil
        }
    }
}

extension Substring {
    /// Without what a sentence puts around a word.
    fileprivate var trimmed: String {
        var word = self
        while let first = word.first, "(“".contains(first) { word = word.dropFirst() }
        while let last = word.last, ".,;:)”…".contains(last) { word = word.dropLast() }
        return String(word)
    }
}
