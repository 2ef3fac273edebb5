//! SHIN-04: who logs in to send from a country where the account may not is told so, and the rules can be changed while all runs.

// Helpers of tests may fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use yubin_tests::imap::Imap;
use yubin_tests::mmdb;
use yubin_tests::over_both_transports;
use yubin_tests::process::{output, wait_until};
use yubin_tests::system::{System, Transport};

over_both_transports!(sending_is_restricted_to_countries_and_reading_is_not);

const DOMAIN: &str = "home.example";
const ANN: &str = "u0@home.example";
const BOB: &str = "u1@home.example";
const PASSWORD: &str = "correct horse battery";
/// How long a line of the mail log may be on its way.
const TRACED_WITHIN: Duration = Duration::from_secs(30);

struct World {
    system: System,
    database: PathBuf,
    _folder: tempfile::TempDir,
}

impl World {
    /// In a world where this machine stands in one country, and mail may come from Japan.
    fn start(transport: Transport, country: &str) -> World {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("countries.mmdb");
        std::fs::write(&database, all_in(country)).unwrap();
        let told = format!(
            "[smtp.countries]\ndatabase = \"{}\"\npermitted = [\"JP\"]\nexempt_networks = []\n",
            database.display()
        );
        let system = System::configured(transport, folder.path(), &told).unwrap();
        system.admin.populate(DOMAIN, 2, PASSWORD).unwrap();
        World { system, database, _folder: folder }
    }

    /// Puts another database in the place of the one in use, as update programs do.
    fn replace(&self, content: &[u8]) {
        let fresh = self.database.with_extension("new");
        std::fs::write(&fresh, content).unwrap();
        std::fs::rename(&fresh, &self.database).unwrap();
    }

    fn ctl(&self, line: &str) {
        self.system.admin.ctl(&line.split(' ').collect::<Vec<_>>(), "").unwrap();
    }

    /// Sends to oneself by a real client; an error holds what it was told.
    fn submit(&self, user: &str, password: &str) -> Result<(), String> {
        let port = self.system.port("submissions").unwrap().port().to_string();
        let mut swaks = Command::new("swaks");
        swaks.args(["--server", "127.0.0.1", "--port", &port, "--tls-on-connect", "--auth", "PLAIN"]);
        swaks.args(["--auth-user", user, "--auth-password", password, "--from", user, "--to", user]);
        output(&mut swaks).map(drop).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn refused(&self, user: &str, text: &str) {
        let refused = self.submit(user, PASSWORD).unwrap_err();
        assert!(refused.contains(text), "{refused}");
    }
}

/// A database by which all of 127.0.0.0/8 lies there.
fn all_in(country: &str) -> Vec<u8> {
    mmdb::database(&[(Ipv4Addr::new(192, 0, 2, 0), 24, "DE"), (Ipv4Addr::new(127, 0, 0, 0), 8, country)])
}

fn sending_is_restricted_to_countries_and_reading_is_not(transport: Transport) {
    let world = World::start(transport, "US");
    let abroad = "535 5.7.8 Sending from US is not allowed for this account, only from JP;";
    world.refused(ANN, abroad);
    let traced = || world.system.admin.ctl(&["trace", ANN], "").unwrap();
    wait_until(TRACED_WITHIN, || traced().contains("login refused") && traced().contains(abroad)).unwrap();
    Imap::login(world.system.port("imaps").unwrap(), ANN, PASSWORD).unwrap();
    let wrong = world.submit(ANN, "wrong").unwrap_err();
    assert!(wrong.contains("535 5.7.8 Wrong user name or password") && !wrong.contains("Sending from"), "{wrong}");

    // A journey, and its end.
    world.ctl(&format!("countries set {ANN} --off-until 2099-01-01"));
    world.submit(ANN, PASSWORD).unwrap();
    world.refused(BOB, abroad);
    world.ctl(&format!("countries set {ANN} --off-until 2020-01-01"));
    world.refused(ANN, abroad);

    // A domain, and an account that goes its own way.
    world.ctl(&format!("countries set {DOMAIN} --only JP,us"));
    world.submit(ANN, PASSWORD).unwrap();
    world.ctl(&format!("countries set {BOB} --only DE"));
    world.refused(BOB, "only from DE;");
    let shown = world.system.admin.ctl(&["countries", "show", BOB], "").unwrap();
    assert!(shown.contains("account  DE") && shown.contains("domain   JP, US"), "{shown}");
    world.ctl(&format!("countries clear {BOB}"));
    world.submit(BOB, PASSWORD).unwrap();
    world.ctl(&format!("countries clear {DOMAIN}"));
    world.refused(BOB, abroad);

    // Another database is in force at once; what is none is not.
    world.replace(&all_in("JP"));
    world.submit(BOB, PASSWORD).unwrap();
    world.replace(b"no database");
    world.submit(BOB, PASSWORD).unwrap();
    world.replace(&mmdb::database(&[(Ipv4Addr::new(192, 0, 2, 0), 24, "DE")]));
    world.submit(BOB, PASSWORD).expect("what the database does not know is permitted");
}
