//! Something to try: a domain with two accounts, made through the admin API like any other, and how to use them.
//!
//! Passwords are random and kept in `demo-accounts` in the data folder, so that a second start shows the same.

use std::fmt::Write as _;
use std::net::SocketAddr;

use anyhow::Context as _;
use rand::distr::{Alphanumeric, SampleString as _};
use tonic::Code;
use yubin_ctl::connection::{Connection, connect};
use yubin_ctl::say;
use yubin_proto::r#gen::admin as api;

use crate::config::Config;
use crate::secrets;

const DOMAIN: &str = "demo.example";
const ACCOUNTS: [&str; 2] = ["alice@demo.example", "bob@demo.example"];
const PASSWORD_CHARS: usize = 12;

/// Makes sure the demo domain and its accounts exist, and prints their settings.
pub(crate) async fn offer(config: &Config, bound: &[(String, SocketAddr)]) -> anyhow::Result<()> {
    let port = |service: &str| bound.iter().find(|(name, _)| name == service).map(|(_, address)| *address);
    let admin = port("admin").context("the demo needs the admin role and its listener")?;
    let token = std::fs::read_to_string(secrets::admin_token_path(config))?;
    let mut connection = connect(&format!("http://{admin}"), token.trim())?;
    let password = password(config)?;
    create(&mut connection, &password).await?;
    say(&description(&password, port));
    Ok(())
}

async fn create(connection: &mut Connection, password: &str) -> anyhow::Result<()> {
    let domain = api::CreateDomainRequest { name: DOMAIN.to_owned(), ..Default::default() };
    exists_or(connection.create_domain(domain).await)?;
    for address in ACCOUNTS {
        let account = api::CreateAccountRequest {
            address: address.to_owned(),
            password: password.to_owned(),
            ..Default::default()
        };
        exists_or(connection.create_account(account).await)?;
    }
    Ok(())
}

fn exists_or<T>(outcome: Result<T, tonic::Status>) -> anyhow::Result<()> {
    match outcome {
        Ok(_) => Ok(()),
        Err(status) if status.code() == Code::AlreadyExists => Ok(()),
        Err(status) => Err(status).context("making the demo domain"),
    }
}

fn password(config: &Config) -> anyhow::Result<String> {
    let path = config.data_dir.join("demo-accounts");
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            // Letters and digits: it is pasted into a shell, where a dash at its front would be an option.
            let password = Alphanumeric.sample_string(&mut rand::rng(), PASSWORD_CHARS);
            secrets::write_private(&path, format!("{password}\n").as_bytes())?;
            Ok(password)
        }
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}

fn description(password: &str, port: impl Fn(&str) -> Option<SocketAddr>) -> String {
    let mut text = format!("\nThe system is running. Two accounts to try, both with the password {password}\n\n");
    for address in ACCOUNTS {
        // Writing to a String can't fail.
        let _ = writeln!(text, "    {address}");
    }
    text.push('\n');
    for (service, meaning) in [
        ("smtp", "SMTP from the world"),
        ("submission", "submission, STARTTLS and login"),
        ("submissions", "submission over TLS"),
        ("imap", "IMAP, STARTTLS"),
        ("imaps", "IMAP over TLS"),
        ("pop3", "POP3, STLS"),
        ("pop3s", "POP3 over TLS"),
        ("admin", "admin API (gRPC)"),
        ("http", "/livez /readyz /metrics"),
    ] {
        if let Some(address) = port(service) {
            let _ = writeln!(text, "    {:<21} {meaning}", address.to_string());
        }
    }
    if let Some(smtp) = port("smtp") {
        let [alice, bob] = ACCOUNTS;
        let _ = write!(
            text,
            "\nThe certificate is self-signed. Send a first mail:\n\n    swaks --server {smtp} --from someone@example.org --to {alice}\n"
        );
        if let Some(imap) = port("imaps") {
            let _ = writeln!(text, "    curl -k --url 'imaps://{imap}/INBOX;UID=1' --user '{alice}:{password}'");
        }
        if let Some(submission) = port("submission") {
            let _ = writeln!(
                text,
                "    swaks --server {submission} --tls --auth-user {alice} --auth-password {password} --from {alice} --to {bob}"
            );
        }
    }
    text.push_str("\nCtrl-C ends it; mail stays.\n");
    text
}
