//! Delivered-To fields: whose mailboxes a message has passed, by which a loop of forwards is known.
//!
//! Not standardised, but what Postfix, qmail and others write and look for. A field that is folded before its address counts and names
//! nobody: no server writes it so.

use memchr::memchr;
use yubin_types::{Address, DomainName, LocalPart, limits};

/// The Delivered-To fields of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveredTo {
    /// How many there are.
    pub count: u32,
    /// Addresses in the first [`limits::FORWARD_HOPS_MAX`], those that are any.
    pub addresses: Vec<Address>,
}

impl DeliveredTo {
    /// Takes in the first line of such a field.
    pub(super) fn take(&mut self, line: &[u8]) {
        self.count = self.count.saturating_add(1);
        if self.count > limits::FORWARD_HOPS_MAX {
            return;
        }
        let body = memchr(b':', line).and_then(|colon| line.get(colon + 1..)).unwrap_or_default().trim_ascii();
        let body = body.strip_prefix(b"<").and_then(|body| body.strip_suffix(b">")).unwrap_or(body);
        let text = Some(body).filter(|body| body.len() <= limits::PATH_BYTES_MAX);
        let text = text.and_then(|body| std::str::from_utf8(body).ok());
        self.addresses.extend(text.and_then(|text| Address::parse(text).ok()));
    }

    /// Those of a domain.
    pub fn in_domain(&self, domain: &DomainName) -> Vec<LocalPart> {
        self.addresses.iter().filter(|address| address.domain == *domain).map(|address| address.local.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use yubin_types::{DomainName, limits};

    use crate::{ScanLimits, Scanner};

    #[test]
    fn a_message_tells_where_it_has_been() {
        let mut scanner = Scanner::new(ScanLimits::default());
        let message = "delivered-to: <Ann@One.example>\r\nReceived: x\r\nDelivered-To:\ttim@two.example\r\n\
                       Delivered-To: nobody\r\nDelivered-To:\r\n folded@one.example\r\n\r\nDelivered-To: body@one.example\r\n";
        for piece in message.as_bytes().chunks(7) {
            scanner.feed(piece);
        }
        let found = scanner.delivered_to();
        assert_eq!(found.count, 4);
        let one = found.in_domain(&DomainName::parse("one.example").unwrap());
        assert_eq!(one.iter().map(|local| local.as_str()).collect::<Vec<_>>(), ["Ann"]);
        assert_eq!(found.addresses.len(), 2);
    }

    #[test]
    fn many_fields_are_counted_and_not_kept() {
        let mut scanner = Scanner::new(ScanLimits::default());
        scanner.feed("Delivered-To: a@b.example\r\n".repeat(1_000).as_bytes());
        let found = scanner.delivered_to();
        assert_eq!((found.count, found.addresses.len()), (1_000, limits::FORWARD_HOPS_MAX as usize));
    }
}
