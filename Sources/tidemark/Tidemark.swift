import ArgumentParser

@main
struct Tidemark: AsyncParsableCommand {
    static let version = "0.1.0"
    static let configuration = CommandConfiguration(
        abstract: "Keeps a replica of a PostgreSQL or SQLite database, change by change.",
        discussion: """
            Triggers log every row change of the chosen tables in the source; \
            a worker applies them to the target, whole transactions at a time, \
            exactly once.

            EXAMPLE
              export TIDEMARK_SOURCE=postgresql://db1/shop
              export TIDEMARK_TARGET=postgresql://db2/shop
              tidemark check
              tidemark setup
              tidemark run
              tidemark status

            Exit status: 0 done; 1 failed; 2 a finding (check) or a difference (verify);
            64 wrong usage.
            Shell completions: tidemark --generate-completion-script bash (or zsh, fish).
            """,
        version: version,
        subcommands: [
            Setup.self, Run.self, Serve.self, Copy.self, Sync.self, Verify.self, Status.self, Check.self, SwitchoverCommand.self, FailoverCommand.self,
            FailbackCommand.self, DrillCommand.self, PauseCommand.self, Resume.self, WaitCommand.self, ParkedCommand.self, ConflictsCommand.self, DiffSince.self, Rewind.self,
            Teardown.self, Archive.self, ReplayCommand.self, ConfigCommand.self, Top.self,
        ])
}
