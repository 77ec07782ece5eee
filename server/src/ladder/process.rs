//! Running ffmpeg: its progress while it runs, the end of its log when it fails, and an end to all of it when nobody wants it any more.

use std::{
    ffi::{OsStr, OsString},
    io::{BufRead, BufReader, Read},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc::{RecvTimeoutError, sync_channel},
    },
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};

use super::{LadderError, error::at};

/// How often it is looked whether the work is still wanted.
const LOOK: Duration = Duration::from_millis(50);

/// Bytes of the log that are kept, its end.
const LOG: usize = 8 << 10;

/// Tells work that it is not wanted any more. Clones tell the same work.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// From now on the work is not wanted.
    pub fn cancel(&self) {
        self.0.store(true, Relaxed);
    }

    /// Whether it is not wanted.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// How far ffmpeg is, as it tells by `-progress`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Milliseconds of the source that are done.
    pub done_millis: u64,
    /// Milliseconds of the source that are done in a second.
    pub speed_millis: u64,
}

/// What a run came to.
#[derive(Debug)]
pub struct Ran {
    /// Standard output; that of a run with progress is empty.
    pub out: Vec<u8>,
    /// The end of standard error.
    pub log: String,
}

/// A program and how it is run.
#[derive(Clone, Debug)]
pub struct Program {
    /// `ffmpeg` or `ffprobe`, as messages call it and as it is found on the path.
    pub name: &'static str,
    /// How much it steps back for others (nice); 0: not at all.
    pub nice: u8,
}

impl Program {
    /// Runs it in `folder` and gives all that it writes to standard output, of which `limit` bytes are read at most.
    pub fn output(&self, arguments: &[OsString], folder: &Path, limit: u64, cancel: &Cancel) -> Result<Ran, LadderError> {
        let mut child = self.spawn(arguments, folder, Stdio::null())?;
        let stdout = child.stdout.take();
        let reading = thread::spawn(move || {
            let mut out = Vec::new();
            let read = stdout.map(|stdout| stdout.take(limit).read_to_end(&mut out));
            read.and_then(Result::err).map_or(Ok(out), Err)
        });
        let log = keep_log(&mut child);
        let status = self.wait(&mut child, cancel, || {
            thread::sleep(LOOK / 10);
            reading.is_finished()
        })?;
        let out = reading.join().unwrap_or_else(|_| Ok(Vec::new())).map_err(at(Path::new(self.name)))?;
        self.judge(status, Ran { out, log: log.join().unwrap_or_default() })
    }

    /// Runs ffmpeg with `-progress pipe:1` among its arguments; `progress` is called as it tells how far it is.
    pub fn with_progress(
        &self,
        arguments: &[OsString],
        folder: &Path,
        cancel: &Cancel,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Ran, LadderError> {
        let mut child = self.spawn(arguments, folder, Stdio::null())?;
        let (lines, told) = sync_channel(64);
        let stdout = child.stdout.take();
        let reading = thread::spawn(move || {
            for line in stdout.into_iter().flat_map(|stdout| BufReader::new(stdout).lines()).map_while(Result::ok) {
                if lines.send(line).is_err() {
                    break;
                }
            }
        });
        let log = keep_log(&mut child);
        let mut now = Progress::default();
        let status = self.wait(&mut child, cancel, || match told.recv_timeout(LOOK) {
            Ok(line) => {
                if now.read(&line) {
                    progress(now);
                }
                false
            }
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => true,
        })?;
        drop(told);
        let _ = reading.join();
        self.judge(status, Ran { out: Vec::new(), log: log.join().unwrap_or_default() })
    }

    /// Starts it as the head of a process group of its own, so that it can be ended with all that it starts, and ctrl-C of a terminal
    /// reaches us alone. Where `setpriv` is there, it also ends when we are killed.
    pub(super) fn spawn(&self, arguments: &[OsString], folder: &Path, input: Stdio) -> Result<Child, LadderError> {
        let nice = self.nice.to_string();
        let mut words: Vec<&OsStr> = Vec::new();
        if self.nice > 0 {
            words.extend(["nice", "-n", &nice].map(OsStr::new));
        }
        if is_on_path("setpriv") {
            words.extend(["setpriv", "--pdeathsig", "KILL"].map(OsStr::new));
        }
        words.push(OsStr::new(self.name));
        let (program, before) = words.split_first().ok_or_else(|| self.missing())?;
        if !is_on_path(self.name) {
            return Err(self.missing());
        }
        let spawned = Command::new(program)
            .args(before)
            .args(arguments)
            .current_dir(folder)
            .env("SVT_LOG", "1") // errors alone
            .env_remove("FFREPORT")
            .process_group(0)
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        spawned.map_err(at(Path::new(self.name)))
    }

    /// Waits for its end. `work` is done meanwhile, again and again until it says that there is no more of it.
    fn wait(&self, child: &mut Child, cancel: &Cancel, mut work: impl FnMut() -> bool) -> Result<ExitStatus, LadderError> {
        let mut more = true;
        loop {
            if cancel.is_cancelled() {
                // Not waited for yet, so that the number is still that of the group.
                let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
                let _ = child.wait();
                return Err(LadderError::Cancelled);
            }
            more = more && !work();
            if let Some(status) = child.try_wait().map_err(at(Path::new(self.name)))? {
                while more {
                    more = !work();
                }
                return Ok(status);
            }
            if !more {
                thread::sleep(LOOK);
            }
        }
    }

    /// What a run came to that ended so.
    pub(super) fn judge(&self, status: ExitStatus, ran: Ran) -> Result<Ran, LadderError> {
        if status.success() {
            return Ok(ran);
        }
        let log = Some(one_line(&ran.log)).filter(|log| !log.is_empty()).unwrap_or_else(|| "it left no message".into());
        Err(LadderError::Failed { program: self.name, status: status.to_string(), log })
    }

    fn missing(&self) -> LadderError {
        let name = self.name;
        LadderError::Tool(format!("{name} is not on the PATH: install ffmpeg (Debian: apt-get install ffmpeg), which brings it"))
    }
}

/// Whether a program of this name can be run.
fn is_on_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| rustix::fs::access(folder.join(name), rustix::fs::Access::EXEC_OK).is_ok())
}

