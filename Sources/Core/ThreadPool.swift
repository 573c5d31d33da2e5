import KernelABI
import Shims

public let maxThreads = 256

/// How many threads a call may use, the calling one included.
public enum ThreadCount {
    /// 0 restores the default.
    public static func set(_ count: Int32) {
        shim_store_i32(&Processor.state.pointee.chosen_threads, min(count, Int32(maxThreads)))
    }

    /// As set, else as in the environment, else the processors this process may run on.
    public static func get() -> Int {
        let state = Processor.state
        let chosen = shim_load_i32(&state.pointee.chosen_threads)
        if chosen > 0 { return Int(chosen) }
        if state.pointee.environment_threads > 0 { return Int(state.pointee.environment_threads) }
        return min(max(1, Int(shim_affinity_count())), maxThreads)
    }
}

/// Threads that sleep until a call has work for them. They are made when first needed and never end; after a fork the
/// child makes its own.
enum ThreadPool {
    /// Runs `body(context)` on the calling thread and on up to `threads - 1` others, and returns when all have finished.
    /// `body` must take its share of the work from `context` until none is left: how many run it, and when they
    /// come, is not certain. While another call uses the pool, the calling thread works alone.
    @inline(__always)
    static func run(
        threads: Int, _ body: @escaping @convention(c) (UnsafeMutableRawPointer?) -> Void,
        _ context: UnsafeMutableRawPointer
    ) {
        if threads > 1 { runTogether(threads, body, context) } else { body(context) }
    }

    @inline(never)
    private static func runTogether(
        _ threads: Int, _ body: @escaping @convention(c) (UnsafeMutableRawPointer?) -> Void,
        _ context: UnsafeMutableRawPointer
    ) {
        let cancellation = shim_disable_cancellation()
        defer { shim_restore_cancellation(cancellation) }
        guard let pool = crossentropy_shared_pool(), pthread_mutex_trylock(&pool.pointee.owner) == 0 else {
            body(context)
            return
        }
        pthread_mutex_lock(&pool.pointee.lock)
        let others = Int32(threads - 1)
        while pool.pointee.workers < others && shim_start_thread({ ThreadPool.work($0!) }, pool) {
            pool.pointee.workers += 1
        }
        pool.pointee.body = body
        pool.pointee.context = context
        pool.pointee.wanted = min(others, pool.pointee.workers)
        pool.pointee.active = pool.pointee.wanted
        pthread_cond_broadcast(&pool.pointee.wake)
        pthread_mutex_unlock(&pool.pointee.lock)

        body(context)

        pthread_mutex_lock(&pool.pointee.lock)
        // Whoever has not come by now would find nothing to do.
        pool.pointee.active -= pool.pointee.wanted
        pool.pointee.wanted = 0
        while pool.pointee.active > 0 { pthread_cond_wait(&pool.pointee.done, &pool.pointee.lock) }
        pthread_mutex_unlock(&pool.pointee.lock)
        pthread_mutex_unlock(&pool.pointee.owner)
    }

    private static func work(_ argument: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? {
        let pool = argument.assumingMemoryBound(to: crossentropy_pool.self)
        _ = shim_float_control_enter()  // for good: a thread inherits its maker's
        pthread_mutex_lock(&pool.pointee.lock)
        while true {
            while pool.pointee.wanted == 0 { pthread_cond_wait(&pool.pointee.wake, &pool.pointee.lock) }
            pool.pointee.wanted -= 1
            let body = pool.pointee.body
            let context = pool.pointee.context
            pthread_mutex_unlock(&pool.pointee.lock)
            body!(context)
            pthread_mutex_lock(&pool.pointee.lock)
            pool.pointee.active -= 1
            if pool.pointee.active == 0 { pthread_cond_signal(&pool.pointee.done) }
        }
    }
}
