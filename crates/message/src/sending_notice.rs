//! The message that tells the owner of an account that its sending is suspended: what was seen, and what to do, in English and Japanese.
//!
//! An operator's words are shown as they are, on one line.

use yubin_types::{Address, QuotaScope, SendingLimit, SendingPeriod, SendingUnit, SuspensionCause};

use crate::date::DateTime;
use crate::owner_notice::{OwnerNotice, one_line};

/// A suspension to be told.
#[derive(Clone, Debug)]
pub struct SendingNotice<'a> {
    /// The account.
    pub to: &'a Address,
    /// What makes its Message-ID unique: letters and digits.
    pub id: &'a str,
    /// When it is written.
    pub date: DateTime,
    /// Since when sending is suspended.
    pub since: DateTime,
    /// Why.
    pub cause: &'a SuspensionCause,
}

impl SendingNotice<'_> {
    /// Header and body, lines ended by CRLF; ASCII but for an address that isn't.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let subject = "Sending from your mail account is suspended";
        OwnerNotice { to: self.to, id: self.id, date: self.date, subject, text: &self.text() }.write()
    }

    fn text(&self) -> String {
        let (to, since) = (self.to, self.since.to_rfc5322());
        let (english, japanese) = (one_line(&self.cause.to_string()), japanese(self.cause));
        [
            format!("Sending mail from {to} is suspended since {since}."),
            String::new(),
            format!("Why: {english}."),
            String::new(),
            "You can read your mail and receive more. What you submit is refused, and what still waited to be sent is kept.".into(),
            String::new(),
            "If you did not send that mail, somebody knows your password or one of your devices is infected:".into(),
            "1. Check all devices that use this account for malware.".into(),
            "2. Change the password of the account.".into(),
            "3. Then ask your mail provider to resume sending.".into(),
            String::new(),
            "--- 日本語 (Japanese) ---".into(),
            String::new(),
            format!("{to} からのメール送信を停止しました({since})。"),
            String::new(),
            format!("理由: {japanese}"),
            String::new(),
            "メールの受信と閲覧はこれまでどおりできます。新しい送信は拒否され、送信待ちのメールは保管されます。".into(),
            String::new(),
            "お心当たりのない送信の場合、パスワードの漏えい、またはパソコン等のウイルス感染が考えられます。".into(),
            "1. このアカウントを使うすべての機器でウイルス検査を行ってください。".into(),
            "2. アカウントのパスワードを変更してください。".into(),
            "3. そのうえで、メールサービスの管理者に送信の再開を依頼してください。".into(),
            String::new(),
        ]
        .join("\r\n")
    }
}

fn japanese(cause: &SuspensionCause) -> String {
    match cause {
        SuspensionCause::Operator { reason } => one_line(reason),
        SuspensionCause::Refusals { refused, limit } => {
            format!("送信数の上限({})を超える送信が1時間に{refused}件ありました。", japanese_limit(limit))
        }
        SuspensionCause::Bounces { bounced, delivered } => {
            let all = bounced.saturating_add(*delivered);
            format!("2時間以内に、{all}件の宛先のうち{bounced}件が相手のサーバーに拒否されました。")
        }
    }
}

fn japanese_limit(limit: &SendingLimit) -> String {
    let whose = match limit.scope {
        QuotaScope::Account => "このアカウント",
        QuotaScope::Domain => "ドメイン全体",
    };
    let period = match limit.period {
        SendingPeriod::Hour => "1時間",
        SendingPeriod::Day => "1日",
    };
    let unit = match limit.unit {
        SendingUnit::Messages => "通",
        SendingUnit::Recipients => "宛先",
        SendingUnit::NewRecipients => "件の新しい宛先",
    };
    format!("{whose}は{period}に{}{unit}まで", limit.limit)
}

#[cfg(test)]
mod tests {
    use yubin_types::{Address, QuotaScope, SendingLimit, SendingPeriod, SendingUnit, SuspensionCause};

    use super::SendingNotice;
    use crate::{DateTime, TransferDecoder, TransferEncoding, scan};

    fn notice(cause: &SuspensionCause) -> Vec<u8> {
        let to = Address::parse("ann@one.example").unwrap();
        let notice =
            SendingNotice { to: &to, id: "1a", date: DateTime::utc(7_200), since: DateTime::utc(3_600), cause };
        notice.write()
    }

    fn body(message: &[u8]) -> String {
        let text = String::from_utf8(message.to_vec()).unwrap();
        let (_, body) = text.split_once("\r\n\r\n").unwrap();
        let mut decoded = Vec::new();
        let mut decoder = TransferDecoder::new(TransferEncoding::QuotedPrintable);
        decoder.feed(body.as_bytes(), &mut decoded);
        decoder.finish(&mut decoded);
        String::from_utf8(decoded).unwrap()
    }

    #[test]
    fn an_owner_reads_why_and_what_to_do_in_both_languages() {
        let message = notice(&SuspensionCause::Bounces { bounced: 30, delivered: 10 });
        assert!(message.is_ascii());
        let tree = scan(&message);
        assert_eq!(tree.root().media_type(), (&b"text"[..], &b"plain"[..]));
        let text = body(&message);
        assert!(text.contains("Why: 30 of 40 recipients were refused by their servers within two hours."), "{text}");
        assert!(text.contains("理由: 2時間以内に、40件の宛先のうち30件が"), "{text}");
        assert!(text.contains("Change the password") && text.contains("パスワードを変更"), "{text}");
    }

    #[test]
    fn the_limit_is_named_in_both_languages() {
        let limit = SendingLimit {
            scope: QuotaScope::Account,
            unit: SendingUnit::Messages,
            period: SendingPeriod::Hour,
            limit: 500,
        };
        let text = body(&notice(&SuspensionCause::Refusals { refused: 101, limit }));
        assert!(text.contains("refused by the limit of 500 messages per hour for this account."), "{text}");
        assert!(text.contains("(このアカウントは1時間に500通まで)を超える送信が1時間に101件"), "{text}");
    }

    #[test]
    fn an_operator_s_words_add_no_line() {
        let message = notice(&SuspensionCause::Operator { reason: "a\r\nBcc: everyone".into() });
        let text = body(&message);
        assert!(text.contains("Why: a  Bcc: everyone.") && !text.contains("\r\nBcc"), "{text}");
    }
}
