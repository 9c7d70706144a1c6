import Foundation

/// The time of day of programs that a test starts, which it sets as it likes: a clock that jumps. What counts from the
/// machine's start goes on, as it does when somebody sets a real clock.
package final class SetClock: Sendable {
    /// For the programs that have it.
    package let environment: [String: String]
    private let path: String

    /// - Returns: nil where no compiler is at hand.
    package init?() {
        guard let library = Self.library else { return nil }
        path = FileManager.default.temporaryDirectory.path + "/tidemark-clock-\(UUID().uuidString)"
        environment = ["LD_PRELOAD": library, "TIDEMARK_TEST_CLOCK": path]
        // Servers run as another user.
        _ = FileManager.default.createFile(atPath: path, contents: Data(count: 8), attributes: [.posixPermissions: 0o644])
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Puts it so far from the machine's.
    package func set(offsetSeconds: Int64) {
        guard let file = FileHandle(forUpdatingAtPath: path) else { return }
        // In place, and in one piece: the programs have it mapped.
        file.write(withUnsafeBytes(of: offsetSeconds) { Data($0) })
        try? file.close()
    }

    /// Built once, where Swift's own compiler of C is.
    private static let library: String? = {
        let place = FileManager.default.temporaryDirectory.path + "/tidemark-clock-\(UUID().uuidString)"
        let compiled = Shell.run(
            "/bin/bash", ["-c", "set -e\numask 022\ncc=$(command -v clang || command -v cc)\n\"$cc\" -shared -fPIC -O1 -x c - -o '\(place).so' <<'C'\n\(source)\nC"])
        return compiled.status == 0 ? place + ".so" : nil
    }()

    private static let source = """
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <fcntl.h>
        #include <stdint.h>
        #include <stdlib.h>
        #include <sys/mman.h>
        #include <sys/time.h>
        #include <time.h>
        #include <unistd.h>

        static volatile int64_t *offset;

        __attribute__((constructor)) static void begin(void) {
            const char *path = getenv("TIDEMARK_TEST_CLOCK");
            int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
            if (file < 0) return;
            void *mapped = mmap(0, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
            if (mapped != MAP_FAILED) offset = mapped;
            close(file);
        }

        int clock_gettime(clockid_t clock, struct timespec *at) {
            static int (*real)(clockid_t, struct timespec *);
            if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
            int status = real(clock, at);
            if (!status && offset && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) at->tv_sec += *offset;
            return status;
        }

        int gettimeofday(struct timeval *at, void *zone) {
            struct timespec now;
            clock_gettime(CLOCK_REALTIME, &now);
            at->tv_sec = now.tv_sec;
            at->tv_usec = now.tv_nsec / 1000;
            return 0;
        }

        time_t time(time_t *at) {
            struct timespec now;
            clock_gettime(CLOCK_REALTIME, &now);
            if (at) *at = now.tv_sec;
            return now.tv_sec;
        }
        """
}
