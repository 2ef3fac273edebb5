//! The part for people: what happened to which recipient, what it means, and what to do, in English and then in Japanese.
//!
//! The English lines about a recipient keep the form that users and their administrators know and search for (NEWC-12 to NEWC-14,
//! SONET-18, SONET-23). With qmail's profile the text is QSBMF up to its break, the line that starts with a hyphen.
//! Neighbours with the same advice share it. Lines are not wrapped: programs that show mail do that.

use std::fmt::Write as _;

use super::machine::{host_name, original_recipient};
use super::{Action, Cause, Notification, Profile, Recipient, Stage};

/// Kinds of outcome, in the order in which they are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Failed,
    Delayed,
    Relayed,
    Expanded,
    Delivered,
}

const KINDS: [Kind; 5] = [Kind::Failed, Kind::Delayed, Kind::Relayed, Kind::Expanded, Kind::Delivered];

fn kind(action: Action) -> Kind {
    match action {
        Action::Failed => Kind::Failed,
        Action::Delayed { .. } => Kind::Delayed,
        Action::Delivered => Kind::Delivered,
        Action::Relayed => Kind::Relayed,
        Action::Expanded => Kind::Expanded,
    }
}

/// The notification's subject: what is worst in it.
pub(super) fn subject(notification: &Notification<'_>) -> &'static str {
    let worst = KINDS.into_iter().find(|it| notification.recipients.iter().any(|one| kind(one.action) == *it));
    match (notification.profile, worst.unwrap_or(Kind::Failed)) {
        (Profile::Qmail, Kind::Failed) => "failure notice",
        (Profile::Qmail, Kind::Delayed) => "delay notice",
        (Profile::Qmail, _) => "success notice",
        (Profile::Postfix, Kind::Failed) => "Undelivered Mail Returned to Sender",
        (Profile::Postfix, Kind::Delayed) => "Delayed Mail (still being retried)",
        (Profile::Postfix, _) => "Successful Mail Delivery Report",
        (Profile::Plain, Kind::Failed) => "Mail could not be delivered",
        (Profile::Plain, Kind::Delayed) => "Mail is delayed and still being tried",
        (Profile::Plain, Kind::Relayed) => "Mail was handed on",
        (Profile::Plain, Kind::Expanded) => "Mail was distributed",
        (Profile::Plain, Kind::Delivered) => "Mail was delivered",
    }
}

/// The whole text, lines ended by CRLF.
pub(super) fn text(notification: &Notification<'_>) -> String {
    let host = one_line(notification.reporting_mta);
    let mut lines = vec![match notification.profile {
        Profile::Qmail => format!("Hi. This is the qmail-send program at {host}."),
        Profile::Plain | Profile::Postfix => format!("This is the mail system at host {host}."),
    }];
    if notification.profile != Profile::Qmail {
        lines.push(String::new());
    }
    sections(notification, &mut lines, |lines, kind, recipients| {
        lines.extend(english_intro(notification.profile, kind).iter().map(|line| (*line).to_owned()));
        for (recipient, advised) in recipients {
            lines.push(String::new());
            lines.extend(english(notification.profile, recipient));
            if let Some(advice) = recipient.advice.filter(|_| *advised) {
                lines.push(indented(notification.profile, advice.english));
            }
        }
    });
    lines.push("--- 日本語 (Japanese) ---".to_owned());
    lines.push(String::new());
    lines.push(format!("{host} のメールシステムからのお知らせです。"));
    sections(notification, &mut lines, |lines, kind, recipients| {
        lines.push(japanese_intro(kind).to_owned());
        for (recipient, advised) in recipients {
            lines.push(String::new());
            lines.extend(japanese(recipient));
            if let Some(advice) = recipient.advice.filter(|_| *advised) {
                lines.push(format!("    {}", one_line(advice.japanese)));
            }
        }
    });
    let mut text = lines.join("\r\n");
    text.truncate(text.trim_end().len());
    text.push_str("\r\n");
    text
}

/// Recipients of one kind; advice is given with the last of neighbours that share it.
type Section<'a, 'b> = Vec<(&'b Recipient<'a>, bool)>;

fn sections<'a>(
    notification: &Notification<'a>,
    lines: &mut Vec<String>,
    write: impl Fn(&mut Vec<String>, Kind, &Section<'a, '_>),
) {
    for it in KINDS {
        let recipients: Vec<_> = notification.recipients.iter().filter(|one| kind(one.action) == it).collect();
        let advice = |index: usize| recipients.get(index).and_then(|one| one.advice).map(|advice| advice.english);
        let section: Section<'a, '_> =
            recipients.iter().enumerate().map(|(index, one)| (*one, advice(index) != advice(index + 1))).collect();
        if !section.is_empty() {
            write(lines, it, &section);
            lines.push(String::new());
        }
    }
}

