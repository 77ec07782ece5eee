//! `reelway serve` in a process of its own.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use reelway::net::Identity;
use reelway_tests::program;

use crate::support::{BIG, Protocol, begin, soon};

/// Has glibc give pages back when they are free: what is resident is then what is in use, not what was once.
const ALLOCATOR: [(&str, &str); 3] = [("MALLOC_ARENA_MAX", "1"), ("MALLOC_TRIM_THRESHOLD_", "65536"), ("MALLOC_MMAP_THRESHOLD_", "65536")];

/// A server in a process of its own, killed when dropped.
pub struct Running {
    child: Child,
    pub secure: SocketAddr,
    pub plain: SocketAddr,
    /// Standard output after the addresses.
    pub said: Arc<Mutex<String>>,
    /// Standard error.
    complained: Arc<Mutex<String>>,
    pub folder: tempfile::TempDir,
}

impl Running {
    /// Starts `reelway serve` with `arguments` on a folder with one large file.
    pub fn start(arguments: &[&str]) -> Self {
        let any = "127.0.0.1:0".parse().unwrap();
        Self::start_at(tempfile::tempdir().unwrap(), any, any, arguments)
    }

    /// The same at these addresses, with its data in `folder`, where it may have run before.
    pub fn start_at(folder: tempfile::TempDir, secure: SocketAddr, plain: SocketAddr, arguments: &[&str]) -> Self {
        let media = folder.path().join("media");
        if fs::create_dir(&media).is_ok() {
            fs::write(media.join("big.mp4"), &*BIG).unwrap();
        }
        let mut command = Command::new(program::binary().unwrap());
        command.args(["serve", "--listen", &secure.to_string(), "--http", &plain.to_string(), "--media"]).arg(media);
        command.arg("--data").arg(folder.path().join("data")).args(arguments).envs(ALLOCATOR);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut address = |scheme: &str| {
            let line = lines.find_map(|line| line.ok().filter(|line| line.contains(scheme))).expect("it tells its addresses");
            let port = line.split_once("localhost:").and_then(|(_, rest)| rest.split_once('/')).expect("a port").0;
            SocketAddr::from(([127, 0, 0, 1], port.parse().unwrap()))
        };
        let (secure, plain) = (address("https://"), address("http://"));
        let said = hear(lines.map_while(Result::ok));
        let complained =
            hear(BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok).inspect(|line| eprintln!("{line}")));
        Self { child, secure, plain, said, complained, folder }
    }

    /// The line of standard error with `text` in it, as soon as it is there.
    pub async fn complaint(&self, text: &str) -> String {
        soon(async {
            loop {
                let said = self.complained.lock().unwrap().lines().find(|line| line.contains(text)).map(ToOwned::to_owned);
                match said {
                    Some(line) => break line,
                    None => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        })
        .await
    }

    /// All of standard error so far.
    pub fn complaints(&self) -> String {
        self.complained.lock().unwrap().clone()
    }

    /// Resident memory in KiB.
    pub fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a running process");
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Descriptors that are open.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// Programs that it has started and that have not ended.
    pub fn children(&self) -> usize {
        let parent = self.child.id().to_string();
        let of = |stat: String| stat.rsplit_once(") ").map(|(_, rest)| rest.split(' ').nth(1) == Some(&parent));
        let processes = fs::read_dir("/proc").unwrap().flatten();
        processes.filter_map(|process| of(fs::read_to_string(process.path().join("stat")).ok()?)).filter(|is| *is).count()
    }

    pub fn signal(&self, name: &str) {
        assert!(Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Waits for its end, and gives the exit code.
    pub async fn ended(mut self) -> Option<i32> {
        let code = tokio::task::spawn_blocking(move || {
            let code = self.child.wait().unwrap().code();
            drop(self);
            code
        });
        soon(code).await.unwrap()
    }

    /// Ends it at once, and gives what it worked on.
    pub fn kill(mut self) -> tempfile::TempDir {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap())
    }

    /// The certificate that it made for development.
    pub fn development(&self) -> Identity {
        Identity::development(&self.folder.path().join("data")).unwrap()
    }

    /// The status of a plain request.
    pub async fn status(&self, path: &str) -> u16 {
        let request = Request::get(format!("http://localhost{path}")).body(Empty::<Bytes>::new()).unwrap();
        soon(begin(None, self.plain, Protocol::H1, request)).await.unwrap().status().as_u16()
    }
}

/// Collects the lines as they come.
fn hear(lines: impl Iterator<Item = String> + Send + 'static) -> Arc<Mutex<String>> {
    let said = Arc::new(Mutex::new(String::new()));
    let hears = Arc::clone(&said);
    std::thread::spawn(move || {
        for line in lines {
            hears.lock().unwrap().push_str(&(line + "\n"));
        }
    });
    said
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
