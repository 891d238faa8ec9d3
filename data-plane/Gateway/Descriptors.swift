import Glibc
import HTTPEngine

// Descriptors are shared out before the first caller comes: what serves the node itself is never taken by callers
// (must-hold H52).

enum Descriptors {
    /// For the snapshot's stream, usage, the log and what the process has open anyway.
    static let reserved = 32
    static let least = 128

    /// Raises the process's own limit as far as it may and bounds the connections of each loop by what is left.
    /// - Returns: What to tell the operator where that is less than the settings ask for.
    static func prepare(_ limits: inout EngineLimits, loops: Int) throws(ExitReason) -> String? {
        var allowed = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &allowed) == 0 else { return nil }
        if allowed.rlim_cur < allowed.rlim_max {
            var raised = allowed
            raised.rlim_cur = allowed.rlim_max
            if setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &raised) == 0 { allowed = raised }
        }
        return try share(Int(clamping: allowed.rlim_cur), &limits, loops: loops)
    }

    /// Each call needs a descriptor for its caller and one for its backend; a loop has some of its own.
    static func share(_ count: Int, _ limits: inout EngineLimits, loops: Int) throws(ExitReason) -> String? {
        guard count >= least else {
            throw .cannotStart("\(count) descriptors are too few: allow at least \(least), `ulimit -n \(least)`")
        }
        let ofLoops = loops * 8
        let needed = reserved + ofLoops + 2 * loops * limits.connections
        guard count < needed else { return nil }
        limits.connections = max(4, (count - reserved - ofLoops) / (2 * loops))
        limits.backendIdleConnections = min(limits.backendIdleConnections, limits.connections)
        return
            "\(count) descriptors are enough for \(limits.connections) callers a loop; for all of the settings allow "
            + "\(needed) (`ulimit -n`)"
    }
}
