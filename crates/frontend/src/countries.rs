//! From which country a login comes, by a database that the operator keeps (MaxMind DB format, such as GeoLite2 Country).
//!
//! The file is looked at with each login that is restricted: one that was replaced is read then, so an update needs no restart. A
//! file that can't be read leaves the old one in force, and is complained of once. The country of an address is that of its network, or else that
//! of whoever registered it.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use maxminddb::{Reader, path};
use parking_lot::Mutex;
use yubin_policy::countries::{CountryDenial, admit, restriction};
use yubin_types::{CountryCode, CountryRules, limits};

use crate::config::{CountriesConfig, contains};
use crate::driver::now;

/// Why the database can't be used.
#[derive(Debug, thiserror::Error)]
#[error("database of countries {}: {reason}", .path.display())]
pub struct CountriesError {
    /// The file.
    path: PathBuf,
    /// Why.
    reason: String,
}

/// Knows countries, and from which of them may be sent.
pub(crate) struct Countries {
    config: CountriesConfig,
    loaded: Arc<Mutex<Loaded>>,
}

struct Loaded {
    /// Of the file that was looked at last, be it in force or not.
    stamp: Stamp,
    database: Arc<Reader<Vec<u8>>>,
}

/// When the file was written and how long it is.
type Stamp = Option<(SystemTime, u64)>;

impl Countries {
    /// Reads the database.
    ///
    /// # Errors
    /// [`CountriesError`].
    pub(crate) fn load(config: CountriesConfig) -> Result<Countries, CountriesError> {
        let stamp = stamp(&config.database);
        let loaded = Loaded { stamp, database: Arc::new(read(&config.database)?) };
        Ok(Countries { config, loaded: Arc::new(Mutex::new(loaded)) })
    }

    /// May an account with these rules send from there?
    ///
    /// # Errors
    /// [`CountryDenial`].
    pub(crate) async fn admit(&self, peer: IpAddr, rules: &CountryRules) -> Result<(), CountryDenial> {
        if contains(&self.config.exempt, peer) {
            return Ok(());
        }
        let Some(permitted) = restriction(rules, &self.config.permitted, now()) else { return Ok(()) };
        admit(self.country(peer).await, permitted, self.config.unknown)
    }

    async fn country(&self, address: IpAddr) -> Option<CountryCode> {
        let (loaded, file) = (Arc::clone(&self.loaded), self.config.database.clone());
        let looking = tokio::task::spawn_blocking(move || look_up(&loaded.lock().refreshed(&file), address));
        looking.await.ok().flatten()
    }
}

impl Loaded {
    /// The database of the file as it is now, or the last that could be read.
    fn refreshed(&mut self, file: &Path) -> Arc<Reader<Vec<u8>>> {
        let stamp = stamp(file);
        if stamp != self.stamp {
            self.stamp = stamp;
            match read(file) {
                Ok(database) => {
                    self.database = Arc::new(database);
                    tracing::info!("database of countries reloaded");
                }
                Err(error) => {
                    tracing::error!(%error, "a changed database of countries can't be used, the old one stays")
                }
            }
        }
        Arc::clone(&self.database)
    }
}

impl std::fmt::Debug for Countries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Countries").field("config", &self.config).finish_non_exhaustive()
    }
}

fn stamp(file: &Path) -> Stamp {
    let metadata = std::fs::metadata(file).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

fn read(file: &Path) -> Result<Reader<Vec<u8>>, CountriesError> {
    let failed = |reason: String| CountriesError { path: file.to_owned(), reason };
    let bytes = std::fs::metadata(file).map_err(|error| failed(error.to_string()))?.len();
    if bytes > limits::COUNTRY_DATABASE_BYTES_MAX {
        return Err(failed(format!("longer than {} bytes", limits::COUNTRY_DATABASE_BYTES_MAX)));
    }
    let content = std::fs::read(file).map_err(|error| failed(error.to_string()))?;
    Reader::from_source(content).map_err(|error| failed(error.to_string()))
}

fn look_up(database: &Reader<Vec<u8>>, address: IpAddr) -> Option<CountryCode> {
    let found = database.lookup(address.to_canonical()).ok()?;
    let code = |key: &'static str| found.decode_path::<String>(&path![key, "iso_code"]).ok().flatten();
    CountryCode::parse(&code("country").or_else(|| code("registered_country"))?).ok()
}
