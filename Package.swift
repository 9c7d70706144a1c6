// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "tidemark",
    products: [
        .executable(name: "tidemark", targets: ["tidemark"]),
        // For programs that replicate within their own process.
        .library(name: "TidemarkEngine", targets: ["TidemarkEngine"]),
    ],
    dependencies: [
        // Apple's own: commands, help, completions and usage errors from one declaration.
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        // The logging that every Swift server package speaks.
        .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
        // YAML with the line of each node, so that a wrong configuration is named by its place.
        .package(url: "https://github.com/jpsim/Yams", from: "6.0.0"),
        // The HTTP server of the Swift server community: structured concurrency, graceful stop, TLS by a product of its own.
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
    ],
    targets: [
        // The pure core: values and decisions, no I/O, no clock, not even Foundation.
        .target(name: "TidemarkCore"),
        .target(name: "TidemarkBlocking", dependencies: ["TidemarkCore"]),

        // An engine: the SQL that it installs, the C library, and what speaks to it.
        .target(
            name: "PostgresSQL", path: "sql/postgresql",
            resources: [
                "install.sql", "columns.sql", "registry.sql", "log.sql", "limit.sql", "applied.sql", "image.sql", "shape.sql", "before-image.sql", "row-capture.sql",
                "capture-kind.sql", "capture.sql", "attach.sql", "roles.sql", "parked.sql", "conflict.sql", "target.sql", "lease.sql", "sync.sql",
                "uninstall.sql",
                "waiting.sql", "wait-for.sql", "wait-until.sql", "sites.sql",
            ].map { .embedInCode($0) }),
        .systemLibrary(name: "CLibPQ", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .target(name: "TidemarkPostgres", dependencies: ["TidemarkCore", "PostgresSQL", "CLibPQ"]),

        .target(
            name: "SQLiteSQL", path: "sql/sqlite",
            resources: ["install.sql", "target.sql", "roles.sql", "uninstall.sql"].map { .embedInCode($0) }),
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .target(name: "TidemarkSQLite", dependencies: ["TidemarkCore", "SQLiteSQL", "CSQLite"]),

        // Windows as files.
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .target(name: "TidemarkArchive", dependencies: ["TidemarkCore", "CZlib", "CCrypto"]),

        .target(
            name: "TidemarkPipeline",
            dependencies: [
                "TidemarkCore", "TidemarkBlocking", .product(name: "Logging", package: "swift-log"),
            ]),
        // The only one that knows all engines.
        .target(
            name: "TidemarkApp",
            dependencies: [
                "TidemarkCore", "TidemarkPostgres", "TidemarkSQLite", "TidemarkArchive", "TidemarkPipeline", "TidemarkConfig",
                .product(name: "Logging", package: "swift-log"),
            ]),
        // What a configuration file says, with the place of everything that is wrong in it.
        .target(name: "TidemarkConfig", dependencies: ["TidemarkCore", "Yams"]),
        // Metrics as Prometheus reads them, and the forms of the log.
        .target(name: "TidemarkObservability", dependencies: ["TidemarkCore", .product(name: "Logging", package: "swift-log")]),
        // Many pipelines in one process, and what may be asked of them.
        .target(
            name: "TidemarkService",
            dependencies: [
                "TidemarkCore", "TidemarkBlocking", "TidemarkPipeline", "TidemarkApp", "TidemarkConfig", "TidemarkObservability",
                .product(name: "Logging", package: "swift-log"),
            ]),
        // The service's API and dashboard.
        .target(
            name: "TidemarkHTTP",
            dependencies: [
                "TidemarkCore", "TidemarkBlocking", "TidemarkApp", "TidemarkConfig", "TidemarkService", "TidemarkObservability",
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdTLS", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
            ],
            resources: [
                "openapi.json", "Dashboard/index.html", "Dashboard/style.css", "Dashboard/icon.svg", "Dashboard/icon-attention.svg",
                "Dashboard/icon-failed.svg", "Dashboard/api.js", "Dashboard/app.js", "Dashboard/conflicts.js", "Dashboard/dom.js", "Dashboard/format.js",
                "Dashboard/overview.js", "Dashboard/parked.js", "Dashboard/pipeline.js", "Dashboard/plot.js", "Dashboard/tasks.js",
            ].map { .embedInCode($0) }),
        .executableTarget(
            name: "tidemark",
            dependencies: [
                "TidemarkCore", "TidemarkArchive", "TidemarkPipeline", "TidemarkApp", "TidemarkConfig", "TidemarkObservability",
                "TidemarkService", "TidemarkHTTP",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ]),

        // The public API: all that another package sees.
        .target(
            name: "TidemarkEngine",
            dependencies: [
                "TidemarkCore", "TidemarkBlocking", "TidemarkPipeline", "TidemarkApp", .product(name: "Logging", package: "swift-log"),
            ]),
        // What that looks like; it has nothing else to import.
        .executableTarget(name: "embedding-example", dependencies: ["TidemarkEngine"], path: "Sources/EmbeddingExample"),

        .target(
            name: "TidemarkTestSupport", dependencies: ["TidemarkPostgres"], path: "Tests/TidemarkTestSupport"),
        .testTarget(name: "TidemarkCoreTests", dependencies: ["TidemarkCore", "TidemarkTestSupport"]),
        .testTarget(
            name: "TidemarkPipelineTests",
            dependencies: [
                "TidemarkCore", "TidemarkPipeline", "TidemarkTestSupport",
                .product(name: "Logging", package: "swift-log"),
            ]),
        .testTarget(
            name: "TidemarkConformanceTests",
            dependencies: [
                "TidemarkCore", "TidemarkPostgres", "TidemarkSQLite", "TidemarkArchive", "TidemarkPipeline", "TidemarkApp",
                "TidemarkEngine", "TidemarkTestSupport", .product(name: "Logging", package: "swift-log"),
            ]),
        .testTarget(
            name: "TidemarkEndToEndTests",
            dependencies: ["TidemarkCore", "TidemarkPostgres", "TidemarkSQLite", "TidemarkTestSupport", "tidemark", "embedding-example", "Yams"]),
        .testTarget(name: "TidemarkConfigTests", dependencies: ["TidemarkConfig", "TidemarkTestSupport"]),
        .testTarget(name: "TidemarkObservabilityTests", dependencies: ["TidemarkCore", "TidemarkObservability", .product(name: "Logging", package: "swift-log")]),
        .testTarget(
            name: "TidemarkServiceTests",
            dependencies: [
                "TidemarkCore", "TidemarkPostgres", "TidemarkSQLite", "TidemarkPipeline", "TidemarkApp", "TidemarkConfig", "TidemarkObservability",
                "TidemarkService", "TidemarkHTTP", "TidemarkTestSupport", .product(name: "Logging", package: "swift-log"),
                "Yams",
            ],
            // What drives the dashboard in a browser.
            exclude: ["Dashboard"]),
        .testTarget(
            name: "TidemarkHTTPTests",
            dependencies: [
                "TidemarkCore", "TidemarkApp", "TidemarkConfig", "TidemarkService", "TidemarkHTTP", "TidemarkTestSupport",
                .product(name: "Logging", package: "swift-log"),
            ]),
        .testTarget(name: "TidemarkSQLiteTests", dependencies: ["TidemarkCore", "TidemarkSQLite", "SQLiteSQL", "TidemarkTestSupport"]),
        .testTarget(
            name: "TidemarkPostgresTests",
            dependencies: ["TidemarkCore", "TidemarkPostgres", "PostgresSQL", "TidemarkTestSupport"]),
    ],
    swiftLanguageModes: [.v6]
)

// Micro-benchmarks of the hot paths, only where they are asked for: nothing else resolves or builds what they need.
if Context.environment["TIDEMARK_MICROBENCHMARKS"] != nil {
    package.dependencies.append(
        // Throughput and percentiles with baselines by name, so that two commits can be compared.
        .package(url: "https://github.com/ordo-one/benchmark", from: "1.38.1", traits: []))
    package.targets.append(
        .executableTarget(
            name: "TidemarkBenchmarks",
            dependencies: [
                "TidemarkCore", "TidemarkPostgres", "TidemarkSQLite", "TidemarkTestSupport",
                .product(name: "Benchmark", package: "benchmark"),
            ],
            // The plugin takes only targets in a folder of that name.
            path: "Tests/Benchmarks/TidemarkBenchmarks",
            plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")]))
}

// One set of strict settings for every Swift target, so that none can drift.
for target in package.targets where target.type != .system {
    target.swiftSettings = (target.swiftSettings ?? []) + [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .treatAllWarnings(as: .error),
    ]
}
