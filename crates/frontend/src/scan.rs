//! Scanners: programs elsewhere that are shown a message and say what is in it.
//!
//! A message goes to them from the spool, piece by piece, over a connection of its own. So many scans go on at a time, each takes so long,
//! waiting for its turn included, and an answer has a bound; whatever goes wrong is an [`ScanError`], and what follows from that is for
//! the configuration to say, never a verdict about the message.
//!
//! - [`rspamd`]: spam, over HTTP; [`clamd`]: viruses, over its own protocol; [`milter`]: filters of mail servers, over theirs.

pub(crate) mod clamd;
pub(crate) mod milter;
pub(crate) mod rspamd;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Semaphore;

use crate::config::{ContentConfig, ScannerAddress, ScannerConfig};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScanError {
    /// Nobody listens, or the connection broke.
    #[error("{0}")]
    Connection(#[from] std::io::Error),
    /// It took too long, in the queue or at the scanner.
    #[error("no answer in time")]
    Time,
    /// What came is no answer.
    #[error("no answer that can be read: {0}")]
    Answer(String),
    /// The message can't be read from the spool.
    #[error("the message can't be read: {0}")]
    Spool(std::io::Error),
}

/// A scanner, and how many scans go on.
#[derive(Debug)]
pub(crate) struct Scanner {
    pub(crate) config: ScannerConfig,
    places: Arc<Semaphore>,
}

/// What is known of a message's way.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    /// The peer.
    pub(crate) peer: IpAddr,
    /// Its port.
    pub(crate) port: u16,
    /// The name that leads back to it.
    pub(crate) peer_name: Option<String>,
    /// How it calls itself.
    pub(crate) helo: String,
    /// The envelope's sender; empty for bounces.
    pub(crate) sender: String,
    /// Its recipients.
    pub(crate) recipients: Vec<String>,
    /// Who logged in to send it.
    pub(crate) user: Option<String>,
    /// By what it is found in the log.
    pub(crate) id: String,
    /// Our name.
    pub(crate) hostname: String,
}

/// The scanners of a front end.
#[derive(Debug, Default)]
pub(crate) struct Scanners {
    /// For spam.
    pub(crate) rspamd: Option<Scanner>,
    /// For viruses.
    pub(crate) clamd: Option<Scanner>,
    /// For whatever they are for, in their order.
    pub(crate) milters: Vec<Scanner>,
}

impl Scanners {
    pub(crate) fn new(content: Option<&ContentConfig>) -> Scanners {
        let scanner = |config: &Option<ScannerConfig>| config.clone().map(Scanner::new);
        content.map_or_else(Scanners::default, |content| Scanners {
            rspamd: scanner(&content.rspamd),
            clamd: scanner(&content.clamd),
            milters: content.milters.iter().cloned().map(Scanner::new).collect(),
        })
    }
}

/// What a scanner is spoken to over.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

impl Scanner {
    pub(crate) fn new(config: ScannerConfig) -> Scanner {
        let places = Arc::new(Semaphore::new(config.scans_max));
        Scanner { config, places }
    }

    /// Runs one scan in its turn and its time.
    async fn run<T>(&self, scan: impl Future<Output = Result<T, ScanError>>) -> Result<T, ScanError> {
        let in_turn = async {
            // Never closed.
            let _place = self.places.acquire().await.map_err(|_| ScanError::Time)?;
            scan.await
        };
        let time = Duration::from_secs(self.config.timeout_seconds);
        tokio::time::timeout(time, in_turn).await.unwrap_or(Err(ScanError::Time))
    }

    async fn connect(&self) -> Result<Box<dyn Wire>, ScanError> {
        Ok(match &self.config.address {
            ScannerAddress::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
            ScannerAddress::Unix(path) => Box::new(UnixStream::connect(path).await?),
        })
    }
}
