//! What each class of refusal means and what to do: for the sender, who reads it in a notice, and for the operator, who reads it in the log.
//!
//! One or two sentences each. The sender's say whom to ask or what to change; the operator's where to look.

use super::Class;

/// Words for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advice {
    /// For the sender of the message.
    pub sender: Text,
    /// For the operator of this system.
    pub operator: Text,
}

/// The same in two languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text {
    /// English.
    pub english: &'static str,
    /// Japanese.
    pub japanese: &'static str,
}

const fn advice(sender: [&'static str; 2], operator: [&'static str; 2]) -> Advice {
    let [english, japanese] = sender;
    let [operator_english, operator_japanese] = operator;
    Advice {
        sender: Text { english, japanese },
        operator: Text { english: operator_english, japanese: operator_japanese },
    }
}

/// The advice for a class.
pub(super) const fn of(class: Class) -> &'static Advice {
    match class {
        Class::NoSuchMailbox => &NO_SUCH_MAILBOX,
        Class::CarrierRefusal => &CARRIER_REFUSAL,
        Class::MailboxDisabled => &MAILBOX_DISABLED,
        Class::MailboxFull => &MAILBOX_FULL,
        Class::RecipientFilter => &RECIPIENT_FILTER,
        Class::NoSuchHost => &NO_SUCH_HOST,
        Class::SenderRefused => &SENDER_REFUSED,
        Class::Blocklisted => &BLOCKLISTED,
        Class::Reputation => &REPUTATION,
        Class::RateLimited => &RATE_LIMITED,
        Class::Greylisted => &GREYLISTED,
        Class::Unauthenticated => &UNAUTHENTICATED,
        Class::ReverseDns => &REVERSE_DNS,
        Class::ContentRefused => &CONTENT_REFUSED,
        Class::TooLarge => &TOO_LARGE,
        Class::TooManyRecipients => &TOO_MANY_RECIPIENTS,
        Class::RelayDenied => &RELAY_DENIED,
        Class::TlsRequired => &TLS_REQUIRED,
        Class::TlsPolicy => &TLS_POLICY,
        Class::Unsupported => &UNSUPPORTED,
        Class::ServerBusy => &SERVER_BUSY,
        Class::NoConnection => &NO_CONNECTION,
        Class::DnsFailure => &DNS_FAILURE,
        Class::Loop => &LOOP,
        Class::Protocol => &PROTOCOL,
        Class::Temporary => &TEMPORARY,
        Class::Permanent => &PERMANENT,
    }
}

const NO_SUCH_MAILBOX: Advice = advice(
    [
        "There is no such mailbox. Check the address for typing errors, or ask the recipient for the current one.",
        "宛先のメールアドレスが存在しません。入力間違いがないか確認するか、受信者に現在のアドレスをお尋ねください。",
    ],
    [
        "The receiver has no such mailbox. Many of these from one sender point to an old address list or an abused account.",
        "受信側に該当するメールボックスがありません。同じ送信者で多発する場合は、古い宛先リストやアカウントの不正利用を疑ってください。",
    ],
);

const CARRIER_REFUSAL: Advice = advice(
    [
        "The mobile carrier does not know the address, or the recipient's filter refuses mail from your domain. Check the address, or ask \
         the recipient to allow mail from your domain.",
        "携帯電話会社が宛先不明と応答しました。アドレスの間違いのほか、受信者の迷惑メールフィルター(指定受信・PCメール拒否)でも同じ応答になります。\
         アドレスを確認するか、受信者に送信元ドメインの受信許可を依頼してください。",
    ],
    [
        "A Japanese carrier answers alike for unknown addresses and for mail that the owner's filter refuses. Many unknown addresses make it \
         limit this source address.",
        "国内携帯キャリアは、宛先不明と受信者のフィルターによる拒否を同じ応答で返します。宛先不明が多いと送信元IPアドレスが規制されます。",
    ],
);

