//! What the system says of the process, where it says it.

use std::fs;

use super::exposition::Exposition;

/// Memory and open files, by the names that Prometheus has for them.
pub(super) fn render(text: &mut Exposition) {
    if let Some(bytes) = fs::read_to_string("/proc/self/status").ok().and_then(|status| resident(&status)) {
        text.begin("process_resident_memory_bytes", "gauge", "Memory in use.");
        text.sample(&[], bytes);
    }
    if let Ok(files) = fs::read_dir("/proc/self/fd") {
        text.begin("process_open_fds", "gauge", "Open files and sockets.");
        text.sample(&[], files.count());
    }
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}
