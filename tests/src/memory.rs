//! Memory of a system under load: sampled once a second over all of its processes.
//!
//! Two sums are kept, each at its highest: resident memory (pages that several processes share are counted in each),
//! and proportional memory (shared pages divided among those that share them), which is the fairer one for a system
//! of many processes. For a system of one process they differ little.

use crate::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often memory is looked at.
const SAMPLE_EVERY: Duration = Duration::from_millis(1000);

/// The highest sums seen, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// Resident: shared pages counted once per process.
    pub resident_bytes_max: u64,
    /// Proportional: shared pages counted once.
    pub proportional_bytes_max: u64,
}

/// A thread that samples until it is stopped.
#[derive(Debug)]
pub struct Sampler {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Memory>,
}

impl Sampler {
    /// Samples these processes and all below them.
    #[must_use]
    pub fn start(roots: Vec<u32>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut highest = Memory::default();
            while !flag.load(Ordering::Relaxed) {
                let now = sample(&roots);
                highest.resident_bytes_max = highest.resident_bytes_max.max(now.resident_bytes_max);
                highest.proportional_bytes_max = highest.proportional_bytes_max.max(now.proportional_bytes_max);
                std::thread::park_timeout(SAMPLE_EVERY);
            }
            highest
        });
        Self { stop, thread }
    }

    /// Stops and returns the highest sums.
    #[must_use]
    pub fn stop(self) -> Memory {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        self.thread.join().unwrap_or_default()
    }
}

/// The sums over these processes and all below them, now.
#[must_use]
pub fn sample(roots: &[u32]) -> Memory {
    let mut sum = Memory::default();
    for id in roots.iter().copied().chain(process::descendants(roots)) {
        let text = std::fs::read_to_string(format!("/proc/{id}/smaps_rollup")).unwrap_or_default();
        sum.resident_bytes_max = sum.resident_bytes_max.saturating_add(field(&text, "Rss:"));
        sum.proportional_bytes_max = sum.proportional_bytes_max.saturating_add(field(&text, "Pss:"));
    }
    sum
}

/// Forgets the highest resident memory of a process, so that [`peak`] tells what comes from here on.
///
/// # Errors
/// When the process is gone or not ours.
pub fn forget_peak(id: u32) -> std::io::Result<()> {
    std::fs::write(format!("/proc/{id}/clear_refs"), "5")
}

/// The highest resident memory of a process, in bytes, since its start or [`forget_peak`]: exact, not sampled.
#[must_use]
pub fn peak(id: u32) -> u64 {
    field(&std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default(), "VmHWM:")
}

/// A field of `/proc/<id>/smaps_rollup` or `status`, which count in KiB.
fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0).saturating_mul(1024)
}
