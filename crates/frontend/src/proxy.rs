//! The PROXY protocol, versions 1 and 2: a proxy or load balancer says in front of everything whose connection it passes on.
//!
//! Read from trusted proxies only (`FrontendConfig::proxies`), and from those always: whoever is believed about addresses must not pass
//! on a client's own words as its header. Not one octet beyond the header is read, so that TLS and the session find theirs. The proxy's
//! own connections (`LOCAL`, `UNKNOWN`: health checks) keep its address. A forwarded client without an internet address is refused:
//! nothing could be said of its rights. Of what version 2 may append only the checksum is looked at.
//!
//! Limits: `PROXY_HEADER_SECONDS_MAX`, `PROXY_HEADER_BYTES_MAX`. Standard: haproxy's proxy-protocol.txt, version 2 of 2020.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use ppp::{v1, v2};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use yubin_types::limits;

/// Longest header of version 1, octets (section 2.1).
const TEXT_BYTES_MAX: usize = 107;
/// What precedes the addresses in version 2, octets.
const FIXED_BYTES: usize = 16;
/// What both versions have at least, octets; version 2's signature.
const START_BYTES: usize = v2::PROTOCOL_PREFIX.len();
/// The type of version 2's checksum (section 2.2.3).
const CHECKSUM_TYPE: u8 = 0x03;
/// Type and length before each value that version 2 appends, octets.
const APPENDED_HEAD_BYTES: usize = 3;

/// Whose connection it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forwarded {
    /// This client's.
    For(SocketAddr),
    /// The proxy's own.
    Own,
}

/// Why a header is no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HeaderError {
    /// There is none, or not all of it within the time limit.
    #[error("none within {} seconds", limits::PROXY_HEADER_SECONDS_MAX)]
    Slow,
    /// The connection ended.
    #[error(transparent)]
    Lost(#[from] io::Error),
    /// Something else came.
    #[error("what came is no header")]
    Malformed,
    /// Longer than anything that is needed.
    #[error("more than {} octets", limits::PROXY_HEADER_BYTES_MAX)]
    TooLong,
    /// Version 2's checksum tells of another header.
    #[error("the checksum is wrong")]
    Checksum,
    /// It names a client without an internet address.
    #[error("the client has no internet address")]
    NoAddress,
}

/// Reads the header, and nothing behind it.
///
/// # Errors
/// [`HeaderError`]; the connection is of no use afterwards.
pub(crate) async fn read_header<T: AsyncRead + Unpin>(stream: &mut T) -> Result<Forwarded, HeaderError> {
    let patience = Duration::from_secs(limits::PROXY_HEADER_SECONDS_MAX);
    tokio::time::timeout(patience, read(stream)).await.unwrap_or(Err(HeaderError::Slow))
}

async fn read<T: AsyncRead + Unpin>(stream: &mut T) -> Result<Forwarded, HeaderError> {
    let mut start = [0; START_BYTES];
    stream.read_exact(&mut start).await?;
    if start == v2::PROTOCOL_PREFIX {
        binary(stream, start.to_vec()).await
    } else if start.starts_with(v1::PROTOCOL_PREFIX.as_bytes()) {
        text(stream, start.to_vec()).await
    } else {
        Err(HeaderError::Malformed)
    }
}

/// Version 1: a line. Nobody says how long it is, so it is read octet by octet.
async fn text<T: AsyncRead + Unpin>(stream: &mut T, mut line: Vec<u8>) -> Result<Forwarded, HeaderError> {
    while line.last() != Some(&b'\n') {
        if line.len() >= TEXT_BYTES_MAX {
            return Err(HeaderError::Malformed);
        }
        line.push(stream.read_u8().await?);
    }
    let header = v1::Header::try_from(line.as_slice()).map_err(|_| HeaderError::Malformed)?;
    Ok(match header.addresses {
        v1::Addresses::Tcp4(addresses) => Forwarded::For((addresses.source_address, addresses.source_port).into()),
        v1::Addresses::Tcp6(addresses) => Forwarded::For((addresses.source_address, addresses.source_port).into()),
        v1::Addresses::Unknown => Forwarded::Own,
    })
}

