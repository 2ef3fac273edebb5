//! What a client says: mostly what the state of the session asks for, often something else, in groups and in pieces. All of it follows
//! from the seed and from the model's state.

use super::model::{Chunk, Envelope, Model, Phase, Service, Tls};
use super::words;

/// SplitMix64.
#[derive(Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }
}

/// What comes next between two messages.
#[derive(Clone, Copy, Debug)]
enum Next {
    Hello,
    StartTls,
    Auth,
    Mail,
    AnyMail,
    Rcpt,
    AnyRcpt,
    Data,
    Chunk,
    Idle,
    Odd,
    Burst,
    Quit,
}

/// What looks like the end of a message, and is none.
const LOOK_ALIKES: [&[u8]; 12] = [
    b"\n.\n",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\r.\r",
    b"\r.\r\n",
    b"\r\n.\r",
    b"\r\n.\r\r\n",
    b"\r\n.\0\r\n",
    b"\r\n\0.\r\n",
    b"\r\n..\r\n",
    b"\r\n. \r\n",
    b"\n\n.\n\n",
];

const LINES: [&[u8]; 12] = [
    b"Subject: x\r\n",
    b"\r\n",
    b"text\r\n",
    b"..\r\n",
    b".dot\r\n",
    b"...\r\n",
    b"Received: from a by b\r\n",
    b"RECEIVED:\r\n",
    b"MAIL FROM:<tim@example.jp>\r\n",
    b"QUIT\r\n",
    b"\xe3\x81\x82\xff\x80\r\n",
    b"\t folded\r\n",
];

const ODD: [&[u8]; 26] = [
    b"FOO\r\n",
    b"\r\n",
    b"\n",
    b"   \r\n",
    b" RSET\r\n",
    b"RSET\n",
    b"RCPT TO:<tim@example.jp>\n",
    b"NO\0OP\r\n",
    b"RS\rET\r\n",
    b"RSET\r\r\n",
    b"VRFY\r\n",
    b"QUIT now\r\n",
    b"DATA now\r\n",
    b"STARTTLS now\r\n",
    b"RSET now\r\n",
    b"EHLO\r\n",
    b"EHLO a b\r\n",
    b"EXPN staff\r\n",
    b"ETRN example.jp\r\n",
    b"AUTH\r\n",
    b"AUTH PLAIN a b\r\n",
    b"MAILFROM:<tim@example.jp>\r\n",
    b"\xff\xfe\xfd\r\n",
    b"XCLIENT ADDR=192.0.2.1\r\n",
    b"LONGVERBTHATISNONE x\r\n",
    b"DATA\n.\n",
];

const ODD_CHUNKS: [&[u8]; 9] = [
    b"BDAT\r\n",
    b"BDAT x\r\n",
    b"BDAT +5\r\n",
    b"BDAT -1 LAST\r\n",
    b"BDAT 5 FIRST\r\n",
    b"BDAT 5 LAST LAST\r\n",
    b"BDAT 18446744073709551616 LAST\r\n",
    b"BDAT 18446744073709551615\r\n",
    b"BDAT 999999999999999999999\r\n",
];

impl Random {
    /// Some commands in one go, with what belongs to them.
    pub fn group(&mut self, model: &Model) -> Vec<u8> {
        let mut ahead = model.clone();
        let mut octets = Vec::new();
        let count = if self.once_in(3) { 1 } else { 1 + self.below(6) };
        for _ in 0..count {
            let said = self.utterance(&ahead);
            ahead.receive(&said);
            octets.extend_from_slice(&said);
            let verb = String::from_utf8_lossy(&said[..said.len().min(4)]).to_ascii_uppercase();
            let waits = matches!(verb.as_str(), "EHLO" | "HELO" | "LHLO" | "DATA" | "STAR" | "AUTH");
            if matches!(ahead.phase, Phase::Sasl(_)) || (waits && !self.once_in(25)) {
                break;
            }
            if matches!(ahead.phase, Phase::Handshake | Phase::Closed) {
                // Behind what must be last in its group.
                octets.extend_from_slice(b"RSET\r\nMAIL FROM:<>\r\n");
                break;
            }
        }
        octets
    }

