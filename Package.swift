// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "tidemark",
    products: [.executable(name: "tidemark", targets: ["tidemark"])],
    dependencies: [
        // Apple's own: commands, help, completions and usage errors from one declaration.
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0")
    ],
    targets: [
        // The pure core: values and decisions, no I/O, no clock, not even Foundation.
        .target(name: "TidemarkCore"),
        .target(name: "TidemarkBlocking", dependencies: ["TidemarkCore"]),

        // An engine: the SQL that it installs, the C library, and what speaks to it.
        .target(
            name: "PostgresSQL", path: "sql/postgresql",
            resources: [.embedInCode("install.sql"), .embedInCode("target.sql"), .embedInCode("uninstall.sql")]),
        .systemLibrary(name: "CLibPQ", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .target(name: "TidemarkPostgres", dependencies: ["TidemarkCore", "TidemarkBlocking", "PostgresSQL", "CLibPQ"]),

        .target(name: "TidemarkPipeline", dependencies: ["TidemarkCore", "TidemarkBlocking", "TidemarkPostgres"]),
        .executableTarget(
            name: "tidemark",
            dependencies: [
                "TidemarkCore", "TidemarkPostgres", "TidemarkPipeline",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),

        .target(
            name: "TidemarkTestSupport", dependencies: ["TidemarkPostgres"], path: "Tests/TidemarkTestSupport"),
        .testTarget(name: "TidemarkCoreTests", dependencies: ["TidemarkCore"]),
        .testTarget(
            name: "TidemarkEndToEndTests",
            dependencies: ["TidemarkCore", "TidemarkBlocking", "TidemarkPostgres", "TidemarkTestSupport", "tidemark"]),
        .testTarget(
            name: "TidemarkPostgresTests",
            dependencies: ["TidemarkCore", "TidemarkPostgres", "PostgresSQL", "TidemarkTestSupport"]),
    ],
    swiftLanguageModes: [.v6]
)

// One set of strict settings for every Swift target, so that none can drift.
for target in package.targets where target.type != .system {
    target.swiftSettings = (target.swiftSettings ?? []) + [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .treatAllWarnings(as: .error),
    ]
}
