//! What new addresses have sent today, kept in the directory: a worker that starts again goes on counting where it ended.
//!
//! One setting for each worker, text, a line for each address and receiver: `DAY ADDRESS MESSAGES RECEIVER`. It is written every half minute in which
//! something was sent, and when the worker ends; one that is killed forgets that much. Where it would be too long, what was sent least is left
//! out. Nothing leaves from a new address before its count was read.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use yubin_proto::Caller;
use yubin_types::{DestinationName, limits};

use crate::connection::now;
use crate::sources::{Receiver, Share};
use crate::worker::Shared;

/// How often counts are written.
const WRITE: Duration = Duration::from_secs(30);
/// How long the last write may take.
const LAST_WRITE: Duration = Duration::from_secs(3);
/// Pause before they are read again, after the store did not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// Reads the counts, then writes them now and then until the worker drains, and once more.
pub(crate) async fn keep_books(shared: Arc<Shared>) {
    if !shared.engine.pools.addressed().any(|(.., source)| source.warm_up.is_some()) {
        return;
    }
    let key = key(&shared.engine.config.worker);
    while !shared.drain.is_cancelled() {
        match shared.engine.store.setting(&key).await {
            Ok(text) => {
                shared.board.lock().sources().open_books(now(), text.lines().filter_map(parse));
                break;
            }
            Err(error) => tracing::warn!(%error, "what new addresses have sent today can't be read"),
        }
        pause(&shared, PAUSE).await;
    }
    let mut written = String::new();
    while !shared.drain.is_cancelled() {
        pause(&shared, WRITE).await;
        write(&shared, &key, &mut written).await;
    }
}

/// Writes the last counts.
pub(crate) async fn close_books(shared: &Shared) {
    let (key, mut nothing) = (key(&shared.engine.config.worker), String::new());
    if tokio::time::timeout(LAST_WRITE, write(shared, &key, &mut nothing)).await.is_err() {
        tracing::warn!("what new addresses have sent today could not be written down");
    }
}

async fn pause(shared: &Shared, time: Duration) {
    tokio::select! {
        () = shared.drain.cancelled() => {}
        () = tokio::time::sleep(time) => {}
    }
}

async fn write(shared: &Shared, key: &str, written: &mut String) {
    let shares = shared.board.lock().sources().shares(now());
    let text = text(shares);
    if text == *written {
        return;
    }
    match shared.engine.store.put_setting(key, &text, &Caller::internal("queue")).await {
        Ok(_) => *written = text,
        Err(error) => tracing::warn!(%error, "what new addresses have sent today can't be written down"),
    }
}

/// The setting of a worker, whose name may be as long as a setting's.
fn key(worker: &str) -> String {
    let hash = blake3::hash(worker.as_bytes()).to_hex();
    format!("warm-up-{}", hash.get(..16).unwrap_or_default())
}

/// Those that were sent most first, as far as there is room.
fn text(mut shares: Vec<Share>) -> String {
    shares.sort_by(|one, other| other.messages.cmp(&one.messages).then_with(|| one.receiver.cmp(&other.receiver)));
    let mut text = String::new();
    for Share { day, address, messages, receiver } in shares {
        let mut line = String::new();
        let written = match receiver {
            Receiver::Known(name) => writeln!(line, "{day} {address} {messages} ={name}"),
            Receiver::Destination(name) => writeln!(line, "{day} {address} {messages} {name}"),
        };
        if written.is_err() || text.len() + line.len() > limits::SETTING_BYTES_MAX {
            break;
        }
        text.push_str(&line);
    }
    text
}

fn parse(line: &str) -> Option<Share> {
    let mut words = line.splitn(4, ' ');
    let (day, address, messages) = (words.next()?, words.next()?, words.next()?);
    let name = words.next()?;
    let receiver = match name.strip_prefix('=') {
        Some(name) => Receiver::Known(name.to_owned()),
        None => Receiver::Destination(DestinationName::parse(name).ok()?),
    };
    Some(Share { day: day.parse().ok()?, address: address.parse().ok()?, messages: messages.parse().ok()?, receiver })
}

#[cfg(test)]
mod tests {
    use yubin_types::{DestinationName, limits};

    use super::{key, parse, text};
    use crate::sources::{Receiver, Share};

    fn share(messages: u32, receiver: Receiver) -> Share {
        Share { day: 20_000, address: "2001:db8::1".parse().unwrap(), messages, receiver }
    }

    #[test]
    fn what_is_written_is_read_again_and_bounded() {
        let to = |name: &str| Receiver::Destination(DestinationName::parse(name).unwrap());
        let shares = vec![
            share(3, to("a.example")),
            share(70, Receiver::Known("two words".to_owned())),
            share(2, to("[192.0.2.1]")),
        ];
        let written = text(shares.clone());
        assert!(written.starts_with("20000 2001:db8::1 70 =two words\n"), "{written}");
        let read: Vec<Share> = written.lines().filter_map(parse).collect();
        assert_eq!(read, [shares[1].clone(), shares[0].clone(), shares[2].clone()]);
        assert_eq!(parse("20000 2001:db8::1 x a.example"), None);
        let many = (0..5_000).map(|number| share(number, to(&format!("d{number}.example")))).collect();
        let written = text(many);
        assert!(written.len() <= limits::SETTING_BYTES_MAX && written.contains(" 4999 ") && !written.contains(" 1 "));
        assert!(key(&"w".repeat(300)).len() < 32);
    }
}
