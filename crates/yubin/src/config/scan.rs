//! `[smtp.rspamd]`, `[smtp.clamd]`, `[smtp.archives]`, `[[smtp.milters]]`: scanners, and what becomes of what is found.

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use yubin_frontend::{
    AbsentHandling, ContentConfig, EncryptedHandling, GreylistHandling, ScannerAddress, ScannerConfig, SubmissionScan,
    UnscannedHandling, VirusHandling,
};
use yubin_types::limits;

use super::queue::Switch;

/// Who finds spam.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Rspamd {
    /// Where its normal worker listens, `host:port` or the path of a socket; empty: there is none.
    pub(crate) address: String,
    /// How long a scan may take, seconds.
    pub(crate) timeout_seconds: u64,
    /// Scans at a time.
    pub(crate) scans: usize,
    /// Longest message that it is shown, MiB.
    pub(crate) message_mib_max: u64,
    /// What becomes of longer ones.
    pub(crate) too_large: TooLarge,
    /// What becomes of mail while it is away.
    pub(crate) absent: Absent,
    /// Is it shown what users send?
    pub(crate) submissions: Switch,
    /// What becomes of what it would greylist.
    pub(crate) greylist: Greylist,
}

/// Who finds viruses.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Clamd {
    /// Where it listens, `host:port` or the path of a socket; empty: there is none.
    pub(crate) address: String,
    /// How long a scan may take, seconds.
    pub(crate) timeout_seconds: u64,
    /// Scans at a time.
    pub(crate) scans: usize,
    /// Longest message that it is shown, MiB.
    pub(crate) message_mib_max: u64,
    /// What becomes of longer ones.
    pub(crate) too_large: TooLarge,
    /// What becomes of mail while it is away.
    pub(crate) absent: Absent,
    /// Is it shown what users send?
    pub(crate) submissions: Switch,
    /// What becomes of viruses.
    pub(crate) virus: Virus,
    /// What stands in the place of what is removed, a line each.
    pub(crate) notice: Vec<String>,
}

/// A filter of mail servers.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Milter {
    /// Where it listens, `host:port` or the path of a socket.
    pub(crate) address: String,
    /// How long a message may take, seconds.
    pub(crate) timeout_seconds: u64,
    /// Messages at a time.
    pub(crate) scans: usize,
    /// Longest message that it is shown, MiB.
    pub(crate) message_mib_max: u64,
    /// What becomes of longer ones.
    pub(crate) too_large: TooLarge,
    /// What becomes of mail while it is away.
    pub(crate) absent: Absent,
    /// Is it shown what users send?
    pub(crate) submissions: Switch,
}

/// What archives may be like.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Archives {
    /// What the archives of one message may unpack to, MiB; 0: anything.
    pub(crate) unpacked_mib_max: u64,
    /// What becomes of archives that nobody can look into.
    pub(crate) encrypted: Encrypted,
    /// Is what users send looked at?
    pub(crate) submissions: Switch,
}

/// What becomes of a message that is too large to be scanned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TooLarge {
    /// It is taken.
    #[default]
    Pass,
    /// It is refused.
    Reject,
}

/// What becomes of mail while a scanner is away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Absent {
    /// It is put off.
    #[default]
    Tempfail,
    /// It is taken unscanned.
    Pass,
}

/// What becomes of what rspamd would greylist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Greylist {
    /// It is taken.
    Pass,
    /// It is put off.
    Tempfail,
}

/// What becomes of a virus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Virus {
    /// The message is refused.
    Reject,
    /// It goes to Junk.
    Junk,
    /// It is taken without its content.
    Remove,
}

/// What becomes of an archive that nobody can look into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Encrypted {
    /// Nothing.
    Pass,
    /// A field of the header says so.
    Tag,
    /// The message is refused.
    Reject,
}

impl Default for Rspamd {
    fn default() -> Self {
        Rspamd {
            address: String::new(),
            timeout_seconds: 30,
            scans: 50,
            message_mib_max: 50,
            too_large: TooLarge::Pass,
            absent: Absent::Tempfail,
            submissions: Switch::Off,
            greylist: Greylist::Pass,
        }
    }
}

impl Default for Clamd {
    fn default() -> Self {
        Clamd {
            address: String::new(),
            timeout_seconds: 120,
            scans: 10,
            message_mib_max: 25,
            too_large: TooLarge::Pass,
            absent: Absent::Tempfail,
            submissions: Switch::Off,
            virus: Virus::Reject,
            // SONET-31, word for word.
            notice: vec![
                "[English] The virus [{virus}] had been detected from [{file}]. Executed processing : {action}"
                    .to_owned(),
                "[Japanese] ウイルス [{virus}] が[{file}] から検出されました。 実行された処理:{action}".to_owned(),
            ],
        }
    }
}

impl Milter {
    /// As a front end is told.
    ///
    /// # Errors
    /// What can't work.
    pub(crate) fn settings(&self) -> anyhow::Result<ScannerConfig> {
        let told = scanner("smtp.milters", &self.address, self.timeout_seconds, self.scans)?;
        let told = told.context("smtp.milters.address: where it listens")?;
        Ok(ScannerConfig {
            message_bytes_max: self.message_mib_max.saturating_mul(1 << 20),
            too_large: self.too_large.settings(),
            absent: self.absent.settings(),
            submissions: submissions(self.submissions),
            ..told
        })
    }
}

