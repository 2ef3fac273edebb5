//! An incoming message while it comes in: in memory up to a bound, then in a file that no name leads to.
//!
//! The scanner sees every octet as it passes, so the message is read once. Memory is bounded per message
//! (`SPOOL_MEMORY_BYTES_MAX`) and for all connections together ([`Spooler`]); what exceeds either goes to a file. Files are bounded for all
//! connections together, too: who begins many large messages and ends none must not fill the disk that the store lives on. Pieces are kept as they
//! came: a message in one piece, as small ones are, is never copied, and a large one is handed over piece by piece. Nothing is made
//! durable here: that is the store's business.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};
use futures::stream;
use yubin_message::{DeliveredTo, OriginFields, PartTree, ScanLimits, Scanner};
use yubin_proto::{Body, BodyStream, LargeBody};
use yubin_types::limits;

/// Makes spools: where their files go, and the memory that they share.
#[derive(Debug)]
pub(crate) struct Spooler {
    directory: PathBuf,
    memory_bytes_max: usize,
    memory_bytes: AtomicUsize,
    file_bytes_max: u64,
    file_bytes: AtomicU64,
}

impl Spooler {
    pub(crate) fn new(directory: PathBuf, memory_bytes_max: usize, file_bytes_max: u64) -> Arc<Self> {
        let (memory_bytes, file_bytes) = (AtomicUsize::new(0), AtomicU64::new(0));
        Arc::new(Spooler { directory, memory_bytes_max, memory_bytes, file_bytes_max, file_bytes })
    }

    /// Takes memory for so many bytes; `false`: there is none.
    fn take(&self, bytes: usize) -> bool {
        let taken = self.memory_bytes.fetch_add(bytes, Ordering::Relaxed);
        let fits = taken.saturating_add(bytes) <= self.memory_bytes_max;
        if !fits {
            self.memory_bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        fits
    }

    /// Takes room in files for so many bytes.
    fn take_file(&self, bytes: u64) -> io::Result<()> {
        let taken = self.file_bytes.fetch_add(bytes, Ordering::Relaxed);
        if taken.saturating_add(bytes) <= self.file_bytes_max {
            return Ok(());
        }
        self.file_bytes.fetch_sub(bytes, Ordering::Relaxed);
        Err(io::ErrorKind::QuotaExceeded.into())
    }
}

/// A message that is coming in.
#[derive(Debug)]
pub(crate) struct Spool {
    spooler: Arc<Spooler>,
    held: Held,
    /// What it takes of the spooler.
    reserved: Reservation,
    scanner: Scanner,
    bytes: u64,
    octets: Octets,
}

/// What octets a message is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Octets {
    /// ASCII alone.
    Ascii,
    /// Others too: 8BITMIME (RFC 6152).
    Any,
}

#[derive(Debug)]
enum Held {
    /// Pieces as they came.
    Memory(Vec<Bytes>),
    File(Arc<File>),
}

/// A message that is complete.
#[derive(Debug)]
pub(crate) struct Spooled {
    /// Its octets.
    pub(crate) body: Body,
    /// Their number.
    pub(crate) bytes: u64,
    /// Which ones they are.
    pub(crate) octets: Octets,
    /// What is in it.
    pub(crate) tree: PartTree,
    /// Where it has been.
    pub(crate) delivered_to: DeliveredTo,
    /// What says that a program sent it.
    pub(crate) origin_fields: OriginFields,
    /// Keeps what it takes counted until it is stored.
    _reservation: Reservation,
}

/// Bytes taken from a spooler; given back on drop.
#[derive(Debug)]
struct Reservation {
    spooler: Arc<Spooler>,
    memory_bytes: usize,
    file_bytes: u64,
}

impl Reservation {
    fn new(spooler: &Arc<Spooler>) -> Reservation {
        Reservation { spooler: Arc::clone(spooler), memory_bytes: 0, file_bytes: 0 }
    }

    /// `false`: there is no memory.
    fn take_memory(&mut self, bytes: usize) -> bool {
        let taken = self.spooler.take(bytes);
        self.memory_bytes += if taken { bytes } else { 0 };
        taken
    }

    fn take_file(&mut self, bytes: usize) -> io::Result<()> {
        self.spooler.take_file(bytes as u64)?;
        self.file_bytes += bytes as u64;
        Ok(())
    }

    fn release_memory(&mut self) {
        self.spooler.memory_bytes.fetch_sub(std::mem::take(&mut self.memory_bytes), Ordering::Relaxed);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.release_memory();
        self.spooler.file_bytes.fetch_sub(self.file_bytes, Ordering::Relaxed);
    }
}

impl Spool {
    pub(crate) fn new(spooler: &Arc<Spooler>) -> Self {
        Spool {
            spooler: Arc::clone(spooler),
            held: Held::Memory(Vec::new()),
            reserved: Reservation::new(spooler),
            scanner: Scanner::new(ScanLimits::default()),
            bytes: 0,
            octets: Octets::Ascii,
        }
    }