/// Version 2: its length stands in it.
async fn binary<T: AsyncRead + Unpin>(stream: &mut T, mut header: Vec<u8>) -> Result<Forwarded, HeaderError> {
    let mut rest = [0; FIXED_BYTES - START_BYTES];
    stream.read_exact(&mut rest).await?;
    header.extend_from_slice(&rest);
    let [_, _, length @ ..] = rest;
    let length = usize::from(u16::from_be_bytes(length));
    if length > limits::PROXY_HEADER_BYTES_MAX {
        return Err(HeaderError::TooLong);
    }
    header.resize(FIXED_BYTES + length, 0);
    stream.read_exact(header.get_mut(FIXED_BYTES..).unwrap_or_default()).await?;
    let header = v2::Header::try_from(header.as_slice()).map_err(|_| HeaderError::Malformed)?;
    if header.command == v2::Command::Local {
        return Ok(Forwarded::Own);
    }
    if header.protocol != v2::Protocol::Stream {
        return Err(HeaderError::NoAddress);
    }
    let client = match header.addresses {
        v2::Addresses::IPv4(addresses) => (addresses.source_address, addresses.source_port).into(),
        v2::Addresses::IPv6(addresses) => (addresses.source_address, addresses.source_port).into(),
        v2::Addresses::Unspecified | v2::Addresses::Unix(_) => return Err(HeaderError::NoAddress),
    };
    verify_checksum(&header)?;
    Ok(Forwarded::For(client))
}

