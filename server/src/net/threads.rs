//! The threads that carry connections, one for each processor.
//!
//! All of a connection runs on one of them: its packets, its timers, its requests. Among threads that share work each step would wake another
//! thread, and what it brings would change caches: that costs a fifth of the processor time.

use std::{future::pending, io, num::NonZero, sync::Mutex, thread};

use tokio::runtime::{Builder, Handle};

/// Threads at most, of all these together, for work that waits for disks.
const BLOCKING: usize = 512;

/// They live as long as the process, like what requests have begun on them.
static THREADS: Mutex<Vec<Handle>> = Mutex::new(Vec::new());

/// All of them; the runtime of the caller alone where the system does not spread what comes for a port among the sockets that share it.
///
/// # Errors
/// The system gives no thread.
pub(super) fn all() -> io::Result<Vec<Handle>> {
    if cfg!(not(target_os = "linux")) {
        return Ok(vec![Handle::current()]);
    }
    let mut threads = THREADS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if threads.is_empty() {
        let count = thread::available_parallelism().map_or(1, NonZero::get);
        *threads = (0..count).map(|index| start(index, BLOCKING.div_ceil(count))).collect::<io::Result<_>>()?;
    }
    Ok(threads.clone())
}

fn start(index: usize, blocking: usize) -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(blocking).build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new().name(format!("net-{index}")).spawn(move || runtime.block_on(pending::<()>()))?;
    Ok(handle)
}
