/// How a pipeline may be called: it stands in tables, logs, addresses of an API and on terminals.
package enum PipelineName {
    package static let maxBytes = 63

    /// What is wrong with a name, if anything is.
    package static func fault(_ name: String) -> String? {
        if name.isEmpty { return "the name of a pipeline cannot be empty" }
        if name.utf8.count > maxBytes { return "the name of a pipeline has at most \(maxBytes) bytes" }
        let isHidden = name.unicodeScalars.contains {
            [.control, .lineSeparator, .paragraphSeparator].contains($0.properties.generalCategory) || $0.properties.isBidiControl
        }
        return isHidden ? "the name of a pipeline holds a control character" : nil
    }
}
