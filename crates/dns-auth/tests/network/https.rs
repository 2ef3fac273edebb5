//! One page over HTTPS, as keys of issuers are fetched, and one that is posted, as reports are.

use yubin_dns_auth::AddressScope;
use yubin_dns_auth::https::{HttpsClient, HttpsError, HttpsUrl, Page};
use yubin_types::DomainName;

use crate::dns_server::{DnsServer, Signing, Zone};
use crate::tls_server::{Authority, Https, answer};

async fn get(scope: AddressScope, name: &str, reply: Vec<u8>) -> (Result<String, HttpsError>, Vec<String>) {
    let authority = Authority::new();
    let server = Https::start(&authority.issue("login.signed.test", 2000..2100), vec![reply]).await;
    let records = "login IN A 127.0.0.1\nother IN A 127.0.0.1\n";
    let dns = DnsServer::start(&[Zone("signed.test.", Signing::Signed, records)]).await;
    let client = HttpsClient::new(authority.roots(), scope).unwrap();
    let host = DomainName::parse(name).unwrap();
    let types = ["application/jwk-set+json", "application/json"];
    let page = Page { host: &host, port: server.address.port(), path: "/keys?v=1", types: &types, bytes_max: 8_192 };
    let fetched = client.get(&dns.resolver(), page).await;
    (fetched.map(|octets| String::from_utf8(octets.to_vec()).unwrap()), server.requests())
}

#[tokio::test]
async fn a_page_of_a_wanted_type_is_fetched() {
    let reply = answer("200 OK", "Application/JSON; charset=utf-8", "{\"keys\":[]}");
    let (fetched, requests) = get(AddressScope::Any, "login.signed.test", reply).await;
    assert_eq!(fetched, Ok("{\"keys\":[]}".to_owned()));
    assert!(requests[0].starts_with("GET /keys?v=1 HTTP/1.1\r\n"), "{}", requests[0]);
}

#[tokio::test]
async fn anything_else_is_no_page() {
    let json = |status: &str, body: &str| answer(status, "application/json", body);
    let fetch = async |name: &str, reply| get(AddressScope::Any, name, reply).await.0;
    let outcome = fetch("login.signed.test", answer("200 OK", "text/html", "<p>")).await;
    assert!(matches!(outcome, Err(HttpsError::Reply(_))), "{outcome:?}");
    let outcome = fetch("login.signed.test", json("302 Found", "{}")).await;
    assert_eq!(outcome, Err(HttpsError::Reply("status 302".to_owned())));
    assert_eq!(fetch("login.signed.test", json("200 OK", &" ".repeat(9_000))).await, Err(HttpsError::TooLong));
    let outcome = fetch("other.signed.test", json("200 OK", "{}")).await;
    assert!(matches!(outcome, Err(HttpsError::Tls(_))), "{outcome:?}");
    assert!(matches!(fetch("none.signed.test", json("200 OK", "{}")).await, Err(HttpsError::Host(_))));
    let (outcome, _) = get(AddressScope::Public, "login.signed.test", json("200 OK", "{}")).await;
    assert_eq!(outcome, Err(HttpsError::Address));
}

#[tokio::test]
async fn a_report_is_posted_and_what_is_no_success_is_told() {
    let authority = Authority::new();
    let answers =
        ["201 Created", "302 Found", "503 Service Unavailable"].map(|status| answer(status, "text/html", "<p>"));
    let server = Https::start(&authority.issue("web.signed.test", 2000..2100), answers.to_vec()).await;
    let dns =
        DnsServer::start(&[Zone("signed.test.", Signing::Signed, "web IN A 127.0.0.1\nother IN A 127.0.0.1\n")]).await;
    let client = HttpsClient::new(authority.roots(), AddressScope::Any).unwrap();
    let post = async |client: &HttpsClient, name: &str| {
        let url = HttpsUrl::parse(&format!("https://{name}:{}/v1?a=b", server.address.port())).unwrap();
        client.post(&dns.resolver(), &url, "application/tlsrpt+gzip", vec![0x1f, 0x8b, 0, 0xff].into()).await
    };
    assert_eq!(post(&client, "web.signed.test").await, Ok(()));
    assert_eq!(post(&client, "web.signed.test").await, Err(HttpsError::Reply("status 302".to_owned())));
    assert_eq!(post(&client, "web.signed.test").await, Err(HttpsError::Reply("status 503".to_owned())));
    assert!(matches!(post(&client, "other.signed.test").await, Err(HttpsError::Tls(_))), "nobody vouches for it");
    let public = HttpsClient::new(authority.roots(), AddressScope::Public).unwrap();
    assert_eq!(post(&public, "web.signed.test").await, Err(HttpsError::Address));
    assert_eq!(server.bodies(), vec![vec![0x1f, 0x8b, 0, 0xff]; 3]);
    assert!(server.requests()[0].starts_with("POST /v1?a=b HTTP/1.1\r\n"), "{:?}", server.requests());
}
