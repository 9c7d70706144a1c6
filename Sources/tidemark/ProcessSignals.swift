import Dispatch
import Foundation

/// Signals to this process as calls, while this value lives.
final class ProcessSignals {
    /// Those that ask for an end.
    static let stops = [SIGTERM, SIGINT]
    private let sources: [any DispatchSourceSignal]

    init(_ numbers: [Int32], _ received: @escaping @Sendable () -> Void) {
        sources = numbers.map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler(handler: received)
            source.resume()
            return source
        }
    }

    func cancel() { sources.forEach { $0.cancel() } }
}
