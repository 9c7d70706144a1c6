package import Logging
package import TidemarkCore

extension Logger {
    /// Says that something failed: what and why as one text, and apart from it where, and what to type.
    package func failure(_ error: any Error, level: Logger.Level = .error, file: String = #fileID) {
        guard let failure = error as? TidemarkError else {
            return log(level: level, "\(error)", metadata: Logger.Metadata(describing: error), file: file)
        }
        log(level: level, "\(failure.what): \(failure.why)", metadata: Logger.Metadata(describing: failure), file: file)
    }

    package subscript(_ key: LogKey) -> Logger.Metadata.Value? {
        get { self[metadataKey: key.rawValue] }
        set { self[metadataKey: key.rawValue] = newValue }
    }
}

extension Logger.Metadata {
    /// What programs want to know of an error.
    package init(describing error: any Error) {
        self = [LogKey.errorType.rawValue: "\(type(of: error))", LogKey.errorMessage.rawValue: "\(error)"]
        guard let failure = error as? TidemarkError else { return }
        self[LogKey.errorMessage.rawValue] = "\(failure.what): \(failure.why)"
        self[LogKey.remedy.rawValue] = "\(failure.remedy)"
        if let pipeline = failure.pipeline { self[LogKey.pipeline.rawValue] = "\(pipeline)" }
        if let table = failure.table { self[LogKey.table.rawValue] = "\(table)" }
        if let key = failure.key { self[LogKey.rowKey.rawValue] = "\(key)" }
        if let change = failure.changeID { self[LogKey.changeID.rawValue] = .stringConvertible(change) }
    }
}
