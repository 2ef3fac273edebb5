//! Policies on the disk: who restarts knows what held before, and whoever blocks the DNS and the policy host meanwhile gains nothing (RFC 8461 §3.3, §10.2).
//!
//! One file for each domain, named after it: when it was fetched, the id that was announced, and the policy's text. Files are replaced, never
//! written over; one that can't be read, or says nothing that makes sense, is passed over with a warning. There are no more than
//! [`limits::MTA_STS_POLICIES_MAX`]; where one more comes, the one goes that would end first. The times are those of the machine's clock.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use yubin_types::{DomainName, limits};

use super::policy::Policy;

/// What stands before the policy, bytes.
const HEAD_BYTES_MAX: usize = 1_024;

/// A file that is being written; no domain has such a name.
const UNFINISHED: &str = ".unfinished";

/// A policy as it was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) id: String,
    pub(super) policy: Policy,
    /// How long ago it was fetched.
    pub(super) age: Duration,
}

/// A folder with policies.
#[derive(Debug)]
pub(super) struct Keep {
    folder: PathBuf,
    /// When each of them ends, seconds since 1970.
    ends: Mutex<BTreeMap<DomainName, u64>>,
}

impl Keep {
    /// Opens a folder, which is made if it is missing, with what it has that still holds.
    pub(super) fn open(folder: PathBuf) -> io::Result<(Keep, Vec<(DomainName, Kept)>)> {
        fs::create_dir_all(&folder)?;
        let (mut found, mut ends, now) = (Vec::new(), BTreeMap::new(), since_1970());
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name == UNFINISHED {
                continue;
            }
            match read(&path, name, now) {
                Ok((domain, kept)) if kept.age < kept.policy.max_age && found.len() < limits::MTA_STS_POLICIES_MAX => {
                    ends.insert(
                        domain.clone(),
                        (now + kept.policy.max_age.as_secs()).saturating_sub(kept.age.as_secs()),
                    );
                    found.push((domain, kept));
                }
                Ok(_) => fs::remove_file(&path)?,
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "a remembered MTA-STS policy is passed over")
                }
            }
        }
        Ok((Keep { folder, ends: Mutex::new(ends) }, found))
    }

    /// Keeps what was fetched just now, in the place of what was.
    pub(super) fn put(&self, domain: &DomainName, id: &str, policy: &Policy) -> io::Result<()> {
        let mut ends = self.ends.lock();
        let now = since_1970();
        if !ends.contains_key(domain) && ends.len() >= limits::MTA_STS_POLICIES_MAX {
            let first = ends.iter().min_by_key(|(_, end)| **end).map(|(domain, _)| domain.clone());
            if let Some(first) = first {
                ends.remove(&first);
                match fs::remove_file(self.folder.join(first.as_str())) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    Ok(()) | Err(_) => {}
                }
            }
        }
        let text = format!("domain: {domain}\nid: {id}\nfetched: {now}\n{}\n", policy.lines().join("\n"));
        // Who has the map writes alone.
        let unfinished = self.folder.join(UNFINISHED);
        let mut file = File::create(&unfinished)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&unfinished, self.folder.join(domain.as_str()))?;
        File::open(&self.folder)?.sync_all()?;
        ends.insert(domain.clone(), now.saturating_add(policy.max_age.as_secs()));
        Ok(())
    }
}

fn read(path: &Path, name: &str, now: u64) -> io::Result<(DomainName, Kept)> {
    let most = (HEAD_BYTES_MAX + limits::MTA_STS_POLICY_BYTES_MAX) as u64;
    let mut text = String::new();
    File::open(path)?.take(most + 1).read_to_string(&mut text)?;
    if text.len() as u64 > most {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too long"));
    }
    parse(&text, name, now).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it is no policy"))
}

fn parse(text: &str, name: &str, now: u64) -> Option<(DomainName, Kept)> {
    let (first, rest) = text.split_once('\n')?;
    let domain = first.strip_prefix("domain: ").filter(|domain| *domain == name)?;
    let (second, rest) = rest.split_once('\n')?;
    let (third, rest) = rest.split_once('\n')?;
    let fetched: u64 = third.strip_prefix("fetched: ")?.parse().ok()?;
    let kept = Kept {
        id: second.strip_prefix("id: ")?.to_owned(),
        policy: Policy::parse(rest).ok()?,
        // A clock that went back makes nothing older.
        age: Duration::from_secs(now.saturating_sub(fetched)),
    };
    Some((DomainName::parse(domain).ok()?, kept))
}

fn since_1970() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use yubin_types::DomainName;

    use super::{Keep, Policy, parse};

    const TEXT: &str =
        "domain: a.example\nid: 7\nfetched: 1000\nversion: STSv1\nmode: enforce\nmax_age: 600\nmx: mx.a.example\n";

    #[test]
    fn what_is_kept_is_read_again_and_what_makes_no_sense_is_passed_over() {
        let (domain, kept) = parse(TEXT, "a.example", 1_200).unwrap();
        assert_eq!((domain.as_str(), kept.id.as_str(), kept.age), ("a.example", "7", Duration::from_secs(200)));
        assert!(kept.policy.permits(&DomainName::parse("mx.a.example").unwrap()));
        assert_eq!(parse(TEXT, "a.example", 900).unwrap().1.age, Duration::ZERO);
        assert_eq!(parse(TEXT, "b.example", 1_200), None, "it is another domain's");
        for end in 0..TEXT.len() - "\n".len() - "mx.a.example".len() {
            assert_eq!(parse(&TEXT[..end], "a.example", 1_200), None, "cut off at {end}");
        }
    }

    #[test]
    fn a_folder_keeps_what_holds() {
        let folder = tempfile::tempdir().unwrap();
        let policy = |seconds: u64| {
            Policy::parse(&format!("version: STSv1\nmode: enforce\nmx: mx.a.example\nmax_age: {seconds}\n")).unwrap()
        };
        let name = |text: &str| DomainName::parse(text).unwrap();
        let (keep, found) = Keep::open(folder.path().join("new")).unwrap();
        assert!(found.is_empty());
        keep.put(&name("a.example"), "1", &policy(86_400)).unwrap();
        keep.put(&name("a.example"), "2", &policy(86_400)).unwrap();
        keep.put(&name("over.example"), "1", &policy(0)).unwrap();
        std::fs::write(folder.path().join("new/bad.example"), [0xff; 100]).unwrap();
        std::fs::write(folder.path().join("new/.unfinished"), "domain: ").unwrap();
        let (_, found) = Keep::open(folder.path().join("new")).unwrap();
        let found: Vec<(&str, &str)> = found.iter().map(|(name, kept)| (name.as_str(), kept.id.as_str())).collect();
        assert_eq!(found, [("a.example", "2")]);
        assert!(!folder.path().join("new/over.example").exists());
    }
}
