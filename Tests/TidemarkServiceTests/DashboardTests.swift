import Foundation
import Testing
import TidemarkTestSupport

/// The page that the service serves: what its files may hold, and how it behaves in a browser.
@Suite("Dashboard")
struct DashboardTests {
    private static let assets = FixtureService.assets

    private static func files() throws -> [(name: String, text: String)] {
        try FileManager.default.contentsOfDirectory(atPath: assets.path).sorted().map {
            ($0, try String(contentsOf: assets.appendingPathComponent($0), encoding: .utf8))
        }
    }

    @Test("the files ask no other server, and hold nothing that default-src 'self' forbids")
    func contentPolicy() throws {
        let files = try Self.files()
        #expect(files.contains { $0.name == "index.html" } && files.count < 20)
        for (name, text) in files {
            let addresses = text.matches(of: /https?:\/\/[^\s"'`<>)]+/).map { String($0.output) }
            #expect(addresses.allSatisfy { $0 == "http://www.w3.org/2000/svg" }, "\(name): \(addresses)")
            for forbidden in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "@import", "javascript:", "data:"] {
                // The field of server-sent events.
                let isOfEvents = forbidden == "data:" && name == "api.js"
                #expect(isOfEvents || !text.contains(forbidden), "\(name): \(forbidden)")
            }
            guard name.hasSuffix(".html") || name.hasSuffix(".svg") else { continue }
            #expect(text.firstMatch(of: /\s(style|on[a-z]+)\s*=/) == nil, "\(name)")
            #expect(text.firstMatch(of: /<style|<script(?![^>]*\ssrc=)/) == nil, "\(name)")
        }
    }

    @Test("every file that another one names is there, and every one that is there is named")
    func references() throws {
        let files = try Self.files()
        let everything = files.map(\.text).joined()
        var named: Set = ["index.html"]
        for found in everything.matches(of: /["'`](?:\/dashboard\/|\.\/)([a-z-]+\.[a-z]+)["'`]/) { named.insert(String(found.output.1)) }
        // Of the icon's address, the middle is put in.
        named.formUnion(["icon-attention.svg", "icon-failed.svg"])
        #expect(named == Set(files.map(\.name)))
    }

    @Test(
        "used with keys and a mouse in headless Chromium, in both themes, wide and narrow",
        .serialized, .enabled(if: Browser.isInstalled, "needs chromium and python3 on PATH: apt install chromium python3"),
        arguments: [["--scenario", "many"], ["--scenario", "one", "--token", "a secret"]])
    func browser(scenario: [String]) throws {
        let service = try FixtureService(scenario)
        defer { service.stop() }
        let check = Shell.run(
            "/usr/bin/env", ["python3", FixtureService.folder.appendingPathComponent("check.py").path, service.address] + scenario.drop { $0 != "--token" })
        #expect(check.status == 0, "\(check.output)")
        #expect(check.output.contains("ok: the console is empty"), "\(check.output)")
    }
}

private enum Browser {
    static var isInstalled: Bool { Shell.run("/bin/sh", ["-c", "command -v chromium && command -v python3"]).status == 0 }
}
