import Glibc
package import Logging
import Synchronization
package import TidemarkCore

/// Where the lines of all loggers go. A line is written as a whole, so that those of several threads do not mix; a reader that
/// has gone away, or never was there, is no reason to stop.
package final class LogOutput: Sendable {
    package let format: LogFormat
    private let descriptor: Int32
    private let threshold: Mutex<Logger.Level>
    private let writing = Mutex(())

    package init(_ format: LogFormat, level: Logger.Level = .info, descriptor: Int32 = STDERR_FILENO) {
        (self.format, self.descriptor) = (format, descriptor)
        threshold = Mutex(level)
        signal(SIGPIPE, SIG_IGN)
    }

    /// What is below it is left out, from now on and by loggers that are there already.
    package var level: Logger.Level {
        get { threshold.withLock { $0 } }
        set { threshold.withLock { $0 = newValue } }
    }

    package func logger() -> Logger { Logger(label: "tidemark") { _ in LineHandler(output: self) } }

    func write(_ line: [UInt8]) {
        // One write(2) does for all but very long lines, which a pipe takes in parts.
        writing.withLock { _ in
            line.withUnsafeBytes { bytes in
                var rest = bytes[...]
                while let start = UnsafeRawBufferPointer(rebasing: rest).baseAddress, !rest.isEmpty {
                    let count = Glibc.write(descriptor, start, rest.count)
                    if count > 0 {
                        rest = rest.dropFirst(count)
                    } else if errno == EAGAIN {
                        var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                        // A reader that takes nothing for so long does not hold up the pipelines.
                        guard poll(&waiting, 1, 1_000) > 0 else { return }
                    } else if errno != EINTR {
                        return
                    }
                }
            }
        }
    }
}

/// One logger's part of an output.
struct LineHandler: LogHandler {
    let output: LogOutput
    private var ownLevel: Logger.Level?
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?

    init(output: LogOutput) { self.output = output }

    var logLevel: Logger.Level {
        get { ownLevel ?? output.level }
        set { ownLevel = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var all = metadata
        if let provided = metadataProvider?.get() { all.merge(provided) { $1 } }
        if let own = event.metadata { all.merge(own) { $1 } }
        if let error = event.error { all.merge(Logger.Metadata(describing: error)) { own, _ in own } }
        let entry = LogEntry(at: LogTime(), level: event.level, source: event.source, body: event.message.description, attributes: all)
        output.write(Array((output.format == .json ? entry.json : entry.console).utf8))
    }
}
