//! One trace id from the SMTP connection to the stored message: in the collector, in the log, and in the Received field.

// Helpers of tests may fail loudly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::trace::v1::Span;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};
use yubin_tests::imap::Imap;
use yubin_tests::over_both_transports;
use yubin_tests::process;
use yubin_tests::smtp::Smtp;
use yubin_tests::system::{System, Transport};

over_both_transports! {
    a_message_is_one_trace_from_the_connection_to_the_store,
    a_collector_that_is_away_holds_nothing_up,
}

const USER: &str = "u0@traces.example";
const PASSWORD: &str = "correct horse battery";
/// How long a process may take to end: its sessions are over, what is left is to send the last spans.
const END_WITHIN: Duration = Duration::from_secs(15);

fn a_message_is_one_trace_from_the_connection_to_the_store(transport: Transport) {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start();
    let mut system = system(transport, folder.path(), collector.address);
    let trace = send_and_find_trace(&system);
    // What is left is sent at the end.
    assert!(system.running.terminate(END_WITHIN).unwrap().success());

    let spans: Vec<Span> = collector.spans.try_iter().filter(|span| hex(&span.trace_id) == trace).collect();
    let span = |name: &str| {
        let mut found = spans.iter().filter(|span| span.name == name);
        let first = found.next().unwrap_or_else(|| panic!("no span {name} of trace {trace}"));
        assert!(found.next().is_none(), "more than one span {name} of trace {trace}");
        first
    };
    let (session, message, propose) = (span("session"), span("message"), span("propose"));
    assert!(session.parent_span_id.is_empty(), "the connection is where the trace begins");
    assert_eq!(message.parent_span_id, session.span_id);
    if transport == Transport::Direct {
        assert_eq!(propose.parent_span_id, message.span_id);
    }
    assert!(session.start_time_unix_nano <= message.start_time_unix_nano);
    assert!(message.start_time_unix_nano <= propose.start_time_unix_nano);
    assert!(propose.end_time_unix_nano <= message.end_time_unix_nano);
    let log = std::fs::read_to_string(folder.path().join("yubin.log")).unwrap();
    assert!(log.lines().any(|line| line.contains(&trace) && line.contains("result=Stored")), "{log}");
}

fn a_collector_that_is_away_holds_nothing_up(transport: Transport) {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = SocketAddr::from(([127, 0, 0, 1], process::free_port("127.0.0.1").unwrap()));
    let mut system = system(transport, folder.path(), nowhere);
    let begun = Instant::now();
    send_and_find_trace(&system);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(system.running.terminate(END_WITHIN).unwrap().success());
}

fn system(transport: Transport, folder: &std::path::Path, collector: SocketAddr) -> System {
    let tables = format!("[telemetry]\notlp_endpoint = \"http://{collector}\"\n");
    let system = System::configured(transport, folder, &tables).unwrap();
    system.admin.populate("traces.example", 1, PASSWORD).unwrap();
    system
}

/// Sends a message on a connection of its own and returns the trace in its Received field.
fn send_and_find_trace(system: &System) -> String {
    let mut smtp = Smtp::hello(system.port("smtp").unwrap()).unwrap();
    let reply = smtp.send("friend@elsewhere.example", USER, b"Subject: traced\r\n\r\na\r\n").unwrap();
    assert!(reply.starts_with("250"), "{reply}");
    smtp.expect("QUIT", "221").unwrap();
    let mut imap = Imap::login(system.port("imaps").unwrap(), USER, PASSWORD).unwrap();
    imap.ok("SELECT INBOX").unwrap();
    let header = imap.ok("FETCH 1 BODY.PEEK[HEADER.FIELDS (RECEIVED)]").unwrap();
    let header = String::from_utf8(header.literals()[0].to_vec()).unwrap().replace("\r\n\t", " ");
    let trace = header.split(" id ").nth(1).unwrap().split([' ', ';']).next().unwrap();
    assert!(trace.len() == 32 && trace.bytes().all(|byte| byte.is_ascii_hexdigit()), "{header}");
    // Whoever sent it was told the same.
    assert!(reply.contains(trace), "{reply}, but {header}");
    imap.ok("LOGOUT").unwrap();
    trace.to_owned()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What takes traces (OTLP over gRPC) and passes them on, until it is dropped.
struct Collector {
    address: SocketAddr,
    spans: Receiver<Span>,
    _runtime: tokio::runtime::Runtime,
}

impl Collector {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (sender, spans) = channel();
        let incoming = runtime.block_on(async { TcpIncoming::bind(SocketAddr::from(([127, 0, 0, 1], 0))) }).unwrap();
        let address = incoming.local_addr().unwrap();
        let service = TraceServiceServer::new(Inbox(sender));
        runtime.spawn(Server::builder().add_service(service).serve_with_incoming(incoming));
        Self { address, spans, _runtime: runtime }
    }
}

struct Inbox(Sender<Span>);

#[tonic::async_trait]
impl TraceService for Inbox {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let scopes = request.into_inner().resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        for span in scopes.flat_map(|scope| scope.spans) {
            // The test may have seen enough.
            let _ = self.0.send(span);
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}