fn english_intro(profile: Profile, kind: Kind) -> &'static [&'static str] {
    match (profile, kind) {
        (Profile::Qmail, Kind::Failed) => &[
            "I'm afraid I wasn't able to deliver your message to the following addresses.",
            "This is a permanent error; I've given up. Sorry it didn't work out.",
        ],
        (Profile::Postfix, Kind::Failed) => &[
            "Your message could not be delivered to one or more recipients. It is attached",
            "below. If you ask your postmaster for help, please include this notice.",
        ],
        (Profile::Plain, Kind::Failed) => {
            &["Your message could not be delivered to the following recipients. It will not", "be tried again."]
        }
        (_, Kind::Delayed) => &[
            "Your message has not been delivered yet to the following recipients.",
            "It is still being tried: you need not send it again.",
        ],
        (_, Kind::Delivered) => &["Your message was delivered to the following recipients."],
        (_, Kind::Relayed) => &[
            "Your message was handed on for the following recipients, to a server that",
            "reports no delivery: you will hear no more of it unless something goes wrong.",
        ],
        (_, Kind::Expanded) => &["Your message was distributed to the members behind the following recipients."],
    }
}

fn japanese_intro(kind: Kind) -> &'static str {
    match kind {
        Kind::Failed => "次の宛先にメールを配信できませんでした。再送は行いません。",
        Kind::Delayed => {
            "次の宛先へのメールはまだ配信できていません。自動で再送を続けますので、送り直す必要はありません。"
        }
        Kind::Delivered => "次の宛先にメールを配信しました。",
        Kind::Relayed => {
            "次の宛先へのメールを、配信通知を行わないサーバーに引き渡しました。問題がない限り、今後の通知はありません。"
        }
        Kind::Expanded => "次の宛先へのメールを、その先の宛先すべてに送りました。",
    }
}

fn english(profile: Profile, recipient: &Recipient<'_>) -> Vec<String> {
    let address = one_line(&recipient.address.to_string());
    let mut lines = match profile {
        Profile::Qmail => {
            let mut lines = vec![format!("<{address}>:")];
            lines.extend(qmail(recipient));
            lines
        }
        Profile::Postfix => vec![format!("<{address}>{}: {}", expanded_from(recipient, &address), cause(recipient))],
        Profile::Plain => {
            let mut lines = vec![format!("<{address}>{}", expanded_from(recipient, &address))];
            let cause = cause(recipient);
            lines.extend((!cause.is_empty()).then(|| format!("    {cause}")));
            lines
        }
    };
    if let Action::Delayed { will_retry_until } = recipient.action {
        lines.push(indented(profile, &format!("It will be tried until {}.", will_retry_until.to_rfc5322())));
    }
    if is_expired(recipient) {
        lines.push(match profile {
            Profile::Qmail => "I'm not going to try again; this message has been in the queue too long.".to_owned(),
            Profile::Plain | Profile::Postfix => "    It was tried for as long as mail is kept.".to_owned(),
        });
    }
    lines
}

fn japanese(recipient: &Recipient<'_>) -> Vec<String> {
    let mut lines = vec![format!("<{}>", one_line(&recipient.address.to_string()))];
    if let Cause::Reply { host, .. } = recipient.cause {
        lines.push(format!("    {} の応答: {}", one_line(host_name(host)), reply(recipient)));
    }
    if let Action::Delayed { will_retry_until } = recipient.action {
        lines.push(format!("    {} まで再送します。", will_retry_until.to_rfc5322()));
    }
    if is_expired(recipient) {
        lines.push("    保存期間が過ぎるまで再送しましたが、配信できませんでした。".to_owned());
    }
    lines
}

