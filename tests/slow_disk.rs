//! A disk that does not answer holds up those who want something from it, and nobody else.

#![allow(clippy::unwrap_used, reason = "these are tests, though not all marked as such")]

#[path = "transport_support.rs"]
mod support;

use std::{
    fs::File,
    io::{self, Write},
    sync::{Arc, Condvar, Mutex, PoisonError},
};

use bytes::Bytes;
use http::{Method, Response};
use reelway::{
    http::{Body, Content, Handler, Request},
    net::Settings,
    storage::{BLOCK, Disk, LocalDisk, Piece, SourceFile},
};
use support::{ALL, PATIENCE, Server, soon};
use tokio::task::JoinSet;

/// Requests that wait for the disk at once, by each protocol: more than there are threads of the network.
const WAITING: usize = 8;

/// Has nothing in memory, and reads nothing until it is told to.
#[derive(Debug, Default)]
struct StuckDisk {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: usize,
    goes: bool,
}

impl StuckDisk {
    fn go(&self) {
        self.state.lock().unwrap().goes = true;
        self.changed.notify_all();
    }

    /// Waits until so many reads do.
    async fn waited_for_by(&self, count: usize) {
        while self.state.lock().unwrap().waiting < count {
            tokio::task::yield_now().await;
        }
    }
}

impl Disk for StuckDisk {
    fn read_at_hand(&self, _: &File, _: Vec<Piece<'_>>) -> io::Result<()> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn read(&self, file: &File, pieces: Vec<Piece<'_>>) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        state.waiting += 1;
        // Whoever waits here on a thread of the network gets an error in the end, where the test would else stand still with it.
        let waited = self.changed.wait_timeout_while(state, PATIENCE / 2, |state| !state.goes);
        let stuck = waited.unwrap_or_else(PoisonError::into_inner).1.timed_out();
        if stuck { Err(io::ErrorKind::TimedOut.into()) } else { LocalDisk.read(file, pieces) }
    }
}

/// A file on the disk that is stuck, and one that is not on any.
struct Origin {
    stuck: Arc<SourceFile>,
}

impl Handler for Origin {
    async fn handle(&self, request: Request) -> Response<Body> {
        Response::new(match request.uri().path() {
            "/stuck" => Content::from_file(Arc::clone(&self.stuck)).into(),
            _ => Bytes::from_static(b"at hand").into(),
        })
    }
}

/// All of the network has one thread here: that of the test.
#[tokio::test(flavor = "current_thread")]
async fn a_disk_that_does_not_answer_holds_up_nobody_else() {
    let content: Vec<u8> = (0..BLOCK * 2 + 77).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&content).unwrap();
    let disk = Arc::new(StuckDisk::default());
    let stuck = Arc::new(SourceFile::new(file).unwrap().on(disk.clone()));
    let server = Arc::new(Server::serving(Arc::new(Origin { stuck }), Settings::default()));

    let mut waiting = JoinSet::new();
    for protocol in ALL.repeat(WAITING) {
        let server = Arc::clone(&server);
        waiting.spawn(async move { server.fetch(protocol, Method::GET, "/stuck").await });
    }
    soon(disk.waited_for_by(ALL.len() * WAITING)).await;
    for protocol in ALL {
        let (_, at_hand) = server.fetch(protocol, Method::GET, "/at-hand").await.unwrap();
        assert_eq!(at_hand, "at hand", "{protocol:?}");
    }
    assert!(waiting.try_join_next().is_none(), "nobody has what the disk has not given");
    disk.go();
    while let Some(read) = soon(waiting.join_next()).await {
        assert!(read.unwrap().unwrap().1 == content);
    }
    Arc::into_inner(server).unwrap().ended().await;
}
