//! A run of ffmpeg whose output is read while it is made, and which may read what is written to it.

use std::{
    ffi::OsString,
    io,
    path::Path,
    process::{Child, Stdio},
    thread::JoinHandle,
};

use bytes::{Bytes, BytesMut};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::AsyncReadExt,
    process::{ChildStdin, ChildStdout},
    task::spawn_blocking,
};

use super::{
    LadderError, Tool,
    error::at,
    process::{Ran, keep_log, one_line},
};

/// The most bytes that are read at once.
const WINDOW: usize = 64 << 10;

/// ffmpeg, while it runs. It ends with all that it started when this is dropped.
#[derive(Debug)]
pub struct Pipe {
    tool: Tool,
    child: Child,
    output: ChildStdout,
    log: Option<JoinHandle<String>>,
}

impl Pipe {
    /// Starts ffmpeg with these arguments, to be read from.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn read(tool: &Tool, arguments: &[OsString]) -> Result<Self, LadderError> {
        Self::start(tool, arguments, Stdio::null())
    }

    /// Starts ffmpeg with these arguments, to be read from and written to.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn filter(tool: &Tool, arguments: &[OsString]) -> Result<(Self, ChildStdin), LadderError> {
        let mut pipe = Self::start(tool, arguments, Stdio::piped())?;
        let input = pipe.child.stdin.take().ok_or_else(|| io::ErrorKind::BrokenPipe.into()).and_then(ChildStdin::from_std);
        Ok((pipe, input.map_err(at(Path::new(tool.ffmpeg.name)))?))
    }

    fn start(tool: &Tool, arguments: &[OsString], input: Stdio) -> Result<Self, LadderError> {
        let mut child = tool.ffmpeg.spawn(arguments, Path::new("/"), input)?;
        let log = Some(keep_log(&mut child));
        let output = child.stdout.take().ok_or_else(|| io::ErrorKind::BrokenPipe.into()).and_then(ChildStdout::from_std);
        match output {
            Ok(output) => Ok(Self { tool: tool.clone(), child, output, log }),
            Err(error) => {
                end(&mut child);
                Err(at(Path::new(tool.ffmpeg.name))(error))
            }
        }
    }

    /// The next of its output; `None` at its end.
    ///
    /// # Errors
    /// The pipe cannot be read.
    pub async fn next(&mut self) -> io::Result<Option<Bytes>> {
        let mut bytes = BytesMut::with_capacity(WINDOW);
        let count = self.output.read_buf(&mut bytes).await?;
        Ok((count > 0).then(|| bytes.freeze()))
    }

    /// Asks it to write what it has and to end, as ctrl-C does.
    pub fn stop(&self) {
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::INT);
    }

    /// Waits for its end, once there is no more of its output: what it complained of, in one line.
    ///
    /// # Errors
    /// It failed.
    pub async fn end(mut self) -> Result<String, LadderError> {
        let waited = spawn_blocking(move || {
            let status = self.child.wait();
            let log = self.log.take().and_then(|log| log.join().ok()).unwrap_or_default();
            let program = self.tool.ffmpeg.clone();
            (status, log, program)
        });
        let (status, log, program) = waited.await.map_err(|error| LadderError::Tool(error.to_string()))?;
        let status = status.map_err(at(Path::new(program.name)))?;
        let ran = program.judge(status, Ran { out: Vec::new(), log })?;
        Ok(one_line(&ran.log))
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Ends it with all that it started. Where it has been waited for already there is nothing to end.
fn end(child: &mut Child) {
    if let Ok(None) = child.try_wait() {
        let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
        let _ = child.wait();
    }
}
