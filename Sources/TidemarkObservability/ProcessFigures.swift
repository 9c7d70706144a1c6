import Foundation

/// What Linux says of this process; what it does not say is nil.
package struct ProcessFigures: Sendable, Equatable {
    /// Since 1970.
    package var startedSeconds: Double?
    package var cpuSeconds: Double?
    package var residentBytes: Int64?
    package var virtualBytes: Int64?
    package var openFiles: Int64?
    package var maxFiles: Int64?
    package var threads: Int64?

    package init() {}

    package static var current: ProcessFigures {
        var figures = ProcessFigures(
            stat: text("/proc/self/stat"), systemStat: text("/proc/stat"), ticksPerSecond: Double(sysconf(Int32(_SC_CLK_TCK))),
            pageBytes: Int64(sysconf(Int32(_SC_PAGESIZE))))
        // The listing has its own descriptor open meanwhile.
        figures.openFiles = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")).map { Int64($0.count) - 1 }
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 { figures.maxFiles = Int64(clamping: limit.rlim_cur) }
        return figures
    }

    /// - Parameters:
    ///   - stat: /proc/self/stat
    ///   - systemStat: /proc/stat, for when the machine was started.
    init(stat: String, systemStat: String, ticksPerSecond: Double, pageBytes: Int64) {
        // The program's name comes second, in parentheses, and may hold anything.
        guard let end = stat.lastIndex(of: ")") else { return }
        let fields = stat[stat.index(after: end)...].split(separator: " ")
        guard fields.count > 21 else { return }
        // proc(5) counts from 1, and the first of these is its third.
        func field(_ number: Int) -> Int64? { Int64(fields[number - 3]) }
        if let user = field(14), let system = field(15) { cpuSeconds = Double(user + system) / ticksPerSecond }
        (threads, virtualBytes, residentBytes) = (field(20), field(23), field(24).map { $0 * pageBytes })
        let boot = systemStat.split(separator: "\n").first { $0.hasPrefix("btime ") }.flatMap { Double($0.dropFirst("btime ".count)) }
        if let boot, let start = field(22) { startedSeconds = boot + Double(start) / ticksPerSecond }
    }

    private static func text(_ path: String) -> String { (try? String(contentsOfFile: path, encoding: .utf8)) ?? "" }
}
