import Foundation
import Glibc

/// A terminal that shows a whole screen, and is given back as it was on every way out: a return, a thrown error, an exit,
/// a signal, and a crash.
final class Terminal {
    private static let enter = "\u{1B}[?1049h\u{1B}[?25l"
    private var drawn: [String] = []

    static var isPresent: Bool { isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1 }

    init() {
        tcgetattr(STDIN_FILENO, &saved)
        isTaken = true
        atexit { giveBack() }
        for number in [SIGABRT, SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGFPE] {
            signal(number) { number in
                giveBack()
                signal(number, SIG_DFL)
                raise(number)
            }
        }
        var raw = saved
        cfmakeraw(&raw)
        // A line feed stays one that begins a line.
        raw.c_oflag = saved.c_oflag
        tcsetattr(STDIN_FILENO, TCSANOW, &raw)
        write(Self.enter)
    }

    func close() { giveBack() }

    /// Columns and lines.
    var size: (width: Int, height: Int) {
        var found = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &found) == 0, found.ws_col > 0, found.ws_row > 0 else { return (80, 24) }
        return (Int(found.ws_col), Int(found.ws_row))
    }

    func draw(_ lines: [String]) {
        guard lines != drawn else { return }
        // After a change of size, nothing is where it was.
        let begin = lines.count == drawn.count ? "\u{1B}[H" : "\u{1B}[2J\u{1B}[H"
        drawn = lines
        write(begin + lines.map { $0 + "\u{1B}[K" }.joined(separator: "\r\n"))
    }

    func forget() { drawn = [] }

    private func write(_ text: String) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if written < 0 && errno != EINTR && errno != EAGAIN { return }
            rest = rest.dropFirst(max(0, written))
        }
    }
}

// What a handler of signals may touch: set once before it is installed, and C alone.
nonisolated(unsafe) private var saved = termios()
nonisolated(unsafe) private var isTaken = false
private let leave: StaticString = "\u{1B}[0m\u{1B}[?25h\u{1B}[?1049l"

private func giveBack() {
    guard isTaken else { return }
    isTaken = false
    tcsetattr(STDIN_FILENO, TCSANOW, &saved)
    _ = write(STDOUT_FILENO, leave.utf8Start, leave.utf8CodeUnitCount)
}