/// SONET-18: whom the sender wrote to, where that is another.
fn expanded_from(recipient: &Recipient<'_>, address: &str) -> String {
    match recipient.orcpt.and_then(original_recipient) {
        Some((_, original)) if !original.eq_ignore_ascii_case(address) => {
            format!(" (expanded from <{}>)", one_line(&original))
        }
        _ => String::new(),
    }
}

/// The cause in one line, as Postfix words it (SONET-18).
fn cause(recipient: &Recipient<'_>) -> String {
    match recipient.cause {
        Cause::Reply { host, stage, .. } => {
            let mut line = format!("host {} said: {}", one_line(host), reply(recipient));
            if let Some(stage) = stage {
                let _ = write!(line, " (in reply to {})", postfix_stage(stage));
            }
            line
        }
        Cause::Local { text, .. } => one_line(text),
    }
}

/// The reply as it came.
fn reply(recipient: &Recipient<'_>) -> String {
    match recipient.cause {
        Cause::Reply { code, enhanced, text, .. } => {
            let enhanced = enhanced.map(|it| format!("{it} ")).unwrap_or_default();
            one_line(&format!("{code:03} {enhanced}{text}"))
        }
        Cause::Local { .. } => String::new(),
    }
}

fn postfix_stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Greeting => "initial server greeting",
        Stage::Hello => "EHLO command",
        Stage::StartTls => "STARTTLS command",
        Stage::Auth => "AUTH command",
        Stage::Mail => "MAIL FROM command",
        Stage::Recipient => "RCPT TO command",
        Stage::Data => "DATA command",
        Stage::EndOfData => "end of DATA command",
    }
}

/// The cause as qmail words it (NEWC-12 to NEWC-14).
fn qmail(recipient: &Recipient<'_>) -> Vec<String> {
    let status = recipient.status;
    match recipient.cause {
        Cause::Reply { host, stage, .. } => {
            let host = one_line(host);
            let what = match stage {
                Some(Stage::Greeting) => format!("Connected to {host} but greeting failed."),
                Some(Stage::Hello) => format!("Connected to {host} but my name was rejected."),
                Some(Stage::StartTls) => format!("Connected to {host} but STARTTLS was rejected."),
                Some(Stage::Auth) => format!("Connected to {host} but authentication was rejected."),
                Some(Stage::Mail) => format!("Connected to {host} but sender was rejected."),
                Some(Stage::Recipient) => format!("{host} does not like recipient."),
                Some(Stage::Data) => format!("{host} failed on DATA command."),
                Some(Stage::EndOfData) | None => format!("{host} failed after I sent the message."),
            };
            let mut lines = vec![what, format!("Remote host said: {}", reply(recipient))];
            if recipient.action == Action::Failed {
                lines.push(format!("Giving up on {host}."));
            }
            lines
        }
        Cause::Local { text, host } => {
            let domain = recipient.address.destination.to_string();
            match (recipient.action, status.subject, status.detail) {
                (Action::Failed, 1, 1) => vec!["Sorry, no mailbox here by that name. (#5.1.1)".to_owned()],
                (Action::Failed, 1, 2) => {
                    vec![format!("Sorry, I couldn't find any host named {domain}. (#5.1.2)")]
                }
                (Action::Failed, 4, 1) => {
                    let host = one_line(host.unwrap_or(&domain));
                    vec![
                        "Sorry, no SMTP connection got far enough; most progress was no connection".to_owned(),
                        format!("to remote host {host}. (#5.5.0)"),
                    ]
                }
                _ if text.is_empty() => vec![],
                _ => vec![format!("{} (#{status})", one_line(text))],
            }
        }
    }
}

/// Was it given up after failures that were all temporary?
fn is_expired(recipient: &Recipient<'_>) -> bool {
    recipient.action == Action::Failed && recipient.status.class == 4
}

fn indented(profile: Profile, line: &str) -> String {
    let line = one_line(line);
    if profile == Profile::Qmail { line } else { format!("    {line}") }
}

/// The text without line ends and other control characters.
fn one_line(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    line.trim().to_owned()
}