const MAILBOX_DISABLED: Advice = advice(
    [
        "The mailbox exists but takes no mail at present. Reach the recipient in another way.",
        "宛先のメールボックスは現在利用できない状態です。別の方法で受信者に連絡してください。",
    ],
    [
        "The receiver has disabled the mailbox. Nothing to do here.",
        "受信側でメールボックスが停止されています。こちら側の対応は不要です。",
    ],
);

const MAILBOX_FULL: Advice = advice(
    [
        "The recipient's mailbox is full. Ask the recipient to make room, then send the message again.",
        "受信者のメールボックスの容量が一杯です。受信者に空き容量の確保を依頼し、改めて送信してください。",
    ],
    [
        "The recipient is over quota at the receiver. Nothing to do here.",
        "受信側の容量超過です。こちら側の対応は不要です。",
    ],
);

const RECIPIENT_FILTER: Advice = advice(
    [
        "The recipient, or the recipient's company or list, does not accept mail from you. Ask the recipient to allow your address.",
        "受信者、または受信者の会社やメーリングリストの設定により拒否されました。受信者に送信元アドレスの受信許可を依頼してください。",
    ],
    [
        "Refused by the recipient's own rules, not because of this system.",
        "受信者側の設定による拒否です。このシステムが原因ではありません。",
    ],
);

const NO_SUCH_HOST: Advice = advice(
    [
        "The part of the address behind the @ does not exist or takes no mail. Check it for typing errors.",
        "メールアドレスの@より後ろのドメインが存在しないか、メールを受信していません。入力間違いがないか確認してください。",
    ],
    [
        "The domain does not exist, or publishes a null MX record (RFC 7505).",
        "ドメインが存在しないか、null MX (RFC 7505) が公開されています。",
    ],
);

const SENDER_REFUSED: Advice = advice(
    [
        "The receiver does not accept your sender address. Check that your domain exists and has an MX record.",
        "送信元メールアドレスが拒否されました。送信元のドメインが有効で、MXレコードが設定されているか確認してください。",
    ],
    [
        "Check the DNS records of the sender's domain: MX, A, and that it has not expired.",
        "送信元ドメインのDNS (MX、Aレコード、有効期限) を確認してください。",
    ],
);

const BLOCKLISTED: Advice = advice(
    [
        "The receiver uses a blocklist that names this mail server or an address in your message. Your provider can see which in the \
         delivery log; tell them of this notice.",
        "受信側が利用しているブロックリストに、このメールサーバーまたは本文中のURLなどが登録されています。\
         このメールを添えて、契約中のメールサービスにお問い合わせください。",
    ],
    [
        "Look the source address up at the blocklist, find which account caused the listing, stop it, and then ask for removal.",
        "該当ブロックリストで送信元IPアドレスを照会し、原因となったアカウントを停止してから解除を申請してください。",
    ],
);

const REPUTATION: Advice = advice(
    [
        "The receiver does not trust this mail server at present. Tell your provider of this notice.",
        "受信側がこのメールサーバーからの受信を制限しています。このメールを添えて、契約中のメールサービスにお問い合わせください。",
    ],
    [
        "The receiver's own reputation system refuses the source address. Look for spam from it, use another address of the pool \
         meanwhile, and use the receiver's postmaster page.",
        "受信側独自の評価により送信元IPアドレスが拒否されています。迷惑メールの送信がないか調べ、当面は別のIPアドレスを使い、\
         受信側のポストマスターページから申請してください。",
    ],
);

const RATE_LIMITED: Advice = advice(
    [
        "The receiver limits how much mail it takes at once. Send in smaller numbers or later.",
        "受信側の流量制限にかかりました。件数を減らすか、時間を置いて送信してください。",
    ],
    [
        "The receiver limits the rate. The destination is slowed down by itself; if it stays, look for one sender who fills it.",
        "受信側の流量制限です。この宛先への送信は自動的に減速されます。続く場合は大量送信しているアカウントを確認してください。",
    ],
);

const GREYLISTED: Advice = advice(
    [
        "The receiver takes mail from new senders only at the second attempt. It is tried again by itself.",
        "受信側が初回の送信を一時的に保留しています(グレイリスティング)。自動で再送します。",
    ],
    ["Greylisting. Delivered at a later attempt, as a rule.", "グレイリスティングです。通常は再送時に配信されます。"],
);

