//! What a run of load came to: acknowledgements, refusals, breaks, latencies, and the longest silence.
//!
//! Latency is the time from writing MAIL to reading the answer to the content, per acknowledged message. The longest
//! silence is the longest time in which no message at all was acknowledged: what a client sees of a failover.

use super::message::Number;
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// A message that was answered with 250.
#[derive(Clone, Debug)]
pub struct Acknowledged {
    /// Which message.
    pub number: Number,
    /// To whom.
    pub recipient: String,
    /// When, from the start of the run.
    pub at: Duration,
}

/// What happened in a run.
#[derive(Debug)]
pub struct Outcome {
    /// Every acknowledged message.
    pub acknowledged: Vec<Acknowledged>,
    /// Replies of refusal and how often each came.
    pub refused: BTreeMap<String, u64>,
    /// Connections that failed or broke, by reason; whether the message under way was stored is unknown.
    pub broken: BTreeMap<String, u64>,
    /// From the first connection to the end of the last.
    pub elapsed: Duration,
    latency_us: Option<Histogram<u64>>,
    /// From connecting to the 421 of connections that were turned away.
    turned_away_us: Option<Histogram<u64>>,
}

impl Default for Outcome {
    fn default() -> Self {
        Self {
            acknowledged: Vec::new(),
            refused: BTreeMap::new(),
            broken: BTreeMap::new(),
            elapsed: Duration::ZERO,
            latency_us: histogram(),
            turned_away_us: histogram(),
        }
    }
}

impl Outcome {
    pub(super) fn acknowledge(&mut self, number: Number, recipient: &str, latency: Duration, at: Duration) {
        self.acknowledged.push(Acknowledged { number, recipient: recipient.to_owned(), at });
        record(&mut self.latency_us, latency);
    }

    pub(super) fn turned_away(&mut self, after: Duration) {
        record(&mut self.turned_away_us, after);
    }

    pub(super) fn refuse(&mut self, reply: &str) {
        let count = self.refused.entry(reply.to_owned()).or_default();
        *count = count.saturating_add(1);
    }

    pub(super) fn broke(&mut self, error: &anyhow::Error) {
        self.note(&format!("{error:#}"));
    }

    pub(super) fn note(&mut self, reason: &str) {
        let count = self.broken.entry(reason.to_owned()).or_default();
        *count = count.saturating_add(1);
    }

    /// Adds the outcome of another connection of the same run.
    pub(super) fn add(&mut self, other: Self) {
        self.acknowledged.extend(other.acknowledged);
        for (reply, count) in other.refused {
            let sum = self.refused.entry(reply).or_default();
            *sum = sum.saturating_add(count);
        }
        for (reason, count) in other.broken {
            let sum = self.broken.entry(reason).or_default();
            *sum = sum.saturating_add(count);
        }
        for (mine, theirs) in
            [(&mut self.latency_us, &other.latency_us), (&mut self.turned_away_us, &other.turned_away_us)]
        {
            if let (Some(mine), Some(theirs)) = (mine, theirs) {
                // Both have the same bounds, so that adding cannot fail.
                let _ = mine.add(theirs);
            }
        }
    }

    /// Acknowledged messages per second of the run.
    #[must_use]
    pub fn rate_per_s(&self) -> f64 {
        count(self.acknowledged.len()) / self.elapsed.as_secs_f64().max(0.001)
    }

    /// The latency below which this share (0 to 1) of the messages stayed, in milliseconds.
    #[must_use]
    pub fn latency_ms(&self, share: f64) -> f64 {
        quantile_ms(self.latency_us.as_ref(), share)
    }

    /// The longest time without any acknowledgement, from the first one to the last.
    #[must_use]
    pub fn silence_max(&self) -> Duration {
        let mut times: Vec<Duration> = self.acknowledged.iter().map(|message| message.at).collect();
        times.sort_unstable();
        let gaps = times.iter().zip(times.iter().skip(1)).map(|(before, after)| after.saturating_sub(*before));
        gaps.max().unwrap_or_default()
    }

    /// The figures, without the list of messages.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "acknowledged": self.acknowledged.len(),
            "elapsed_s": self.elapsed.as_secs_f64(),
            "rate_per_s": self.rate_per_s(),
            "latency_ms": {
                "p50": self.latency_ms(0.50),
                "p90": self.latency_ms(0.90),
                "p99": self.latency_ms(0.99),
                "max": self.latency_ms(1.0),
            },
            "silence_max_ms": self.silence_max().as_secs_f64() * 1000.0,
            "turned_away": self.turned_away_us.as_ref().map_or(0, Histogram::len),
            "turned_away_ms": {
                "p50": quantile_ms(self.turned_away_us.as_ref(), 0.50),
                "p99": quantile_ms(self.turned_away_us.as_ref(), 0.99),
                "max": quantile_ms(self.turned_away_us.as_ref(), 1.0),
            },
            "refused": self.refused,
            "broken": self.broken,
        })
    }
}

/// Of microseconds, up to ten minutes.
fn histogram() -> Option<Histogram<u64>> {
    Histogram::new_with_bounds(1, 600_000_000, 3).ok()
}

fn record(histogram: &mut Option<Histogram<u64>>, time: Duration) {
    if let Some(histogram) = histogram {
        histogram.saturating_record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }
}

fn quantile_ms(histogram: Option<&Histogram<u64>>, share: f64) -> f64 {
    let value = histogram.map_or(0, |histogram| histogram.value_at_quantile(share));
    count(usize::try_from(value).unwrap_or(usize::MAX)) / 1000.0
}

/// A count as a number to divide; exact far beyond any run's size.
#[allow(clippy::cast_precision_loss)]
fn count(value: usize) -> f64 {
    value as f64
}