/// Section 2.2.3: made over the header with zeros in its own place.
fn verify_checksum(header: &v2::Header<'_>) -> Result<(), HeaderError> {
    let octets = header.as_bytes();
    let mut at = octets.len() - header.tlv_bytes().len();
    for appended in header.tlvs() {
        let appended = appended.map_err(|_| HeaderError::Malformed)?;
        let value_at = at + APPENDED_HEAD_BYTES;
        at = value_at + appended.value.len();
        if appended.kind == CHECKSUM_TYPE {
            let before = crc32c::crc32c(octets.get(..value_at).unwrap_or_default());
            let sum = crc32c::crc32c_append(before, &vec![0; appended.value.len()]);
            let sum = crc32c::crc32c_append(sum, octets.get(at..).unwrap_or_default());
            if *appended.value != sum.to_be_bytes() {
                return Err(HeaderError::Checksum);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::{Forwarded, HeaderError, read_header};

    const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

    /// What is made of it, and what is left for others.
    async fn presented(octets: &[u8]) -> (Result<Forwarded, HeaderError>, Vec<u8>) {
        let mut stream = octets;
        let forwarded = read_header(&mut stream).await;
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        (forwarded, rest)
    }

    async fn client(octets: &[u8]) -> String {
        let followed = [octets, b"EHLO x\r\n"].concat();
        let (forwarded, rest) = presented(&followed).await;
        assert_eq!(rest, b"EHLO x\r\n", "{}", octets.escape_ascii());
        match forwarded.unwrap() {
            Forwarded::For(client) => client.to_string(),
            Forwarded::Own => "own".to_owned(),
        }
    }

    fn binary(command_and_version: u8, family: u8, payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[command_and_version, family], &length, payload].concat()
    }

    const V4: [u8; 12] = [192, 0, 2, 9, 198, 51, 100, 1, 0x9c, 0x40, 0, 25];

    #[tokio::test]
    async fn headers_name_the_client_and_nothing_behind_them_is_read() {
        assert_eq!(client(b"PROXY TCP4 192.0.2.9 198.51.100.1 40000 25\r\n").await, "192.0.2.9:40000");
        assert_eq!(client(b"PROXY TCP6 2001:db8::9 2001:db8::1 40000 25\r\n").await, "[2001:db8::9]:40000");
        assert_eq!(client(b"PROXY UNKNOWN\r\n").await, "own");
        assert_eq!(client(b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n").await, "own");
        assert_eq!(client(&binary(0x21, 0x11, &V4)).await, "192.0.2.9:40000");
        // What is appended and not known is passed over.
        assert_eq!(client(&binary(0x21, 0x11, &[&V4[..], &[0xea, 0, 2, 7, 7]].concat())).await, "192.0.2.9:40000");
        let mut v6 = [0; 36];
        v6[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        v6[15] = 9;
        v6[32..34].copy_from_slice(&[0x9c, 0x40]);
        assert_eq!(client(&binary(0x21, 0x21, &v6)).await, "[2001:db8::9]:40000");
        // A health check, with and without addresses.
        assert_eq!(client(&binary(0x20, 0x00, &[])).await, "own");
        assert_eq!(client(&binary(0x20, 0x11, &V4)).await, "own");
    }

    #[tokio::test]
    async fn whatever_else_comes_is_refused() {
        for octets in [
            &b"EHLO mail.example\r\nMAIL FROM:<a@b.example>\r\n"[..],
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03abcdefgh",
            b"PROXY TCP4 192.0.2.9 198.51.100.1 40000\r\n",
            b"PROXY TCP4 2001:db8::9 2001:db8::1 40000 25\r\n",
            b"PROXY TCP4 192.0.2.9 198.51.100.1 70000 25\r\n",
            b"PROXY TCP4 192.0.2.9 198.51.100.1 40000 25\n",
            b"PROXY UDP4 192.0.2.9 198.51.100.1 40000 25\r\n",
            b"PROXYTCP4 192.0.2.9 198.51.100.1 40000 25\r\n",
            &[b"PROXY UNKNOWN ", &[b'x'; 200][..], b"\r\n"].concat(),
            // Another version, another command, too short for its family.
            &binary(0x31, 0x11, &V4),
            &binary(0x2f, 0x11, &V4),
            &binary(0x21, 0x11, &V4[..11]),
            &binary(0x21, 0x11, &[&V4[..], &[3, 0, 9, 1]].concat()),
        ] {
            let (forwarded, _) = presented(octets).await;
            assert!(matches!(forwarded, Err(HeaderError::Malformed)), "{}: {forwarded:?}", octets.escape_ascii());
        }
        for (octets, why) in [
            (binary(0x21, 0x00, &[]), "no internet address"),
            (binary(0x21, 0x31, &[0; 216]), "no internet address"),
            (binary(0x21, 0x12, &V4), "no internet address"),
            (binary(0x21, 0x11, &[0; 5_000]), "more than"),
            (binary(0x21, 0x11, &[&V4[..], &[3, 0, 4, 1, 2, 3, 4]].concat()), "checksum"),
        ] {
            let (forwarded, _) = presented(&octets).await;
            assert!(forwarded.unwrap_err().to_string().contains(why), "{why}");
        }
        for octets in [&b""[..], b"PROXY", b"PROXY TCP4 192.0.2.9", SIGNATURE] {
            assert!(matches!(presented(octets).await.0, Err(HeaderError::Lost(_))), "{}", octets.escape_ascii());
        }
    }

    #[tokio::test]
    async fn a_checksum_that_fits_is_accepted() {
        let mut header = binary(0x21, 0x11, &[&V4[..], &[3, 0, 4, 0, 0, 0, 0], &[4, 0, 1, 0]].concat());
        let sum = crc32c::crc32c(&header).to_be_bytes();
        header[31..35].copy_from_slice(&sum);
        assert_eq!(client(&header).await, "192.0.2.9:40000");
    }

    #[tokio::test(start_paused = true)]
    async fn a_proxy_that_says_nothing_is_not_waited_for() {
        let (mut ours, _theirs) = tokio::io::duplex(64);
        assert!(matches!(read_header(&mut ours).await, Err(HeaderError::Slow)));
    }
}
