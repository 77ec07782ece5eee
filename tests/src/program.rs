//! The `reelway` binary, as a person runs it.

use std::{
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::OnceLock,
};

use anyhow::{Context, Result, anyhow, ensure};

use crate::files;

/// The binary that stands beside the test programs: its name is not known to other packages, so it is found by place. Where it is missing
/// or older than the code it is built first.
pub fn binary() -> Result<&'static Path> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let found = FOUND.get_or_init(|| find().map_err(|error| format!("{error:#}")));
    found.as_deref().map_err(|error| anyhow!(error.clone()))
}

fn find() -> Result<PathBuf> {
    // .../target/PROFILE/deps/command_line-0123456789abcdef
    let test = env::current_exe()?;
    let profile = test.parent().and_then(Path::parent).context("the test program is in no target folder")?;
    let path = profile.join(format!("reelway{}", env::consts::EXE_SUFFIX));
    let built = fs::metadata(&path).and_then(|metadata| metadata.modified()).ok();
    let changed = ["core/src", "server/src"].into_iter().filter_map(|source| files::newest(&files::workspace().join(source))).max();
    // Not whenever in doubt: cargo builds one package with other features than all of them, and that may take minutes.
    if built.is_none() || built < changed {
        build(profile)?;
    }
    ensure!(path.is_file(), "{} is not there", path.display());
    Ok(path)
}

fn build(profile: &Path) -> Result<()> {
    let target = profile.parent().context("the test program is in no target folder")?;
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--package", "reelway", "--bin", "reelway", "--target-dir"]).arg(target);
    cargo.current_dir(files::workspace());
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    let built = cargo.output().context("cargo does not run")?;
    ensure!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    Ok(())
}

/// `reelway serve` in a process of its own, killed when dropped.
#[derive(Debug)]
pub struct Serving {
    child: Child,
    /// Where it is reached without TLS.
    pub plain: SocketAddr,
}

impl Serving {
    /// Starts it with its data in `folder`, and these arguments besides.
    pub fn start<S: AsRef<std::ffi::OsStr>>(folder: &Path, arguments: &[S]) -> Result<Self> {
        Self::of(Command::new(binary()?), folder, arguments)
    }

    /// The same with `folder` on a disk of its own that holds so many mebibytes; `None` where the system lets nobody have one.
    pub fn on_small_disk<S: AsRef<std::ffi::OsStr>>(folder: &Path, mebibytes: u32, arguments: &[S]) -> Result<Option<Self>> {
        let mount = format!("mount -t tmpfs -o size={mebibytes}m tmpfs \"$0\"");
        let alone = ["--user", "--map-root-user", "--mount", "sh", "-c"];
        if !Command::new("unshare").args(alone).arg(&mount).arg(folder).output().is_ok_and(|output| output.status.success()) {
            println!("skipped: nobody may mount a disk here");
            return Ok(None);
        }
        let mut command = Command::new("unshare");
        command.args(alone).arg(format!("{mount} && exec \"$@\"")).arg(folder).arg(binary()?);
        Self::of(command, folder, arguments).map(Some)
    }

    fn of<S: AsRef<std::ffi::OsStr>>(mut command: Command, folder: &Path, arguments: &[S]) -> Result<Self> {
        command.args(["serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data"]).arg(folder).args(arguments);
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take().context("no standard output")?;
        let mut lines = BufReader::new(out).lines().map_while(Result::ok);
        let port = lines.find_map(|line| line.split_once("http://localhost:")?.1.split_once('/')?.0.parse().ok());
        // What it says later would fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let plain = SocketAddr::from(([127, 0, 0, 1], port.context("it told no address")?));
        Ok(Self { child, plain })
    }

    /// Its number in the system.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it answers to a GET over HTTP/1.1, head and body.
    pub fn get(&self, path: &str) -> Result<String> {
        let mut stream = TcpStream::connect(self.plain)?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// Ends it at once, in the middle of what it does.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to end, and waits until it has; whether it ended well.
    pub fn terminate(mut self) -> Result<bool> {
        self.signal("TERM")?;
        Ok(self.child.wait()?.success())
    }

    /// Sends it a signal.
    pub fn signal(&self, name: &str) -> Result<()> {
        ensure!(Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status()?.success());
        Ok(())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a run of the binary came to.
#[derive(Debug)]
pub struct Ran {
    /// Exit code; `None`: ended by a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Runs the binary with these arguments in `folder`.
pub fn run<S: AsRef<std::ffi::OsStr>>(arguments: &[S], folder: &Path) -> Result<Ran> {
    Ok(Command::new(binary()?).args(arguments).current_dir(folder).output()?.into())
}

/// The same under limits: this many seconds of processor time and this many mebibytes of address space.
pub fn run_limited<S: AsRef<std::ffi::OsStr>>(arguments: &[S], folder: &Path, seconds: u32, mebibytes: u32) -> Result<Ran> {
    let limits = format!("ulimit -t {seconds}; ulimit -v {}; exec \"$0\" \"$@\"", mebibytes * 1024);
    Ok(Command::new("sh").arg("-c").arg(limits).arg(binary()?).args(arguments).current_dir(folder).output()?.into())
}
