import Testing
import TidemarkCore

@testable import TidemarkConfig

@Suite("What a remedy's flags are in a configuration")
struct KeysForFlagsTests {
    @Test(
        "flags of a pipeline are told as keys; those of commands that are typed beside a service are not",
        arguments: [
            ("Choose: --existing empty removes them first; --no-copy leaves the copy out.", "existing: for --existing, copy: false for --no-copy"),
            ("Type: tidemark copy --table … --existing empty …; then tidemark verify --repair …", nil),
            ("Type: tidemark setup --source … --target …", nil), ("Point --source at the right database.", "source: for --source"),
            ("Give this one another name with --pipeline, or point --source at it.", "another name below pipelines: for --pipeline, source: for --source"),
            ("Type tidemark copy --table T --existing empty …, or leave it out: tidemark setup … --exclude T.", "exclude: for --exclude"),
            ("Type tidemark setup --create …, or leave it out with --exclude; then type: tidemark run …", "create: true for --create, exclude: for --exclude"),
            ("Do without --require-key.", "require-key: true for --require-key"), ("Mend it (with --max-log-size); then go on.", "max-log-size: for --max-log-size"),
            ("Type: tidemark switchover --check …, or --even-if-behind.", nil), ("Check that the server runs.", nil),
        ])
    func keys(remedy: String, expected: String?) {
        #expect(
            KeysForFlags.sentence(for: remedy) == expected.map { "In the configuration of a service: \($0); have it read anew with SIGHUP." })
    }

    @Test("what is said of rows that a copy would meet names the keys")
    func refusedCopy() {
        let remedy = TableCopy.refusal(of: TableName(schema: "public", name: "t"), pipeline: "p").remedy
        #expect(KeysForFlags.sentence(for: remedy)?.contains("existing: for --existing, copy: false for --no-copy") == true, "\(remedy)")
    }
}