/// Keeps the end of standard error.
pub(super) fn keep_log(child: &mut Child) -> thread::JoinHandle<String> {
    let stderr = child.stderr.take();
    thread::spawn(move || {
        let (mut kept, mut buffer) = (Vec::new(), [0; 1024]);
        let Some(mut stderr) = stderr else { return String::new() };
        while let Ok(count @ 1..) = stderr.read(&mut buffer) {
            kept.extend_from_slice(buffer.get(..count).unwrap_or_default());
            let over = kept.len().saturating_sub(LOG);
            kept.drain(..over);
        }
        String::from_utf8_lossy(&kept).into_owned()
    })
}

/// The last lines of a log that say something, at most eight, in one.
pub(super) fn one_line(log: &str) -> String {
    let lines: Vec<&str> = log.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("Svt[info]")).collect();
    let last = lines.get(lines.len().saturating_sub(8)..).unwrap_or_default();
    last.join("; ").replace(|letter: char| letter.is_control(), " ")
}

impl Progress {
    /// Reads a line `key=value`. Whether a report ends with it.
    fn read(&mut self, line: &str) -> bool {
        match line.split_once('=').map(|(key, value)| (key, value.trim())) {
            Some(("out_time_us", value)) => self.done_millis = value.parse::<u64>().map_or(self.done_millis, |micros| micros / 1000),
            Some(("speed", value)) => self.speed_millis = thousandths(value.trim_end_matches('x')).unwrap_or(self.speed_millis),
            Some(("progress", _)) => return true,
            _ => {}
        }
        false
    }
}

/// A decimal number in thousandths; `None` for anything else, such as `N/A`.
pub(super) fn thousandths(number: &str) -> Option<u64> {
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let part: String = part.chars().chain("000".chars()).take(3).collect();
    whole.parse::<u64>().ok()?.checked_mul(1000)?.checked_add(part.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_read() {
        let mut progress = Progress::default();
        for line in ["frame=10", "out_time_us=1500000", "out_time=00:00:01.500000", "speed=2.5x"] {
            assert!(!progress.read(line), "{line}");
        }
        assert!(progress.read("progress=continue"));
        assert_eq!(progress, Progress { done_millis: 1500, speed_millis: 2500 });
        // Nothing is known yet, or no more.
        assert!(!progress.read("out_time_us=N/A") && !progress.read("speed=N/A") && progress.read("progress=end"));
        assert_eq!(progress, Progress { done_millis: 1500, speed_millis: 2500 });
    }

    #[test]
    fn numbers_are_read_in_thousandths() {
        for (text, expected) in [("1", Some(1000)), ("0.25", Some(250)), ("59.9401", Some(59_940)), ("N/A", None), ("", None), ("-1", None)]
        {
            assert_eq!(thousandths(text), expected, "{text}");
        }
    }

    #[test]
    fn logs_are_one_line() {
        assert_eq!(one_line("Svt[info]: x\n\n  a \nb\x1b[0m\n"), "a; b [0m");
        let many: Vec<String> = (0..20).map(|number| number.to_string()).collect();
        assert_eq!(one_line(&many.join("\n")), "12; 13; 14; 15; 16; 17; 18; 19");
    }
}
