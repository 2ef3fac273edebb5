//! The message that tells the owner of an account that nothing more is forwarded to a target which refuses it: what its server said, and
//! what to do, in English and Japanese.
//!
//! What a server said is shown as it is, on one line.

use yubin_types::Address;

use crate::date::DateTime;
use crate::owner_notice::{OwnerNotice, one_line};

/// Pauses to be told.
#[derive(Clone, Debug)]
pub struct ForwardNotice<'a> {
    /// The account.
    pub to: &'a Address,
    /// What makes its Message-ID unique: letters and digits.
    pub id: &'a str,
    /// When it is written.
    pub date: DateTime,
    /// The targets, and what their servers said last.
    pub paused: &'a [(&'a Address, &'a str)],
}

impl ForwardNotice<'_> {
    /// Header and body, lines ended by CRLF; ASCII but for an address that isn't.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let subject = "Your mail is no longer forwarded";
        OwnerNotice { to: self.to, id: self.id, date: self.date, subject, text: &self.text() }.write()
    }

    fn text(&self) -> String {
        let targets: Vec<String> = self.paused.iter().map(|(address, said)| target(address, said)).collect();
        let mut lines = vec![format!("Mail for {} is no longer forwarded to:", self.to), String::new()];
        lines.extend(targets.iter().cloned());
        lines.extend(
            [
                "",
                "Its server refused one message after the other for good. Where nothing else is left to forward to,",
                "your mail is kept in this mailbox.",
                "",
                "1. Check the address, and whether its mailbox is full or takes no forwarded mail.",
                "2. Then ask your mail provider to resume forwarding, or to set another address.",
                "",
                "--- 日本語 (Japanese) ---",
                "",
            ]
            .map(str::to_owned),
        );
        lines.push(format!("{} 宛てのメールについて、次の宛先への転送を停止しました。", self.to));
        lines.push(String::new());
        lines.extend(targets);
        lines.extend(
            [
                "",
                "転送先のサーバーが続けてメールの受け取りを拒否したためです。ほかに転送先がない場合、メールはこのメールボックスに保存されます。",
                "",
                "1. 転送先のアドレスが正しいか、容量の超過や受信拒否の設定がないかをご確認ください。",
                "2. そのうえで、メールサービスの管理者に転送の再開または転送先の変更を依頼してください。",
                "",
            ]
            .map(str::to_owned),
        );
        lines.join("\r\n")
    }
}

fn target(address: &Address, said: &str) -> String {
    format!("  {address}: {}", one_line(said))
}

#[cfg(test)]
mod tests {
    use yubin_types::Address;

    use super::ForwardNotice;
    use crate::{DateTime, TransferDecoder, TransferEncoding, scan};

    #[test]
    fn an_owner_reads_where_mail_no_longer_goes_and_why() {
        let address = |text| Address::parse(text).unwrap();
        let (to, gone) = (address("ann@one.example"), address("ann@old.example"));
        let paused = [(&gone, "550 5.1.1 No such user\r\nBcc: everyone")];
        let message = ForwardNotice { to: &to, id: "1a", date: DateTime::utc(7_200), paused: &paused }.write();
        assert!(message.is_ascii());
        assert_eq!(scan(&message).root().media_type(), (&b"text"[..], &b"plain"[..]));
        let text = String::from_utf8(message).unwrap();
        let (header, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(header.contains("\r\nAuto-Submitted: auto-generated\r\n"), "{header}");
        let mut decoded = Vec::new();
        let mut decoder = TransferDecoder::new(TransferEncoding::QuotedPrintable);
        decoder.feed(body.as_bytes(), &mut decoded);
        decoder.finish(&mut decoded);
        let text = String::from_utf8(decoded).unwrap();
        assert!(text.contains("Mail for ann@one.example is no longer forwarded to:"), "{text}");
        assert_eq!(text.matches("  ann@old.example: 550 5.1.1 No such user  Bcc: everyone\r\n").count(), 2, "{text}");
        assert!(text.contains("転送を停止しました"), "{text}");
    }
}
