internal import COpenSSL
internal import Glibc

// How a loop gets from the thread that opened its listeners to the thread that runs it, and how its end is waited for.

/// Holds a loop until its thread takes it.
///
/// Safe: `put` happens before the thread starts, `run` on that thread alone, and the loop is freed there.
final class LoopBox: @unchecked Sendable {
    private var memory: UnsafeMutablePointer<EventLoop>?

    func put(_ loop: consuming EventLoop) {
        let place = UnsafeMutablePointer<EventLoop>.allocate(capacity: 1)
        place.initialize(to: loop)
        memory = place
    }

    func run(_ body: (inout EventLoop) -> Void) {
        guard let place = memory else { return }
        memory = nil
        var loop = place.move()
        place.deallocate()
        body(&loop)
    }

    deinit {
        if let place = memory {
            place.deinitialize(count: 1)
            place.deallocate()
        }
    }
}

/// Counts threads that have ended.
///
/// Safe: the mutex guards the count, and the condition is only used with it.
final class StopLatch: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var running: Int

    init(count: Int) {
        running = count
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    func count() {
        pthread_mutex_lock(mutex)
        running -= 1
        pthread_cond_broadcast(condition)
        pthread_mutex_unlock(mutex)
    }

    func wait() {
        pthread_mutex_lock(mutex)
        while running > 0 { pthread_cond_wait(condition, mutex) }
        pthread_mutex_unlock(mutex)
    }
}

/// Frees a context that was made to see whether it can be.
enum TLSProbe {
    static func free(_ context: OpaquePointer) { SSL_CTX_free(context) }
}
