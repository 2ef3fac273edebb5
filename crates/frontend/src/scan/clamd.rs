//! clamd's protocol: `INSTREAM`, the message in chunks with their lengths before them, and one line as the answer.
//!
//! The answer may come before the message is through, when it is longer than clamd's own StreamMaxLength; so both directions go on at a
//! time. Alerts that clamd gives under names of its own for what it could not look into are told apart from viruses. One connection is
//! one scan.

use futures::TryStreamExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use yubin_proto::BodyStream;
use yubin_types::limits;

use super::{ScanError, Scanner};
use crate::header;
use crate::spool::Spooled;

/// What clamd says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Clamd {
    /// Nothing.
    Clean,
    /// A virus.
    Virus(String),
    /// An archive or document that it can't open without a password.
    Encrypted,
    /// What it unpacks to is more than it looks at.
    Unpacked,
    /// The message is longer than it takes.
    TooLarge,
}

impl Scanner {
    /// Shows clamd a message.
    pub(crate) async fn clamd(&self, message: &Spooled) -> Result<Clamd, ScanError> {
        if message.bytes > self.config.message_bytes_max {
            return Ok(Clamd::TooLarge);
        }
        self.clamd_stream(header::pieces(&message.body)).await
    }

    /// Shows clamd octets, in pieces of which none is empty: an empty one is their end.
    pub(crate) async fn clamd_stream(&self, mut pieces: BodyStream) -> Result<Clamd, ScanError> {
        self.run(async {
            let (reader, mut writer) = tokio::io::split(self.connect().await?);
            let mut answer = Vec::new();
            let mut answered = reader.take(limits::CLAMD_ANSWER_BYTES_MAX);
            let sending = async {
                writer.write_all(b"zINSTREAM\0").await?;
                while let Some(piece) = pieces.try_next().await.map_err(ScanError::Spool)? {
                    let length = u32::try_from(piece.len()).map_err(|_| ScanError::Answer("piece".to_owned()))?;
                    writer.write_all(&length.to_be_bytes()).await?;
                    writer.write_all(&piece).await?;
                }
                writer.write_all(&0_u32.to_be_bytes()).await?;
                Ok(writer.flush().await?)
            };
            // The answer counts, even if clamd stopped listening before the end.
            let (sent, read): (Result<(), ScanError>, _) = tokio::join!(sending, answered.read_to_end(&mut answer));
            match (parse(&answer), sent, read) {
                (Some(answer), ..) => Ok(answer),
                (None, Err(error), _) => Err(error),
                (None, Ok(()), Err(error)) => Err(error.into()),
                (None, Ok(()), Ok(_)) => Err(ScanError::Answer(readable(&answer))),
            }
        })
        .await
    }
}

/// Reads the answer; none if it is none.
fn parse(answer: &[u8]) -> Option<Clamd> {
    let line = std::str::from_utf8(answer.split(|octet| matches!(octet, 0 | b'\n')).next()?).ok()?;
    if line.starts_with("INSTREAM size limit exceeded") {
        return Some(Clamd::TooLarge);
    }
    let said = line.strip_prefix("stream: ")?;
    if said == "OK" {
        return Some(Clamd::Clean);
    }
    let name = said.strip_suffix(" FOUND")?;
    Some(if name.starts_with("Heuristics.Encrypted.") {
        Clamd::Encrypted
    } else if name.starts_with("Heuristics.Limits.Exceeded") {
        Clamd::Unpacked
    } else {
        Clamd::Virus(name.to_owned())
    })
}

/// The beginning of an answer for the log.
fn readable(answer: &[u8]) -> String {
    String::from_utf8_lossy(answer.get(..answer.len().min(100)).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{Clamd, parse};

    #[test]
    fn answers_are_told_apart() {
        for (answer, expected) in [
            ("stream: OK\0", Some(Clamd::Clean)),
            ("stream: Win.Test.EICAR_HDB-1 FOUND\0", Some(Clamd::Virus("Win.Test.EICAR_HDB-1".to_owned()))),
            ("stream: Heuristics.Encrypted.Zip FOUND\0", Some(Clamd::Encrypted)),
            ("stream: Heuristics.Limits.Exceeded.MaxScanSize FOUND\0", Some(Clamd::Unpacked)),
            ("INSTREAM size limit exceeded. ERROR\0", Some(Clamd::TooLarge)),
            ("stream: Can't allocate memory ERROR\0", None),
            ("OK\0", None),
            ("", None),
        ] {
            assert_eq!(parse(answer.as_bytes()), expected, "{answer}");
        }
        assert_eq!(parse(b"\xff\xfe"), None);
    }
}
