// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "tidemark",
    targets: [
        // The pure core: values and decisions, no I/O, no clock, not even Foundation.
        .target(name: "TidemarkCore"),
        .testTarget(name: "TidemarkCoreTests", dependencies: ["TidemarkCore"]),
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
