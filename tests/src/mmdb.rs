//! A database of countries for tests, in the MaxMind DB format 2.0: networks of IPv4 and the country of each.
//!
//! Written from the format's specification: a binary tree with records of 24 bits, 16 zero bytes, the data, a marker, metadata.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// The bytes of a database in which these networks lie in these countries.
#[must_use]
pub fn database(networks: &[(Ipv4Addr, u8, &str)]) -> Vec<u8> {
    let mut data = Vec::new();
    let mut places = BTreeMap::new();
    for (_, _, country) in networks {
        places.entry(*country).or_insert_with(|| {
            let place = data.len();
            data.extend(map(&[("country", map(&[("iso_code", text(country))]))]));
            place
        });
    }
    let mut nodes: Vec<[Record; 2]> = vec![[Record::Empty; 2]];
    for (address, bits, country) in networks {
        insert(&mut nodes, address.to_bits(), *bits, places.get(country).copied().unwrap_or_default());
    }
    let mut bytes = Vec::new();
    for record in nodes.iter().flatten() {
        let value = match record {
            Record::Empty => nodes.len(),
            Record::Node(number) => *number,
            Record::Data(place) => nodes.len() + 16 + place,
        };
        bytes.extend(value.to_be_bytes().iter().rev().take(3).rev());
    }
    bytes.extend([0; 16]);
    bytes.extend(data);
    bytes.extend(b"\xab\xcd\xefMaxMind.com");
    bytes.extend(map(&[
        ("binary_format_major_version", number(5, 2)),
        ("binary_format_minor_version", number(5, 0)),
        ("build_epoch", number(9, 1_700_000_000)),
        ("database_type", text("Test-Country")),
        ("description", map(&[])),
        ("ip_version", number(5, 4)),
        ("languages", vec![0, 4]),
        ("node_count", number(6, nodes.len() as u64)),
        ("record_size", number(5, 24)),
    ]));
    bytes
}

#[derive(Clone, Copy)]
enum Record {
    Empty,
    Node(usize),
    Data(usize),
}

/// Leads to `place` from the first `bits` of an address.
fn insert(nodes: &mut Vec<[Record; 2]>, address: u32, bits: u8, place: usize) {
    let mut node = 0;
    for bit in 0..bits {
        let side = usize::from(address.rotate_left(u32::from(bit)) >> 31 == 1);
        let next = nodes.len();
        let Some(record) = nodes.get_mut(node).and_then(|node| node.get_mut(side)) else { return };
        if bit + 1 == bits {
            *record = Record::Data(place);
        } else if let Record::Node(number) = record {
            node = *number;
        } else {
            *record = Record::Node(next);
            nodes.push([Record::Empty; 2]);
            node = next;
        }
    }
}

/// A short text (type 2).
fn text(text: &str) -> Vec<u8> {
    [&[0x40 | u8::try_from(text.len()).unwrap_or(0)], text.as_bytes()].concat()
}

/// A short map (type 7).
fn map(pairs: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let content = pairs.iter().flat_map(|(key, value)| [text(key), value.clone()].concat());
    std::iter::once(0xe0 | u8::try_from(pairs.len()).unwrap_or(0)).chain(content).collect()
}

/// An unsigned number: type 5 (16 bits), 6 (32 bits), or 9 (64 bits), which is an extended type.
fn number(kind: u8, value: u64) -> Vec<u8> {
    let bytes: Vec<u8> = value.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
    let size = u8::try_from(bytes.len()).unwrap_or(0);
    let control = if kind > 7 { vec![size, kind - 7] } else { vec![kind << 5 | size] };
    [control, bytes].concat()
}