    /// Takes the next octets.
    ///
    /// # Errors
    /// The file can't be written, or files have as much as they may.
    pub(crate) async fn push(&mut self, piece: Bytes) -> io::Result<()> {
        if piece.is_empty() {
            return Ok(());
        }
        self.scanner.feed(&piece);
        if !piece.is_ascii() {
            self.octets = Octets::Any;
        }
        let offset = self.bytes;
        self.bytes += piece.len() as u64;
        let held = match &mut self.held {
            Held::File(file) => {
                self.reserved.take_file(piece.len())?;
                return write(Arc::clone(file), offset, piece).await;
            }
            Held::Memory(held) => held,
        };
        if self.bytes <= limits::SPOOL_MEMORY_BYTES_MAX as u64 && self.reserved.take_memory(piece.len()) {
            held.push(piece);
            return Ok(());
        }
        let before = joined(std::mem::take(held));
        self.reserved.take_file(before.len() + piece.len())?;
        let file = self.open_file().await?;
        self.held = Held::File(Arc::clone(&file));
        write(Arc::clone(&file), 0, before).await?;
        self.reserved.release_memory();
        write(file, offset, piece).await
    }

    async fn open_file(&self) -> io::Result<Arc<File>> {
        let directory = self.spooler.directory.clone();
        let opened = tokio::task::spawn_blocking(move || tempfile::tempfile_in(directory)).await;
        opened.map_err(io::Error::other)?.map(Arc::new)
    }

    /// All octets came. Below `INLINE_BODY_BYTES_MAX` they are handed over in memory, else as a file that is read piece by piece.
    ///
    /// # Errors
    /// The file can't be read.
    pub(crate) async fn finish(mut self) -> io::Result<Spooled> {
        let bytes = self.bytes;
        let inline = bytes < limits::INLINE_BODY_BYTES_MAX as u64;
        let body = match std::mem::replace(&mut self.held, Held::Memory(Vec::new())) {
            Held::Memory(pieces) if inline => Body::Inline(joined(pieces)),
            Held::Memory(pieces) => Body::Large(Arc::new(SpooledPieces { pieces, bytes })),
            Held::File(file) if inline => Body::Inline(read(file, 0, usize::try_from(bytes).unwrap_or(0)).await?),
            Held::File(file) => Body::Large(Arc::new(SpooledFile { file, bytes })),
        };
        let scanner = std::mem::replace(&mut self.scanner, Scanner::new(ScanLimits::default()));
        let reservation = std::mem::replace(&mut self.reserved, Reservation::new(&self.spooler));
        let (delivered_to, origin_fields) = (scanner.delivered_to().clone(), scanner.origin_fields().clone());
        let (octets, tree) = (self.octets, scanner.finish());
        Ok(Spooled { body, bytes, octets, tree, delivered_to, origin_fields, _reservation: reservation })
    }
}

/// A message in memory that is too large for one piece.
#[derive(Debug)]
struct SpooledPieces {
    pieces: Vec<Bytes>,
    bytes: u64,
}

impl LargeBody for SpooledPieces {
    fn length(&self) -> u64 {
        self.bytes
    }

    fn open(&self) -> BodyStream {
        Box::pin(stream::iter(self.pieces.clone().into_iter().map(Ok)))
    }
}

/// A message in a file.
#[derive(Debug)]
struct SpooledFile {
    file: Arc<File>,
    bytes: u64,
}

impl LargeBody for SpooledFile {
    fn length(&self) -> u64 {
        self.bytes
    }

    fn open(&self) -> BodyStream {
        let (file, bytes) = (Arc::clone(&self.file), self.bytes);
        Box::pin(stream::try_unfold(0, move |offset| {
            let file = Arc::clone(&file);
            async move {
                let length = usize::try_from(bytes - offset).unwrap_or(usize::MAX).min(limits::BODY_CHUNK_BYTES);
                if length == 0 {
                    return Ok(None);
                }
                let piece = read(file, offset, length).await?;
                Ok(Some((piece, offset + length as u64)))
            }
        }))
    }
}

/// One piece of many; one alone is not copied.
fn joined(mut pieces: Vec<Bytes>) -> Bytes {
    if pieces.len() == 1 {
        return pieces.pop().unwrap_or_default();
    }
    let mut whole = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
    pieces.iter().for_each(|piece| whole.extend_from_slice(piece));
    whole.freeze()
}

async fn write(file: Arc<File>, offset: u64, piece: Bytes) -> io::Result<()> {
    let written = tokio::task::spawn_blocking(move || file.write_all_at(&piece, offset)).await;
    written.map_err(io::Error::other)?
}

