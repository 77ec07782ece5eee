//! Running a command and telling what it took: wall time, processor time, memory.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use nix::{
    sys::resource::{UsageWho, getrusage},
    time::clock_getcpuclockid,
    unistd::Pid,
};

/// The first argument that makes this program run one command and print what it used. Each measurement has a small process of its own
/// around it, because the system tells the peak memory of all children of a process together.
pub const CHILD: &str = "--measure";

/// What a command took.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// From start to exit.
    pub wall: Duration,
    /// User and system time.
    pub cpu: Duration,
    /// Largest resident set, in bytes.
    pub peak: u64,
}

/// Runs `command` and tells what it took. Its output is thrown away.
pub fn measure(command: &[String]) -> anyhow::Result<Usage> {
    let output = Command::new(std::env::current_exe()?).arg(CHILD).args(command).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        bail!("{} failed", command.join(" "));
    }
    let text = String::from_utf8(output.stdout)?;
    let mut numbers = text.split_whitespace().map(str::parse::<u64>);
    let mut next = || numbers.next().context("no figure")?.context("no figure");
    Ok(Usage { wall: Duration::from_micros(next()?), cpu: Duration::from_micros(next()?), peak: next()? })
}

/// The small process around a measurement.
pub fn child(command: &[String]) -> anyhow::Result<()> {
    let (program, arguments) = command.split_first().context("no command")?;
    let start = Instant::now();
    let status = Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    let wall = start.elapsed();
    if !status.success() {
        bail!("{program}: {status}");
    }
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let cpu = [usage.user_time(), usage.system_time()].map(|time| time.tv_sec() * 1_000_000 + time.tv_usec()).iter().sum::<i64>();
    println!("{} {cpu} {}", wall.as_micros(), usage.max_rss() * 1024);
    Ok(())
}

/// Processor time that a process has used, all its threads together, also those that have ended; by its own clock, which counts
/// nanoseconds. What /proc/PID/stat tells is in steps of 10 ms, some 3 % of what is compared here.
pub fn cpu_of(process: u32) -> anyhow::Result<Duration> {
    let clock = clock_getcpuclockid(Pid::from_raw(process.try_into()?))?;
    Ok(clock.now()?.into())
}

/// The middle of `values`.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn the_time_of_threads_that_have_ended_is_counted() {
        let own = || cpu_of(std::process::id()).unwrap();
        let clock = nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID;
        let used = move || Duration::from(clock.now().unwrap());
        let before = own();
        let worked = thread::spawn(move || {
            while used() < Duration::from_millis(2) {}
            used()
        });
        let worked = worked.join().unwrap();
        assert!(own() >= before + worked);
    }
}