    /// In segments.
    pub fn cut<'a>(&mut self, octets: &'a [u8]) -> Vec<&'a [u8]> {
        let longest = match self.below(4) {
            0 if octets.len() <= 2_000 => 1,
            1 if octets.len() <= 5_000 => 1 + self.below(20),
            2 => 1_000 + self.below(20_000),
            _ => octets.len(),
        };
        let mut rest = octets;
        let mut pieces = Vec::new();
        while !rest.is_empty() {
            let length = if longest >= octets.len() { rest.len() } else { 1 + self.below(longest) };
            let (piece, after) = rest.split_at(length.min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        pieces
    }

    fn utterance(&mut self, model: &Model) -> Vec<u8> {
        match &model.phase {
            Phase::Command(envelope) => self.command(model, envelope),
            Phase::Sasl(login) => {
                let known: Vec<&str> =
                    words::RESPONSES.iter().filter(|(state, ..)| state == login).map(|(_, text, _)| *text).collect();
                format!("{}\r\n", self.pick(&known)).into_bytes()
            }
            Phase::Data(..) => {
                let mut text = self.text(model.bytes_max);
                if !self.once_in(4) {
                    text.extend_from_slice(b".\r\n");
                }
                text
            }
            Phase::Chunk(Chunk { left, .. }) => {
                let left = usize::try_from(*left).unwrap_or(usize::MAX).min(4 * model.bytes_max);
                let octets = if self.once_in(4) { 1 + self.below(left) } else { left };
                self.octets(octets)
            }
            Phase::Handshake | Phase::Closed => Vec::new(),
        }
    }

    fn command(&mut self, model: &Model, envelope: &Envelope) -> Vec<u8> {
        let wanted = match (model.greeted, model.service, model.tls, model.user, envelope) {
            (None, ..) => &[Next::Hello][..],
            (_, Service::Submission, Tls::Offered, None, _) => &[Next::StartTls],
            (_, Service::Submission, _, None, _) => &[Next::Auth],
            (.., Envelope::None) => &[Next::Mail, Next::Mail, Next::Mail, Next::StartTls],
            (.., Envelope::Open { accepted, .. }) if accepted.is_empty() => &[Next::Rcpt, Next::AnyRcpt],
            (.., Envelope::Open { .. }) => &[Next::Rcpt, Next::AnyRcpt, Next::Data, Next::Data, Next::Chunk],
            (.., Envelope::Chunked { .. }) => &[Next::Chunk],
        };
        let next = match self.below(100) {
            0..70 => self.pick(wanted),
            70..98 => self.pick(&[
                Next::Hello,
                Next::StartTls,
                Next::Auth,
                Next::AnyMail,
                Next::AnyMail,
                Next::AnyRcpt,
                Next::AnyRcpt,
                Next::Data,
                Next::Chunk,
                Next::Idle,
                Next::Odd,
            ]),
            98 => self.pick(&[Next::Quit, Next::Burst]),
            _ => Next::Odd,
        };
        self.say(next, model)
    }

    fn say(&mut self, next: Next, model: &Model) -> Vec<u8> {
        match next {
            Next::Hello => {
                let verb = match model.service {
                    _ if self.once_in(12) => self.pick(&["EHLO", "HELO", "LHLO"]),
                    Service::Lmtp => "LHLO",
                    Service::Mx | Service::Submission => self.pick(&["EHLO", "ehlo", "HELO"]),
                };
                format!("{verb} client.example\r\n").into_bytes()
            }
            Next::StartTls => b"STARTTLS\r\n".to_vec(),
            Next::Auth => self.auth(),
            Next::Mail => format!("MAIL {}\r\n", words::MAILS[self.below(7)].0).into_bytes(),
            Next::AnyMail => format!("MAIL {}\r\n", self.pick(&words::MAILS).0).into_bytes(),
            Next::Rcpt => format!("RCPT {}\r\n", words::RCPTS[self.below(5)].0).into_bytes(),
            Next::AnyRcpt => format!("RCPT {}\r\n", self.pick(&words::RCPTS).0).into_bytes(),
            Next::Data => b"DATA\r\n".to_vec(),
            Next::Chunk => self.chunk(model.bytes_max),
            Next::Idle => {
                self.pick(&[&b"RSET\r\n"[..], b"NOOP x\r\n", b"HELP\r\n", b"VRFY tim\r\n", b"rset \r\n"]).to_vec()
            }
            Next::Odd => match self.below(30) {
                0 => [&b"NOOP "[..], &vec![b'x'; 1_000 + self.below(20_000)], b"\r\n"].concat(),
                1 => [&b"AUTH "[..], &vec![b'x'; 12_300], b"\r\n"].concat(),
                _ => self.pick(&ODD).to_vec(),
            },
            Next::Burst => {
                let line =
                    self.pick(&[&b"NOOP\r\n"[..], b"FOO\r\n", b"RCPT TO:<nobody@example.jp>\r\n", b"RCPT TO:<tim\r\n"]);
                line.repeat(10 + self.below(120))
            }
            Next::Quit => self.pick(&[&b"QUIT\r\n"[..], b"GET / HTTP/1.1\r\n", b"POST\r\n"]).to_vec(),
        }
    }

    fn auth(&mut self) -> Vec<u8> {
        if self.once_in(12) {
            return format!("AUTH {}\r\n", self.pick(&words::NO_MECHANISMS)).into_bytes();
        }
        let (name, login) = self.pick(&words::MECHANISMS);
        let known: Vec<&str> =
            words::RESPONSES.iter().filter(|(state, ..)| *state == login).map(|(_, text, _)| *text).collect();
        match self.below(2) {
            0 => format!("AUTH {name}\r\n").into_bytes(),
            _ => format!("AUTH {name} {}\r\n", self.pick(&known)).into_bytes(),
        }
    }

    /// BDAT with its octets, or with some of them.
    fn chunk(&mut self, bytes_max: usize) -> Vec<u8> {
        if self.once_in(30) {
            return self.pick(&ODD_CHUNKS).to_vec();
        }
        let text = match self.below(5) {
            0 => Vec::new(),
            1 => {
                let count = self.below(200);
                self.octets(count)
            }
            _ => self.text(bytes_max),
        };
        let last = self.pick(&["", " LAST", " last", "  LAST "]);
        let sent = if self.once_in(10) { self.below(text.len() + 1) } else { text.len() };
        [format!("BDAT {}{last}\r\n", text.len()).as_bytes(), &text[..sent]].concat()
    }

    /// Lines that may stand in a message, and now and then something that may not.
    fn text(&mut self, bytes_max: usize) -> Vec<u8> {
        let mut text = Vec::new();
        for _ in 0..self.below(8) {
            text.extend_from_slice(self.pick(&LINES));
        }
        match self.below(24) {
            0..3 => text.extend_from_slice(self.pick(&LOOK_ALIKES)),
            3 => text.extend(b"Received: x\r\n".repeat(49 + self.below(4))),
            4 => text.extend(b"0123456789abcd\r\n".repeat(bytes_max / 16)),
            5 => text.extend(b"0123456789abcd\r\n".repeat(bytes_max / 11)),
            6 if self.once_in(3) => text.extend(b".23456789abcde\r\n".repeat(bytes_max / 6)),
            _ => {}
        }
        text
    }

    /// So many octets of any kind, most of them fit for a message.
    fn octets(&mut self, count: usize) -> Vec<u8> {
        let spoiled = self.once_in(6);
        let mut octets: Vec<u8> =
            std::iter::repeat_n(b"line\r\n.dot\r\n".as_slice(), count / 12 + 1).flatten().copied().collect();
        octets.truncate(count);
        if spoiled && count > 0 {
            let at = self.below(count);
            octets[at] = self.pick(b"\r\n\0.");
        }
        octets
    }
}