async fn read(file: Arc<File>, offset: u64, length: usize) -> io::Result<Bytes> {
    let read = tokio::task::spawn_blocking(move || {
        let mut piece = vec![0; length];
        file.read_exact_at(&mut piece, offset).map(|()| Bytes::from(piece))
    });
    read.await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::Ordering;

    use bytes::Bytes;
    use futures::TryStreamExt as _;
    use yubin_proto::Body;
    use yubin_types::limits;

    use super::{Held, Spool, Spooler};

    fn spooler(directory: &tempfile::TempDir, memory_bytes_max: usize) -> Arc<Spooler> {
        Spooler::new(directory.path().to_owned(), memory_bytes_max, 1 << 30)
    }

    fn message(bytes: usize) -> Vec<u8> {
        let mut message = b"Subject: spool\r\n\r\n".to_vec();
        message.extend((0..bytes.saturating_sub(message.len())).map(|i| b"0123456789abcdef\r\n"[i % 18]));
        message
    }

    async fn content(body: &Body) -> Vec<u8> {
        match body {
            Body::Inline(bytes) => bytes.to_vec(),
            Body::Large(body) => {
                let pieces: Vec<Bytes> = body.open().try_collect().await.unwrap();
                assert!(pieces.iter().all(|piece| piece.len() <= limits::BODY_CHUNK_BYTES));
                pieces.concat()
            }
        }
    }

    #[tokio::test]
    async fn every_size_comes_out_as_it_went_in() {
        let directory = tempfile::tempdir().unwrap();
        let spooler = spooler(&directory, 64 * 1024 * 1024);
        let (memory, inline) = (limits::SPOOL_MEMORY_BYTES_MAX, limits::INLINE_BODY_BYTES_MAX);
        for bytes in [18, 4_096, inline - 1, inline, inline + limits::BODY_CHUNK_BYTES + 7, memory, memory + 1] {
            let message = message(bytes);
            let mut spool = Spool::new(&spooler);
            for piece in message.chunks(10_000) {
                spool.push(Bytes::copy_from_slice(piece)).await.unwrap();
            }
            assert_eq!(matches!(spool.held, Held::File(_)), bytes > memory, "{bytes}");
            let spooled = spool.finish().await.unwrap();
            assert_eq!(spooled.bytes, bytes as u64);
            assert_eq!(matches!(spooled.body, Body::Large(_)), bytes >= inline, "{bytes}");
            assert_eq!(content(&spooled.body).await, message, "{bytes}");
            assert_eq!(content(&spooled.body).await, message, "a retry reads it again");
            assert_eq!(spooled.tree, yubin_message::scan(&message));
        }
        assert_eq!(spooler.memory_bytes.load(Ordering::Relaxed), 0);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "files have no names");
    }

    #[tokio::test]
    async fn a_message_in_one_piece_is_not_copied() {
        let directory = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(&spooler(&directory, 1024 * 1024));
        let piece = Bytes::from(message(4_096));
        spool.push(piece.clone()).await.unwrap();
        spool.push(Bytes::new()).await.unwrap();
        let Body::Inline(body) = spool.finish().await.unwrap().body else { panic!() };
        assert_eq!(body.as_ptr(), piece.as_ptr());
    }

    #[tokio::test]
    async fn messages_go_to_files_when_all_memory_is_taken() {
        let directory = tempfile::tempdir().unwrap();
        let spooler = spooler(&directory, 10_000);
        let mut first = Spool::new(&spooler);
        first.push(Bytes::from(message(8_000))).await.unwrap();
        let mut second = Spool::new(&spooler);
        second.push(Bytes::from(message(8_000))).await.unwrap();
        assert!(matches!((&first.held, &second.held), (Held::Memory(_), Held::File(_))));
        drop(first);
        let mut third = Spool::new(&spooler);
        third.push(Bytes::from(message(8_000))).await.unwrap();
        assert!(matches!(third.held, Held::Memory(_)));
        assert_eq!(content(&second.finish().await.unwrap().body).await, message(8_000));
        assert_eq!(spooler.memory_bytes.load(Ordering::Relaxed), 8_000);
    }

    /// Attack list, item 19.
    #[tokio::test]
    async fn files_take_no_more_room_than_they_may_until_they_are_gone() {
        let directory = tempfile::tempdir().unwrap();
        let spooler = Spooler::new(directory.path().to_owned(), 0, 20_000);
        let mut first = Spool::new(&spooler);
        first.push(Bytes::from(message(15_000))).await.unwrap();
        let mut second = Spool::new(&spooler);
        let refused = second.push(Bytes::from(message(15_000))).await.unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::QuotaExceeded);
        drop(second);
        first.push(Bytes::from(message(5_000))).await.unwrap();
        let spooled = first.finish().await.unwrap();
        Spool::new(&spooler).push(Bytes::from(message(18))).await.unwrap_err();
        drop(spooled);
        let mut third = Spool::new(&spooler);
        third.push(Bytes::from(message(20_000))).await.unwrap();
        drop(third);
        assert_eq!(spooler.file_bytes.load(Ordering::Relaxed), 0);
    }
}
