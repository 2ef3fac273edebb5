//! Disk work from asynchronous code: on a thread of its own when the disk blocks, in place when it
//! is simulated, so that a seed repeats the run.

use std::io;
use std::sync::Arc;

use crate::engine::{Engine, Execution, IoStep};

/// Runs `work` against the disk.
pub(crate) async fn on_disk<T, F>(disk: &Arc<dyn Engine>, work: F) -> io::Result<T>
where
    T: Send + 'static,
    F: FnOnce(&dyn Engine) -> io::Result<T> + Send + 'static,
{
    match disk.execution() {
        Execution::Tasks => {
            if let Some(pause) = disk.pause(IoStep::Read) {
                tokio::time::sleep(pause).await;
            }
            work(&**disk)
        }
        Execution::Threads => {
            let disk = Arc::clone(disk);
            tokio::task::spawn_blocking(move || work(&*disk)).await.map_err(io::Error::other)?
        }
    }
}
