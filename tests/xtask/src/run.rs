//! Running other programs: one line a step with its time, output hidden until it matters, errors that say what failed and where.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;
use std::{env, io};

use anyhow::{Context as _, Result, bail};

use crate::place;

/// Lines of a failed step's log that are shown.
const TAIL: usize = 40;

/// One program call with a name a person understands.
pub struct Step {
    label: String,
    command: Command,
}

impl Step {
    /// A call of `program` in the repository's root. It reads no standard input.
    pub fn new(label: impl Into<String>, program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(program);
        command.current_dir(place::root()).stdin(Stdio::null());
        Self { label: label.into(), command }
    }

    /// A call of the cargo that runs us.
    pub fn cargo(label: impl Into<String>) -> Self {
        Self::new(label, cargo_program())
    }

    /// Adds one argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(args);
        self
    }

    /// Sets one environment variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Keeps these environment variables from the program.
    pub fn without_env(mut self, names: &[&str]) -> Self {
        for name in names {
            self.command.env_remove(name);
        }
        self
    }

    /// Runs in that folder.
    pub fn within(mut self, folder: impl AsRef<Path>) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Runs with the output in a log file, whose end is shown on failure. On a CI machine the output is shown as it comes.
    pub fn hidden(mut self) -> Result<()> {
        if on_ci() {
            return self.shown();
        }
        print!("{} ... ", self.label);
        io::stdout().flush().ok();
        let log = log_file(&self.label)?;
        let out = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        self.command.stdout(out.try_clone()?).stderr(out);
        let begin = Instant::now();
        let status = self.status()?;
        if status.success() {
            println!("{}", seconds(begin));
            return Ok(());
        }
        println!("failed after {}", seconds(begin));
        eprint!("{}", tail(&log));
        bail!("{}: {} ({status}); its whole output is in {}", self.label, self.told(), log.display())
    }

    /// Runs with the output shown.
    pub fn shown(mut self) -> Result<()> {
        println!("==> {}", self.label);
        let begin = Instant::now();
        let status = self.status()?;
        if !status.success() {
            bail!("{}: {} ({status}, after {})", self.label, self.told(), seconds(begin));
        }
        println!("<== {}: {}", self.label, seconds(begin));
        Ok(())
    }

    /// Runs in our place: signals and the exit code are the program's own. Comes back only with an error.
    #[cfg(unix)]
    pub fn become_it(mut self) -> Result<()> {
        use std::os::unix::process::CommandExt as _;
        let error = self.command.stdin(Stdio::inherit()).exec();
        Err(error).with_context(|| format!("{}: cannot start {}", self.label, self.told()))
    }

    /// Runs and waits, where a program cannot take our place.
    #[cfg(not(unix))]
    pub fn become_it(self) -> Result<()> {
        self.shown()
    }

    fn status(&mut self) -> Result<ExitStatus> {
        self.command.status().with_context(|| format!("{}: cannot start {}", self.label, self.told()))
    }

    /// The call as one would type it, and where.
    fn told(&self) -> String {
        let mut told = format!("`{}", Path::new(self.command.get_program()).file_name().unwrap_or_default().display());
        for arg in self.command.get_args() {
            told.push(' ');
            told.push_str(&arg.to_string_lossy());
        }
        let folder = self.command.get_current_dir().unwrap_or(Path::new("."));
        told + &format!("` in {}", folder.display())
    }
}

/// The cargo that runs us, or the one on PATH.
pub fn cargo_program() -> PathBuf {
    env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from)
}

/// What a quick call prints, trimmed; `None` where it is not there or fails.
pub fn answer(program: impl AsRef<OsStr>, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).env("LC_ALL", "C").stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Whether this is a CI machine, as the variable `CI` tells.
pub fn on_ci() -> bool {
    env::var("CI").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"))
}

/// Time since `begin`, for a person.
fn seconds(begin: Instant) -> String {
    format!("{:.1} s", begin.elapsed().as_secs_f64())
}

fn log_file(label: &str) -> Result<PathBuf> {
    let folder = place::logs();
    fs::create_dir_all(&folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let name: String = label.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    Ok(folder.join(name + ".log"))
}

fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let shown = &lines[lines.len().saturating_sub(TAIL)..];
    shown.iter().flat_map(|line| ["    ", line, "\n"]).collect()
}
