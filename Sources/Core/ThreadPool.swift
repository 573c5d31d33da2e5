import KernelABI
import Shims

public let maxThreads = 256

/// The number of threads that a call may use, including the calling one.
public enum ThreadCount {
    /// Sets the number; 0 restores the default.
    public static func set(_ count: Int32) {
        shim_store_i32(&Processor.state.pointee.chosen_threads, min(count, Int32(maxThreads)))
    }

    /// The number that was set; or that of the environment; or the number of processors this process may run on, cut to
    /// the CPU quota of its control group, which is looked for once.
    public static func get() -> Int {
        let state = Processor.state
        let chosen = shim_load_i32(&state.pointee.chosen_threads)
        if chosen > 0 { return Int(chosen) }
        if state.pointee.environment_threads > 0 { return Int(state.pointee.environment_threads) }
        var quota = shim_load_i32(&state.pointee.cpu_quota)
        if quota == 0 {
            quota = crossentropy_cpu_quota("")
            shim_store_i32(&state.pointee.cpu_quota, quota)
        }
        return min(max(1, Int(shim_affinity_count())), Int(quota), maxThreads)
    }

    /// The number that the environment asks for, 0 if none: CROSSENTROPY_NUM_THREADS; or OMP_NUM_THREADS, which may be a
    /// list with a number for each level of nesting.
    static func inEnvironment() -> Int32 {
        let own = number("CROSSENTROPY_NUM_THREADS", isList: false)
        return own > 0 ? own : number("OMP_NUM_THREADS", isList: true)
    }

    /// The number, the first one of a list, that a variable holds; 0 if it is none above 0.
    private static func number(_ variable: StaticString, isList: Bool) -> Int32 {
        let name = UnsafeRawPointer(variable.utf8Start).assumingMemoryBound(to: CChar.self)
        guard let text = getenv(name) else { return 0 }
        var end: UnsafeMutablePointer<CChar>?
        let value = strtol(text, &end, 10)
        guard var rest = end, rest != text else { return 0 }
        if isList {
            while rest.pointee == 0x20 || rest.pointee == 0x09 { rest += 1 }
        }
        let isWhole = rest.pointee == 0 || (isList && rest.pointee == 0x2C)
        return isWhole && value > 0 ? Int32(min(value, maxThreads)) : 0
    }
}

/// Threads that sleep until a call has work for them. They are made when first needed and never end; after a fork the
/// child makes its own.
enum ThreadPool {
    /// How long a thread waits for others with its processor before it sleeps. To be woken takes about as long; programs that
    /// call in a loop find the workers awake.
    private static let spinNanoseconds: Int64 = 50_000

    /// Runs `body(context)` on the calling thread and on up to `threads - 1` others, and returns when all have
    /// finished. `body` must claim work from `context` until none is left, because it is not certain how many threads
    /// run it, and when they start. While another call uses the pool, the calling thread works alone.
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
        crossentropy_leave_processor(pool)
        pool.pointee.body = body
        pool.pointee.context = context
        let wanted = min(others, pool.pointee.workers)
        shim_store_i32(&pool.pointee.active, wanted)
        shim_store_i32(&pool.pointee.wanted, wanted)
        pthread_cond_broadcast(&pool.pointee.wake)
        pthread_mutex_unlock(&pool.pointee.lock)

        body(context)

        pthread_mutex_lock(&pool.pointee.lock)
        // Workers that have not started yet would find no piece left, so they are no longer waited for.
        shim_store_i32(&pool.pointee.active, pool.pointee.active - pool.pointee.wanted)
        shim_store_i32(&pool.pointee.wanted, 0)
        if pool.pointee.active > 0 {
            pthread_mutex_unlock(&pool.pointee.lock)
            _ = shim_spin(&pool.pointee.active, true, spinNanoseconds)
            pthread_mutex_lock(&pool.pointee.lock)
        }
        while pool.pointee.active > 0 { pthread_cond_wait(&pool.pointee.done, &pool.pointee.lock) }
        pthread_mutex_unlock(&pool.pointee.lock)
        pthread_mutex_unlock(&pool.pointee.owner)
    }

    private static func work(_ argument: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? {
        let pool = argument.assumingMemoryBound(to: crossentropy_pool.self)
        _ = shim_float_control_enter()  // never restored; a thread inherits the register from its maker
        pthread_mutex_lock(&pool.pointee.lock)
        shim_register_worker(pool, pool.pointee.begun)
        pool.pointee.begun += 1
        while true {
            while pool.pointee.wanted == 0 { pthread_cond_wait(&pool.pointee.wake, &pool.pointee.lock) }
            shim_store_i32(&pool.pointee.wanted, pool.pointee.wanted - 1)
            let body = pool.pointee.body
            let context = pool.pointee.context
            pthread_mutex_unlock(&pool.pointee.lock)
            body!(context)
            pthread_mutex_lock(&pool.pointee.lock)
            shim_store_i32(&pool.pointee.active, pool.pointee.active - 1)
            if pool.pointee.active == 0 { pthread_cond_signal(&pool.pointee.done) }
            if pool.pointee.wanted == 0 {
                pthread_mutex_unlock(&pool.pointee.lock)
                _ = shim_spin(&pool.pointee.wanted, false, spinNanoseconds)
                pthread_mutex_lock(&pool.pointee.lock)
            }
        }
    }
}
