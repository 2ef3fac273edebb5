//! TLS reports to `https:` addresses (RFC 8460 §3, §5): what is posted, that a server that fails gets it later, and that mail goes beside it.

use std::io::Read as _;
use std::time::Duration;

use flate2::read::GzDecoder;
use serde_json::{Value, json};
use yubin_types::{Timestamp, limits};

use crate::tls_server::{Authority, Https, answer};
use crate::world::{World, sessions};

const DAY: u64 = 86_400;
/// Noon of a day.
const NOON: Timestamp = Timestamp::from_seconds(20_000 * DAY + DAY / 2);
const MIDNIGHT: Timestamp = Timestamp::from_seconds(20_001 * DAY);

fn unpacked(body: &[u8]) -> Value {
    let mut text = String::new();
    GzDecoder::new(body).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_are_posted_until_they_are_taken_and_mail_goes_beside_them() {
    let authority = Authority::new();
    let identity = authority.issue("web.example.test", 2000..2100);
    let answers = ["503 Service Unavailable", "302 Found", "201 Created"];
    let answers = answers.iter().map(|status| answer(status, "text/plain", "")).collect();
    let server = Https::start(&identity, answers).await;
    // Nobody vouches for the name of the second one.
    let stranger = Https::start(&identity, vec![answer("200 OK", "text/plain", "")]).await;
    let (port, other) = (server.address.port(), stranger.address.port());
    let records = format!(
        "web IN A 127.0.0.1\nother IN A 127.0.0.1\n\
         _smtp._tls.a IN TXT \"v=TLSRPTv1; rua=https://web.example.test:{port}/v1?a=b,mailto:tls@a.example.test\"\n\
         _smtp._tls.b IN TXT \"v=TLSRPTv1; rua=https://other.example.test:{other}/v1\"\n"
    );
    let mut world = World::new(NOON, authority, &records).await;
    world.note(vec![sessions("a.example.test", NOON, 42), sessions("b.example.test", NOON, 1)]).await;
    let reporter = world.reporter(Duration::ZERO, Duration::from_millis(50));
    world.at(MIDNIGHT.plus_seconds(limits::REPORT_DELAY_SECONDS + limits::REPORT_SPREAD_SECONDS)).await;
    world.settled(MIDNIGHT, 0).await;
    let posted = "yubin_reports_total{kind=\"tls\",result=\"posted\"}";
    world.until(async || (world.counted(posted) == 1).then_some(())).await;

    let requests = server.requests();
    assert_eq!(requests.len(), 3, "twice it was not taken: {requests:?}");
    for (head, body) in requests.iter().zip(server.bodies()) {
        assert!(head.starts_with("POST /v1?a=b HTTP/1.1\r\n"), "{head}");
        assert!(head.to_lowercase().contains("\r\ncontent-type: application/tlsrpt+gzip\r\n"), "{head}");
        let report = unpacked(&body);
        assert_eq!(report["organization-name"], "Host");
        assert_eq!(report["date-range"]["start-datetime"], "2024-10-04T00:00:00Z");
        let summary = json!({ "total-successful-session-count": 42, "total-failure-session-count": 0 });
        assert_eq!(report["policies"][0]["summary"], summary);
        assert_eq!(report["policies"][0]["policy"]["policy-domain"], "a.example.test");
    }
    let to: Vec<String> = world.queued().await.into_iter().map(|queued| queued.to).collect();
    assert_eq!(to, ["tls@a.example.test"], "what is only posted is not mailed");

    // Nothing is posted again, whatever the store remembers.
    let caller = yubin_proto::Caller::internal("test");
    world.client.put_setting("report-progress", "", &caller).await.unwrap();
    world.settled(MIDNIGHT, 0).await;
    reporter.stop().await;
    assert_eq!((server.requests().len(), stranger.requests().len()), (3, 0));
    assert_eq!(world.counted(posted), 1);
    world.close().await;
}
