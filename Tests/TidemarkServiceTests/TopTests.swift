import Foundation
import Glibc
import Testing
import TidemarkTestSupport

/// The built `tidemark top`, on a terminal and without one.
@Suite(
    "tidemark top", .serialized, .timeLimit(.minutes(3)), .enabled(if: FixtureService.isPossible, "needs python3 on PATH, for a service that answers"))
struct TopTests {
    @Test("help has an example")
    func help() {
        let help = Shell.run(Shell.tidemark, ["top", "--help"])
        #expect(help.status == 0)
        for text in ["EXAMPLE", "tidemark top --once", "--url", "--token-file", "--json", "NO_COLOR"] { #expect(help.output.contains(text), "\(text)") }
    }

    @Test("without a terminal it prints one table of all pages of the list, or the API's JSON")
    func once() throws {
        let service = try FixtureService(["--scenario", "many"])
        defer { service.stop() }
        let table = Shell.run(Shell.tidemark, ["top", "--url", service.address])
        #expect(table.status == 0)
        let lines = table.output.split(separator: "\n")
        #expect(lines.filter { $0.contains("tenant_") }.count == 91 && lines[1].contains("✗ billing"), "\(table.output)")
        #expect(!table.output.contains("\u{1B}") && !table.output.contains("\u{202E}"))
        let json = Shell.run(Shell.tidemark, ["top", "--json", "--url", service.address])
        let document = try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any]
        #expect((document?["pipelines"] as? [Any])?.count == 100 && document?["service"] != nil)
    }

    @Test("what is wrong is said with what to type")
    func errors() throws {
        let service = try FixtureService(["--scenario", "one", "--token", "a secret"])
        defer { service.stop() }
        let refused = Shell.run(Shell.tidemark, ["top", "--once", "--url", service.address])
        #expect(refused.status == 1 && refused.output.contains("--token-file"), "\(refused.output)")
        #expect(Shell.run(Shell.tidemark, ["top", "--once", "--url", service.address], environment: ["TIDEMARK_TOKEN": "a secret"]).status == 0)
        let absent = Shell.run(Shell.tidemark, ["top", "--once"], environment: ["TIDEMARK_URL": "http://127.0.0.1:1"])
        #expect(absent.status == 1 && absent.output.contains("tidemark serve --config"), "\(absent.output)")
        let notTLS = Shell.run(Shell.tidemark, ["top", "--once", "--url", service.address.replacing("http:", with: "https:")])
        #expect(notTLS.status == 1 && notTLS.output.contains("update-ca-certificates"), "\(notTLS.output)")
        #expect(Shell.run(Shell.tidemark, ["top", "--url", "ftp://h"]).output.contains("is no address of a service"))
    }

    @Test("on a terminal it draws, filters, pauses once that is confirmed, and gives the terminal back on q")
    func terminal() throws {
        let service = try FixtureService(["--scenario", "many"])
        defer { service.stop() }
        let terminal = try PseudoTerminal(["top", "--url", service.address], width: 100, height: 24)
        try terminal.wait(for: "100 pipelines")
        #expect(terminal.seen.contains("\u{1B}[?1049h"))
        terminal.type("/shop")
        try terminal.wait(for: "filter: shop_")
        terminal.type("\r")
        terminal.type("p")
        try terminal.wait(for: "Pause shop?")
        terminal.type("y")
        try terminal.wait(for: "pause is done")
        let sent = try String(contentsOf: URL(string: "\(service.address)/sent")!, encoding: .utf8)
        #expect(sent.contains("/pipelines/shop/pause"))
        terminal.type("q")
        #expect(terminal.end() == 0)
        #expect(terminal.seen.hasSuffix("\u{1B}[?1049l"))
    }

    @Test("a signal gives the terminal back, too", arguments: [SIGTERM, SIGINT, SIGHUP])
    func signals(number: Int32) throws {
        let service = try FixtureService(["--scenario", "one"])
        defer { service.stop() }
        let terminal = try PseudoTerminal(["top", "--url", service.address], width: 80, height: 24)
        try terminal.wait(for: "1 pipeline:")
        kill(terminal.processID, number)
        #expect(terminal.end() == 0)
        #expect(terminal.seen.hasSuffix("\u{1B}[?1049l") && terminal.isCooked)
    }
}

/// A terminal whose other end the test holds.
private final class PseudoTerminal {
    private let (outer, inner): (Int32, Int32)
    private let process = Process()
    private(set) var seen = ""
    private var bytes: [UInt8] = []

    init(_ arguments: [String], width: UInt16, height: UInt16) throws {
        outer = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
        // What posix_openpt and its like do, which Glibc's module leaves out: TIOCSPTLCK, and TIOCGPTN.
        var (lock, number): (Int32, UInt32) = (0, 0)
        #expect(ioctl(outer, 0x4004_5431, &lock) == 0 && ioctl(outer, 0x8004_5430, &number) == 0)
        inner = open("/dev/pts/\(number)", O_RDWR | O_NOCTTY | O_CLOEXEC)
        var size = winsize(ws_row: height, ws_col: width, ws_xpixel: 0, ws_ypixel: 0)
        _ = ioctl(outer, UInt(TIOCSWINSZ), &size)
        let end = FileHandle(fileDescriptor: inner, closeOnDealloc: false)
        process.executableURL = URL(fileURLWithPath: Shell.tidemark)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(["NO_COLOR": "1"]) { $1 }
        (process.standardInput, process.standardOutput, process.standardError) = (end, end, end)
        try process.run()
    }

    var processID: Int32 { process.processIdentifier }

    /// Does the terminal show what is typed, and take lines?
    var isCooked: Bool {
        var now = termios()
        return tcgetattr(inner, &now) == 0 && now.c_lflag & UInt32(ECHO) != 0 && now.c_lflag & UInt32(ICANON) != 0
    }

    func type(_ text: String) { _ = write(outer, text, text.utf8.count) }

    func wait(for text: String) throws {
        while !seen.contains(text) { try #require(readMore(), "the program ended without “\(text)”: \(seen)") }
    }

    private func readMore() -> Bool {
        var part = [UInt8](repeating: 0, count: 65_536)
        let count = read(outer, &part, part.count)
        guard count > 0 else { return false }
        bytes += part.prefix(count)
        seen = String(decoding: bytes, as: UTF8.self)
        return true
    }

    /// Waits for the program's end, and reads what it wrote last.
    func end() -> Int32 {
        process.waitUntilExit()
        _ = fcntl(outer, F_SETFL, O_NONBLOCK)
        while readMore() {}
        return process.terminationStatus
    }

    deinit {
        close(outer)
        close(inner)
    }
}
