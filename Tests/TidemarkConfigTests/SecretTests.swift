import Foundation
import Testing
import TidemarkCore

@testable import TidemarkConfig

/// Where secrets come from, and that nobody is shown one.
@Suite("Secrets of a configuration")
struct SecretTests {
    private static let password = "p@ss/w:rd%'\\ ?&#ü"
    private static let encoded = "p%40ss%2Fw%3Ard%25%27%5C%20%3F%26%23%C3%BC"

    private func source(_ yaml: String, environment: [String: String] = [:]) throws -> String? {
        try loaded("pipelines:\n  a:\n    source: \(yaml)\n    target: sqlite:/b\n", environment: environment).pipelines[0].source
    }

    @Test("a password with any characters arrives as it is, in each form of address")
    func passwords() throws {
        let file = try scratchFile((Self.password + "\n").utf8)
        let environment = ["PW": Self.password, "URL": "postgresql://app@db/shop?sslmode=require"]
        #expect(try source("postgresql://app:${PW}@db/shop", environment: environment) == "postgresql://app:\(Self.encoded)@db/shop")
        #expect(try source("postgresql://db/shop?password=${PW}", environment: environment) == "postgresql://db/shop?password=\(Self.encoded)")
        let quoted = "'p@ss/w:rd%\\'\\\\ ?&#ü'"
        #expect(try source("host=db password=${PW} user=app", environment: environment) == "host=db password=\(quoted) user=app")
        #expect(try source("host=db password='${PW}'", environment: environment) == "host=db password=\(quoted)")
        #expect(try source("{url: 'postgresql://app@db/shop', password-file: \(file)}") == "postgresql://app@db/shop?password=\(Self.encoded)")
        #expect(try source("{env: URL, password-env: PW}", environment: environment) == "postgresql://app@db/shop?sslmode=require&password=\(Self.encoded)")
        #expect(try source("{url: service=shop, password-env: PW}", environment: environment) == "service=shop password=\(quoted)")
        #expect(try source("{file: \(try scratchFile("sqlite:/x\r\n".utf8))}") == "sqlite:/x")
        #expect(try source("sqlite:/a$${HOME}/$5/${D}", environment: ["D": "d${PW}"]) == "sqlite:/a${HOME}/$5/d${PW}")
    }

    @Test(
        "what cannot be is said, with the place",
        arguments: [
            ("{url: 'sqlite:/a', password-env: PW}", "3:32: password-env: is for an address of a server that has no password in it"),
            ("{url: 'postgresql://a:b@h/d', password-env: PW}", "password-env: is for an address"), ("{url: a, env: B}", "3:13: source: has to have one of url, file and env"),
            ("{password-env: PW}", "source: has to have one of"), ("{env: NOPE}", "env: the environment variable NOPE is not set"), ("{env: EMPTY}", "EMPTY is empty"),
            ("{file: /nonexistent/s}", "file: /nonexistent/s cannot be used: there is no such file"), ("{file: /tmp}", "it is a directory"),
            ("{file: /dev/zero}", "it is larger than 64 KiB"), ("{file: /dev/null}", "it is empty"),
            ("{url: 'service=a', password-env: PW, password-file: /x}", "source: has two passwords"), ("{env: 'postgresql://u:hunter2@h/d'}", "env: has to be the name of an environment variable"),
        ])
    func refused(yaml: String, expected: String) {
        let found = faults("pipelines:\n  a:\n    source: \(yaml)\n    target: sqlite:/b\n", environment: ["PW": "x", "EMPTY": ""])
        #expect(found.count == 1 && found[0].contains(expected), "\(found)")
    }

    @Test("a file that others may read gives a warning that says what to type")
    func readers() throws {
        for (mode, readers) in [(0o644, "everybody"), (0o600, nil), (0o400, nil), (0o604, "everybody")] as [(Int, String?)] {
            let file = try scratchFile("sqlite:/x".utf8, mode: mode)
            let found = faults("pipelines:\n  a: {source: {file: \(file)}, target: 'sqlite:/b'}\n")
            #expect(found == (readers.map { ["2:22: warning: file: \($0) may read \(file); type: chmod 600 \(file)"] } ?? []), "\(mode)")
        }
        let literal = try scratchFile("pipelines: {a: {source: 'postgresql://u:hunter2@h/d', target: 'sqlite:/b'}}".utf8, mode: 0o644)
        let warnings = try Configuration(path: literal, environment: [:]).warnings.map(\.what)
        #expect(warnings.count == 1 && warnings[0].contains("everybody may read this file"), "\(warnings)")
        let reference = try scratchFile("pipelines: {a: {source: 'postgresql://u:${PW}@h/d', target: 'sqlite:/b'}}".utf8, mode: 0o644)
        #expect(try Configuration(path: reference, environment: ["PW": "hunter2"]).warnings.isEmpty)
    }

    @Test(
        "no secret is in what is said of a file, wherever it stands",
        arguments: [
            "pipelines:\n  a: {source: 'postgresql://u:hunter2@h/d', sorce: hunter2, tables: {hunter2: 1}}\n",
            "pipelines:\n  a:\n    sorce: hunter2\n    pasword: hunter2\n    xyzzy: hunter2\n    target: {password: hunter2, hunter2: x, url: 'hunter2'}\n",
            "pipelines:\n  a:\n    source: \"postgresql://u:hunter2@h/x\": y\n", "pipelines:\n  a:\n    source: [hunter2\n",
            "pipelines:\n  a:\n    source: 'x:hunter2'\n    source: 'x:hunter2'\n    postgresql://u:hunter2@h/d: 1\n",
            "service:\n  tokens:\n    - hunter2\n    - {hunter2}\n    - {name: a, role: hunter2 , token: 'hunter2 x'}\n    - token: hunter2\n      token: hunter2\npipelines: hunter2\n",
            "service:\n  tokens: hunter2\n  tls: hunter2\npipelines:\n  a: hunter2\n  b: [hunter2]\n", "hunter2\n", "- hunter2\n",
            "service:\n  tls: {key: hunter2, certificate: /nonexistent}\n  token: hunter2\ndefaults: {source: hunter2}\npipelines: {}\n",
            "pipelines:\n  a:\n    capture: x # the password is hunter2\n    source:\n      env: ${hunter2\n",
            "pipelines:\n  a:\n    source: >\n      host=x\n      hunter2: &x\n     y\n", "pipelines:\n  a:\n    source: postgresql://u:hunter2@h/\u{1}\n",
            "pipelines:\n  a:\n    source: *hunter2\n", "pipelines: !hunter2\n  %hunter2\n", "pipelines:\n  a:\n    source: postgresql://u:${hunter2 x}@h\n",
        ])
    func neverShown(text: String) {
        let found = problems(text, environment: ["PW": "hunter2"])
        #expect(!found.isEmpty && !found.map { $0.text(path: "f") }.joined().contains("hunter2"), "\(found.map { $0.text(path: "f") })")
    }

    @Test("a token shows nothing of itself")
    func token() {
        let token = ServiceSettings.Token(name: "a", role: .read, secret: Secret("hunter2"))
        #expect(!"\(token) \(String(reflecting: token))".contains("hunter2"))
    }
}