impl Default for Archives {
    fn default() -> Self {
        Archives { unpacked_mib_max: 0, encrypted: Encrypted::Tag, submissions: Switch::Off }
    }
}

impl Archives {
    /// Tells a front end.
    pub(crate) fn tell(&self, content: &mut ContentConfig) {
        let most = self.unpacked_mib_max;
        content.unpacked_bytes_max = (most > 0).then_some(most.saturating_mul(1 << 20));
        content.encrypted = match self.encrypted {
            Encrypted::Pass => EncryptedHandling::Pass,
            Encrypted::Tag => EncryptedHandling::Tag,
            Encrypted::Reject => EncryptedHandling::Reject,
        };
        content.archives_of_users = submissions(self.submissions);
    }
}

impl Rspamd {
    /// Tells a front end.
    ///
    /// # Errors
    /// What can't work.
    pub(crate) fn tell(&self, content: &mut ContentConfig) -> anyhow::Result<()> {
        content.rspamd =
            scanner("smtp.rspamd", &self.address, self.timeout_seconds, self.scans)?.map(|told| ScannerConfig {
                message_bytes_max: self.message_mib_max.saturating_mul(1 << 20),
                too_large: self.too_large.settings(),
                absent: self.absent.settings(),
                submissions: submissions(self.submissions),
                ..told
            });
        content.greylist = match self.greylist {
            Greylist::Pass => GreylistHandling::Take,
            Greylist::Tempfail => GreylistHandling::Defer,
        };
        Ok(())
    }
}

impl Clamd {
    /// Tells a front end.
    ///
    /// # Errors
    /// What can't work.
    pub(crate) fn tell(&self, content: &mut ContentConfig) -> anyhow::Result<()> {
        content.clamd =
            scanner("smtp.clamd", &self.address, self.timeout_seconds, self.scans)?.map(|told| ScannerConfig {
                message_bytes_max: self.message_mib_max.saturating_mul(1 << 20),
                too_large: self.too_large.settings(),
                absent: self.absent.settings(),
                submissions: submissions(self.submissions),
                ..told
            });
        content.virus = match self.virus {
            Virus::Reject => VirusHandling::Reject,
            Virus::Junk => VirusHandling::Junk,
            Virus::Remove => VirusHandling::Remove,
        };
        content.virus_notice.clone_from(&self.notice);
        Ok(())
    }
}

/// A scanner of which nothing but this is told; none without an address.
fn scanner(table: &str, address: &str, timeout_seconds: u64, scans: usize) -> anyhow::Result<Option<ScannerConfig>> {
    let (time, most) = (limits::SCAN_SECONDS_MAX, limits::SCANS_MAX);
    ensure!((1..=time).contains(&timeout_seconds), "{table}.timeout_seconds: 1 to {time}");
    ensure!((1..=most).contains(&scans), "{table}.scans: 1 to {most}");
    let address = match address {
        "" => return Ok(None),
        path if path.starts_with('/') => ScannerAddress::Unix(path.into()),
        host => {
            let port = host.rsplit_once(':').and_then(|(name, port)| Some(port).filter(|_| !name.is_empty()));
            ensure!(
                port.is_some_and(|port| port.parse::<u16>().is_ok()),
                "{table}.address: {host} is neither host:port nor an absolute path"
            );
            ScannerAddress::Tcp(host.to_owned())
        }
    };
    Ok(Some(ScannerConfig {
        address,
        timeout_seconds,
        scans_max: scans,
        message_bytes_max: limits::MESSAGE_BYTES_MAX,
        too_large: UnscannedHandling::Pass,
        absent: AbsentHandling::Defer,
        submissions: SubmissionScan::Off,
    }))
}

impl TooLarge {
    const fn settings(self) -> UnscannedHandling {
        match self {
            TooLarge::Pass => UnscannedHandling::Pass,
            TooLarge::Reject => UnscannedHandling::Reject,
        }
    }
}

impl Absent {
    const fn settings(self) -> AbsentHandling {
        match self {
            Absent::Tempfail => AbsentHandling::Defer,
            Absent::Pass => AbsentHandling::Pass,
        }
    }
}

fn submissions(switch: Switch) -> SubmissionScan {
    if switch == Switch::On { SubmissionScan::On } else { SubmissionScan::Off }
}

#[cfg(test)]
mod tests {
    use yubin_frontend::{ContentConfig, ScannerAddress};

    use super::{Clamd, Rspamd};

    #[test]
    fn what_can_not_work_is_refused() {
        let told = |text: &str| {
            let mut content = ContentConfig::default();
            toml::from_str::<Rspamd>(text).unwrap().tell(&mut content)?;
            toml::from_str::<Clamd>(text).unwrap().tell(&mut content).map(|()| content)
        };
        assert!(told("").unwrap().rspamd.is_none());
        let local = told("address = '/run/scanner.sock'").unwrap();
        assert_eq!(local.clamd.unwrap().address, ScannerAddress::Unix("/run/scanner.sock".into()));
        let remote = told("address = '[::1]:11333'\nmessage_mib_max = 2").unwrap().rspamd.unwrap();
        assert_eq!((remote.address, remote.message_bytes_max), (ScannerAddress::Tcp("[::1]:11333".into()), 2 << 20));
        for text in ["address = 'scanner'", "address = ':1'", "address = 'a:99999'", "timeout_seconds = 0", "scans = 0"]
        {
            assert!(told(text).is_err(), "{text}");
        }
    }
}
