//! Work that waits for a disk.

use tokio::task::spawn_blocking;

use super::error::Result;

/// Does work that waits for a disk on a thread that may wait. It goes on to its end when the client goes away.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    spawn_blocking(work).await.unwrap_or_else(|error| Err(std::io::Error::other(error).into()))
}
