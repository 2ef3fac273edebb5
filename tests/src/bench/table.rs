//! The table of a comparison: per load one line for each system, medians over the rounds, and the ratio to the first.
//!
//! The first system measured is what the others are compared with. A spread stands behind each rate (lowest to
//! highest round), so that a reader sees how much the machine itself wavers.

use super::{Case, Figures};
use std::fmt::Write as _;

const MIB: f64 = 1024.0 * 1024.0;

/// The figures of all rounds as a table in Markdown.
#[must_use]
pub fn table(figures: &[Figures]) -> String {
    let mut text = String::from(
        "| load | system | messages/s | lowest–highest | ratio | p50 ms | p99 ms | resident MiB | proportional MiB |\n\
         |---|---|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for case in in_order(figures.iter().map(|figure| figure.case)) {
        let of_case: Vec<&Figures> = figures.iter().filter(|figure| figure.case == case).collect();
        let mut reference = None;
        for system in in_order(of_case.iter().map(|figure| figure.system)) {
            let rounds: Vec<&Figures> = of_case.iter().copied().filter(|figure| figure.system == system).collect();
            let rates = sorted(rounds.iter().map(|figure| figure.rate_per_s));
            let rate = median(&rates);
            let reference = *reference.get_or_insert(rate);
            let (low, high) = (rates.first().copied().unwrap_or(0.0), rates.last().copied().unwrap_or(0.0));
            let p50 = median(&sorted(rounds.iter().map(|figure| figure.latency_p50_ms)));
            let p99 = median(&sorted(rounds.iter().map(|figure| figure.latency_p99_ms)));
            let resident = highest(rounds.iter().map(|figure| figure.memory.resident_bytes_max));
            let proportional = highest(rounds.iter().map(|figure| figure.memory.proportional_bytes_max));
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "| {} | {system} | {rate:.0} | {low:.0}–{high:.0} | {:.1} | {p50:.2} | {p99:.1} | {resident:.0} | {proportional:.0} |",
                label(case),
                rate / reference.max(0.001),
            );
        }
    }
    text
}

fn label(case: Case) -> String {
    let size = if case.size_bytes >= 1 << 20 {
        format!("{} MiB", case.size_bytes >> 20)
    } else {
        format!("{} KiB", case.size_bytes >> 10)
    };
    format!("{size} × {}", case.connections)
}

/// Each value once, in the order of its first appearance.
fn in_order<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = Vec::new();
    for value in values {
        if !seen.contains(&value) {
            seen.push(value);
        }
    }
    seen
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

fn median(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

#[allow(clippy::cast_precision_loss)]
fn highest(bytes: impl Iterator<Item = u64>) -> f64 {
    bytes.max().unwrap_or(0) as f64 / MIB
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;

    #[test]
    fn each_system_is_compared_with_the_first_by_medians() {
        let case = Case { size_bytes: 4096, connections: 50, seconds: 1 };
        let figure = |system, rate_per_s| Figures {
            system,
            case,
            rate_per_s,
            latency_p50_ms: 1.0,
            latency_p99_ms: 2.0,
            memory: Memory { resident_bytes_max: 1 << 20, proportional_bytes_max: 1 << 20 },
            trouble: None,
        };
        let rounds =
            [figure("a", 100.0), figure("b", 900.0), figure("a", 300.0), figure("a", 200.0), figure("b", 1000.0)];
        let text = table(&rounds);
        assert!(text.contains("| 4 KiB × 50 | a | 200 | 100–300 | 1.0 | 1.00 | 2.0 | 1 | 1 |"), "{text}");
        assert!(text.contains("| 4 KiB × 50 | b | 1000 | 900–1000 | 5.0 |"), "{text}");
    }
}
