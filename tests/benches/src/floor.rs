//! The least that a server has to do for viewers who wait for a part: a loop that encrypts the same bytes for each of them and gives them to
//! the kernel, by one call each, on two threads. It has its answers ready, reads requests between parts, and routes, holds and tells nothing.

use std::{
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use anyhow::{Context, bail};
use rustls::{
    ServerConnection,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::{measure::cpu_of, transport::servers::certificate};

/// The first argument that makes this program the loop.
pub const CHILD: &str = "--live-floor";
/// It works on as many processors as the server does.
const THREADS: usize = 2;
/// Between a part and the next one it looks for requests.
const BETWEEN: Duration = Duration::from_millis(80);

/// The loop, in a process of its own, ended when it is dropped.
pub struct Floor {
    pub address: SocketAddr,
    control: TcpStream,
    child: Child,
}

impl Floor {
    /// Starts it for so many viewers, who are to connect next.
    pub fn start(viewers: usize) -> anyhow::Result<Self> {
        let (certificate, key) = certificate()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(CHILD).arg(viewers.to_string()).arg(certificate).arg(key);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        let address: SocketAddr = lines.next().context("it ended at once")??.parse()?;
        let control = TcpStream::connect(address)?;
        control.set_nodelay(true)?;
        Ok(Self { address, control, child })
    }

    /// Has it answer all who have asked, with so many bytes that begin with `number`.
    pub fn send(&mut self, number: u32, bytes: u32) -> anyhow::Result<()> {
        Ok(self.control.write_all(&[number.to_be_bytes(), bytes.to_be_bytes()].concat())?)
    }

    /// Processor time that it has used.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        cpu_of(self.child.id())
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A viewer, as the loop has it.
struct Viewer {
    socket: TcpStream,
    tls: ServerConnection,
    has_asked: bool,
}

impl Viewer {
    /// Reads what has come.
    fn read(&mut self) -> anyhow::Result<()> {
        loop {
            match self.tls.read_tls(&mut self.socket) {
                Ok(0) => return Ok(()), // it is gone
                Ok(_) => self.has_asked |= self.tls.process_new_packets()?.plaintext_bytes_to_read() > 0,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
            let mut request = [0; 4096];
            while self.tls.reader().read(&mut request).is_ok_and(|bytes| bytes > 0) {}
        }
        Ok(())
    }

    fn answer(&mut self, answer: &[u8]) -> anyhow::Result<()> {
        self.tls.writer().write_all(answer)?;
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.socket)?;
        }
        self.has_asked = false;
        Ok(())
    }
}

/// The loop itself.
pub fn child(arguments: &[String]) -> anyhow::Result<()> {
    let [viewers, certificate, key] = arguments else { bail!("VIEWERS CERTIFICATE KEY") };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from_pem_file(certificate)?], PrivateKeyDer::from_pem_file(key)?)?;
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    std::io::stdout().flush()?;
    let mut control = listener.accept()?.0;
    let mut groups: Vec<Vec<Viewer>> = (0..THREADS).map(|_| Vec::new()).collect();
    for number in 0..viewers.parse()? {
        let mut socket = listener.accept()?.0;
        socket.set_nodelay(true)?;
        let mut tls = ServerConnection::new(Arc::clone(&config))?;
        while tls.is_handshaking() || tls.wants_write() {
            tls.complete_io(&mut socket)?;
        }
        socket.set_nonblocking(true)?;
        let group = groups.get_mut(number % THREADS).context("no group")?;
        group.push(Viewer { socket, tls, has_asked: false });
    }
    let mut threads = Vec::new();
    for group in groups {
        let (sender, answers) = mpsc::channel();
        threads.push(sender);
        thread::spawn(move || serve(group, &answers));
    }
    let mut told = [0; 8];
    while control.read_exact(&mut told).is_ok() {
        let (number, length) = told.split_at(4);
        let length = usize::try_from(u32::from_be_bytes(length.try_into()?))?;
        let mut answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n").into_bytes();
        let end = answer.len() + length;
        answer.extend_from_slice(number);
        answer.resize(end, 7);
        let answer: Arc<[u8]> = answer.into();
        for thread in &threads {
            thread.send(Arc::clone(&answer))?;
        }
    }
    Ok(())
}

fn serve(mut viewers: Vec<Viewer>, answers: &mpsc::Receiver<Arc<[u8]>>) -> anyhow::Result<()> {
    loop {
        match answers.recv_timeout(BETWEEN) {
            Ok(answer) => viewers.iter_mut().filter(|viewer| viewer.has_asked).try_for_each(|viewer| viewer.answer(&answer))?,
            Err(mpsc::RecvTimeoutError::Timeout) => viewers.iter_mut().try_for_each(Viewer::read)?,
            Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}