const UNAUTHENTICATED: Advice = advice(
    [
        "The receiver could not verify that the mail is from your domain. Add the SPF record of this service to your domain's DNS, and \
         switch DKIM on.",
        "送信元ドメインの認証(SPF・DKIM・DMARC)に失敗しました。ドメインのDNSに本サービスのSPFレコード(TXT)を追加し、\
         DKIMを有効にしてください。",
    ],
    [
        "SPF, DKIM or DMARC failed at the receiver (Gmail: 5.7.26). Check the TXT records of the sender's domain, its DKIM key, and whether the \
         message was forwarded.",
        "受信側で SPF/DKIM/DMARC の検証に失敗しています(Gmail の 5.7.26 など)。送信元ドメインのTXTレコード、DKIM鍵、転送の有無を確認してください。",
    ],
);

const REVERSE_DNS: Advice = advice(
    [
        "The receiver wants this mail server's name in DNS to be set right. Tell your provider of this notice.",
        "メールサーバーの逆引きDNSの問題で拒否されました。このメールを添えて、契約中のメールサービスにお問い合わせください。",
    ],
    [
        "Give the source address a PTR record whose name leads back to the address, and use that name in EHLO.",
        "送信元IPアドレスにPTRレコードを設定し、その名前の正引きとEHLO名を一致させてください。",
    ],
);

const CONTENT_REFUSED: Advice = advice(
    [
        "The receiver holds the content for spam or harmful. Remove attachments and doubtful links, or send the file in another way.",
        "メールの内容が迷惑メールまたは有害と判定されました。添付ファイルや本文中のURLを見直すか、別の方法で送信してください。",
    ],
    [
        "The content was refused. If many messages of one account are, check whether the account is abused.",
        "内容による拒否です。同じアカウントで多発する場合は、不正利用を確認してください。",
    ],
);

const TOO_LARGE: Advice = advice(
    [
        "The message is larger than the receiver takes. Send less at once, or use a file transfer service.",
        "受信側のメールサイズ上限を超えています。分割するか、ファイル転送サービスをご利用ください。",
    ],
    [
        "Beyond the receiver's size limit; encoding makes attachments a third larger.",
        "受信側のサイズ上限超過です。添付ファイルはエンコードにより約3分の1大きくなります。",
    ],
);

const TOO_MANY_RECIPIENTS: Advice = advice(
    [
        "Too many recipients at once for the receiver. Send to fewer at a time.",
        "一度に送信した宛先が受信側の上限を超えています。宛先を分けて送信してください。",
    ],
    [
        "The receiver takes fewer recipients in one transaction; the rest is sent in further ones.",
        "受信側の1通あたりの宛先数の上限です。残りは別のトランザクションで送信されます。",
    ],
);

const RELAY_DENIED: Advice = advice(
    [
        "The server that takes the domain's mail does not know the domain. Tell the recipient in another way.",
        "宛先ドメインのメールサーバーが、そのドメインのメールを受け付けていません。別の方法で受信者に知らせてください。",
    ],
    [
        "The receiver's MX record may point to a wrong server; or a smart host wants a login: check its user name and password.",
        "宛先のMXレコードの誤り、またはスマートホストの認証設定(ユーザー名・パスワード)を確認してください。",
    ],
);

const TLS_REQUIRED: Advice = advice(
    [
        "The receiver takes mail only over an encrypted connection, which could not be made. Tell your provider of this notice.",
        "受信側が暗号化通信を必須としていますが、確立できませんでした。このメールを添えて、契約中のメールサービスにお問い合わせください。",
    ],
    [
        "The receiver demands STARTTLS. Look at why the handshake failed, in the delivery log.",
        "受信側がSTARTTLSを必須としています。配信ログでTLSハンドシェイクの失敗理由を確認してください。",
    ],
);

const TLS_POLICY: Advice = advice(
    [
        "The receiver's domain demands an encrypted connection that proves its name, and its servers did not give it. The recipient's \
         administrator must repair that.",
        "受信側ドメインが検証可能な暗号化通信を要求していますが、受信サーバーが条件を満たしていません。受信側の管理者による修正が必要です。",
    ],
    [
        "MTA-STS, DANE or REQUIRETLS forbids delivery: the certificate or TLSA record does not fit. See the TLS report.",
        "MTA-STS、DANE、REQUIRETLS のいずれかの要件を満たさないため配信できません。証明書やTLSAレコードを確認してください。",
    ],
);

const UNSUPPORTED: Advice = advice(
    [
        "The receiver's server can't take this kind of message, such as an address or header in non-ASCII letters. Use a plain address.",
        "受信サーバーがこの形式のメール(国際化メールアドレスなど)に対応していません。英数字のメールアドレスをご利用ください。",
    ],
    ["The receiver lacks SMTPUTF8 or 8BITMIME.", "受信側が SMTPUTF8 または 8BITMIME に対応していません。"],
);

const SERVER_BUSY: Advice = advice(
    [
        "The receiver's server is overloaded or being serviced. Send again later.",
        "受信サーバーが混雑またはメンテナンス中です。時間を置いて送信してください。",
    ],
    [
        "The receiver is busy, closing, or out of space; the destination is slowed down by itself.",
        "受信側の混雑・停止・容量不足です。この宛先への送信は自動的に減速されます。",
    ],
);

const NO_CONNECTION: Advice = advice(
    [
        "The receiver's server could not be reached; it may be overloaded or down. Send again later.",
        "受信サーバーに接続できませんでした。混雑または停止している可能性があります。時間を置いて送信してください。",
    ],
    [
        "No MX host took a connection, or it broke. Check the route if other destinations are affected too.",
        "宛先のMXホストに接続できない、または切断されました。他の宛先でも起きる場合は経路を確認してください。",
    ],
);

const DNS_FAILURE: Advice = advice(
    [
        "The DNS servers of the recipient's domain gave no answer. Check the address; the recipient's administrator may have to repair DNS.",
        "宛先ドメインのDNSサーバーから応答がありません。アドレスを確認してください。受信側の管理者による修正が必要な場合があります。",
    ],
    [
        "DNS gave SERVFAIL or no answer for the domain, or its DNSSEC signatures are wrong.",
        "宛先ドメインのDNSが SERVFAIL・無応答、またはDNSSEC検証に失敗しています。",
    ],
);

const LOOP: Advice = advice(
    [
        "The message went round between servers. The recipient's forwarding settings must be repaired.",
        "メールがサーバー間でループしています。受信者の転送設定の修正が必要です。",
    ],
    [
        "A forwarding loop. Read the Received fields of the returned message to see between which servers.",
        "転送ループです。返送されたメールのReceivedヘッダーで経路を確認してください。",
    ],
);

const PROTOCOL: Advice = advice(
    [
        "The receiver's server refused a command. Tell your provider of this notice.",
        "受信サーバーがコマンドを受け付けませんでした。このメールを添えて、契約中のメールサービスにお問い合わせください。",
    ],
    [
        "A syntax or sequence error at the receiver. Read the session in the live view.",
        "受信側で構文または手順のエラーが返されました。SMTPの通信内容を確認してください。",
    ],
);

const TEMPORARY: Advice = advice(
    [
        "The receiver can't take the message at present. It gave the reason in its reply.",
        "受信側が一時的にメールを受け付けられない状態です。理由は応答の内容をご覧ください。",
    ],
    [
        "A temporary refusal of no known kind. Read the reply.",
        "分類できない一時的な拒否です。応答の内容を確認してください。",
    ],
);

const PERMANENT: Advice = advice(
    [
        "The receiver refused the message. It gave the reason in its reply.",
        "受信側がメールの受信を拒否しました。理由は応答の内容をご覧ください。",
    ],
    [
        "A permanent refusal of no known kind. Read the reply.",
        "分類できない恒久的な拒否です。応答の内容を確認してください。",
    ],
);
