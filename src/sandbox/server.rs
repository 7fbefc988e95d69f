//! Owns the HTTP server: an address on loopback, the endpoints for scripts,
//! and the carrying out of each ending on the connection that it belongs to.

use crate::StandIn;
use crate::connection::{Door, Line};
use crate::ending::Ending;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::connect_info::ConnectInfo;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Bodies above this are refused with 413.
const LARGEST_BODY: usize = 8 * 1024 * 1024;

/// A running server. It stops when it is shut down or dropped.
#[derive(Debug)]
pub struct Server {
    /// Where it listens; the port is the one that the system gave if 0 was
    /// asked for.
    pub address: SocketAddr,
    stopping: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Server {
    /// The base URL, such as `http://127.0.0.1:8765`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops accepting, resets the requests that hang, and waits for the
    /// answers that are on their way.
    pub async fn shutdown(mut self) {
        self.stopping.send_replace(true);
        // The task returns nothing; that it is over is all that counts.
        let _ = (&mut self.serving).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopping.send_replace(true);
    }
}

#[derive(Clone, Debug)]
struct Shared {
    stand_in: Arc<dyn StandIn>,
    stopping: watch::Receiver<bool>,
}

/// Serves a stand-in over HTTP/1.1, on loopback only.
///
/// Beside the API there are `GET /_sandbox/dump`, `GET /_sandbox/counters` and
/// `POST /_sandbox/reset`, which need no key and count under no limit. The
/// times that the stand-in is given are the system clock's.
///
/// # Errors
///
/// If the address is not on loopback, or cannot be listened on.
pub async fn serve(stand_in: impl StandIn + 'static, address: SocketAddr) -> io::Result<Server> {
    if !address.ip().is_loopback() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("the sandbox listens on loopback only, and {address} is not"),
        ));
    }
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let (stopping, stopped) = watch::channel(false);
    let shared = Shared {
        stand_in: Arc::new(stand_in),
        stopping: stopped.clone(),
    };
    let service = Router::new()
        .fallback(answer)
        .with_state(shared)
        .into_make_service_with_connect_info::<Line>();
    let serving = tokio::spawn(async move {
        let until_stopped = async move { wait_until_stopped(stopped).await };
        let server = axum::serve(Door(listener), service);
        // It ends without error once it is told to.
        let _ = server.with_graceful_shutdown(until_stopped).await;
    });
    Ok(Server {
        address,
        stopping,
        serving,
    })
}

async fn wait_until_stopped(mut stopping: watch::Receiver<bool>) {
    // An error means that the sender is gone, which is stopped too.
    let _ = stopping.wait_for(|stopped| *stopped).await;
}

async fn answer(
    State(shared): State<Shared>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST_BODY).await else {
        return json_answer(
            StatusCode::PAYLOAD_TOO_LARGE,
            json!({ "message": "Payload Too Large" }),
        );
    };
    if let Some(name) = parts.uri.path().strip_prefix("/_sandbox/") {
        return for_scripts(&*shared.stand_in, &parts.method, name);
    }
    let request = http::Request::from_parts(parts, body);
    let (before, after) = shared.stand_in.latency(&request);
    pause(before).await;
    let ending = shared.stand_in.handle(&request, SystemTime::now()).ending;
    pause(after).await;
    match ending {
        Ending::Answer(response) => response.map(Body::from),
        Ending::Truncated(response) => {
            line.write_instead(written(&response));
            Response::default()
        }
        Ending::Reset => {
            line.reset();
            Response::default()
        }
        Ending::Hang => {
            wait_until_stopped(shared.stopping).await;
            line.reset();
            Response::default()
        }
    }
}

async fn pause(time: Duration) {
    // Even a sleep of nothing costs a turn of the timer.
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

fn for_scripts(stand_in: &dyn StandIn, method: &Method, name: &str) -> Response {
    match (method.as_str(), name) {
        ("GET", "dump") => json_answer(StatusCode::OK, stand_in.dump()),
        ("GET", "counters") => json_answer(StatusCode::OK, stand_in.counters().to_json()),
        ("POST", "reset") => {
            stand_in.reset();
            json_answer(StatusCode::OK, json!({ "reset": true }))
        }
        _ => json_answer(StatusCode::NOT_FOUND, json!({ "message": "Not Found" })),
    }
}

fn json_answer(status: StatusCode, body: Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The answer as it goes over the wire, with the length that it declares.
fn written(response: &http::Response<Bytes>) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {}\r\n", response.status()).into_bytes();
    for (name, value) in response.headers() {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(response.body());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kratos::{self, Kratos};
    use crate::testing::{sandbox, unlimited};
    use crate::{Fault, Sandbox};
    use std::io::{ErrorKind, Read, Write};
    use std::net::{Ipv4Addr, Shutdown, TcpStream};

    async fn served<S: StandIn + Clone + 'static>(stand_in: &S) -> Server {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        serve(stand_in.clone(), address).await.unwrap()
    }

    fn connected(server: &Server) -> TcpStream {
        let stream = TcpStream::connect(server.address).unwrap();
        let patience = Some(Duration::from_secs(10));
        stream.set_read_timeout(patience).unwrap();
        stream
    }

    fn create(email: &str) -> String {
        let body = json!({ "email": email }).to_string();
        format!(
            "POST /user_management/users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk_test_1\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    fn get(path: &str) -> String {
        format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk_test_1\r\n\r\n")
    }

    /// Sends a request and reads until the other side ends, one way or another.
    fn until_end(mut stream: &TcpStream, request: &str) -> (Vec<u8>, Result<(), ErrorKind>) {
        stream.write_all(request.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        let end = stream.read_to_end(&mut bytes);
        (bytes, end.map(|_| ()).map_err(|error| error.kind()))
    }

    /// Reads one answer from a connection that stays open.
    fn one_answer(mut stream: &TcpStream, request: &str) -> String {
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        let mut buffer = [0; 4096];
        loop {
            let count = stream.read(&mut buffer).unwrap();
            assert!(count > 0, "ended after {text}");
            text.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
            let Some((head, body)) = text.split_once("\r\n\r\n") else {
                continue;
            };
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |length| length.parse::<usize>().unwrap());
            if body.len() >= length {
                return text;
            }
        }
    }

    fn users(sandbox: &Sandbox) -> usize {
        sandbox.dump()["users"].as_array().unwrap().len()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn one_connection_carries_many_requests() {
        let sandbox = sandbox();
        let server = served(&sandbox).await;
        let stream = connected(&server);
        for number in 0..50 {
            let answer = one_answer(&stream, &create(&format!("u{number}@example.com")));
            assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
            assert!(answer.contains("x-request-id: req_"));
        }
        let counters = one_answer(
            &stream,
            "GET /_sandbox/counters HTTP/1.1\r\nHost: x\r\n\r\n",
        );
        assert!(counters.contains("\"total\":50"), "{counters}");
        let reset = "POST /_sandbox/reset HTTP/1.1\r\nHost: x\r\n\r\n";
        assert!(one_answer(&stream, reset).starts_with("HTTP/1.1 200"));
        assert_eq!(users(&sandbox), 0);
        drop(stream);
        server.shutdown().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_reset_comes_before_or_after_the_write() {
        for (fault, written) in [(Fault::ResetBefore, 0), (Fault::ResetAfter, 1)] {
            let sandbox = sandbox();
            let server = served(&sandbox).await;
            sandbox.fail_next(Method::POST, "/users", fault, 1);
            let (bytes, end) = until_end(&connected(&server), &create("a@example.com"));
            assert!(bytes.is_empty());
            assert_eq!(end, Err(ErrorKind::ConnectionReset), "{fault}");
            assert_eq!(users(&sandbox), written, "{fault}");
            let answer = one_answer(&connected(&server), &get("/user_management/users"));
            assert!(answer.starts_with("HTTP/1.1 200"), "only that connection");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_truncated_body_ends_before_its_length() {
        let sandbox = sandbox();
        let server = served(&sandbox).await;
        sandbox.fail_next(None, "", Fault::TruncatedBody, 1);
        let (bytes, end) = until_end(&connected(&server), &create("a@example.com"));
        assert_eq!(end, Ok(()), "closed, not reset");
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 201 Created"));
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.unwrap().parse().unwrap();
        assert!(!body.is_empty() && body.len() < length);
        assert_eq!(users(&sandbox), 1);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_hung_answer_never_comes_and_holds_nobody_else_up() {
        let sandbox = sandbox();
        let server = served(&sandbox).await;
        sandbox.fail_next(None, "", Fault::Hang { applied: true }, 1);
        let hung = connected(&server);
        hung.set_read_timeout(Some(Duration::from_millis(200)))
            .unwrap();
        let (bytes, end) = until_end(&hung, &create("a@example.com"));
        assert!(bytes.is_empty());
        assert!(matches!(
            end,
            Err(ErrorKind::WouldBlock | ErrorKind::TimedOut)
        ));
        assert_eq!(users(&sandbox), 1);
        let answer = one_answer(&connected(&server), &get("/user_management/users"));
        assert!(answer.starts_with("HTTP/1.1 200"));
        let stopped = tokio::time::timeout(Duration::from_secs(10), server.shutdown());
        stopped
            .await
            .expect("a hung request must not hold up the end");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn latency_is_kept_to() {
        let sandbox = Sandbox::new(crate::Settings {
            latency: (Duration::from_millis(60), Duration::from_millis(80)),
            ..unlimited()
        });
        let (before, after) = sandbox.latency();
        assert!((60..=80).contains(&(before + after).as_millis()));
        let server = served(&sandbox).await;
        let begun = std::time::Instant::now();
        one_answer(&connected(&server), &get("/user_management/users"));
        assert!(begun.elapsed() >= Duration::from_millis(60));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_kratos_is_served_with_faults_and_the_endpoints_for_scripts() {
        let kratos = Kratos::new(kratos::Settings {
            latency_per_identity: Duration::from_millis(40),
            ..kratos::Settings::default()
        });
        let server = served(&kratos).await;
        kratos.fail_next(Method::PATCH, "/admin/identities", Fault::ResetAfter, 1);
        let people = ["a", "b", "c"].map(|name| {
            let traits = json!({ "email": format!("{name}@example.com") });
            json!({ "create": { "schema_id": "default", "traits": traits } })
        });
        let body = json!({ "identities": people }).to_string();
        let batch = format!(
            "PATCH /admin/identities HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let begun = std::time::Instant::now();
        let (bytes, end) = until_end(&connected(&server), &batch);
        assert!(
            begun.elapsed() >= Duration::from_millis(120),
            "three of them"
        );
        assert!(bytes.is_empty());
        assert_eq!(end, Err(ErrorKind::ConnectionReset));
        let stream = connected(&server);
        assert!(one_answer(&stream, &batch).starts_with("HTTP/1.1 409"));
        let dump = one_answer(&stream, "GET /_sandbox/dump HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(dump.contains("b@example.com"), "{dump}");
        let reset = "POST /_sandbox/reset HTTP/1.1\r\nHost: x\r\n\r\n";
        assert!(one_answer(&stream, reset).starts_with("HTTP/1.1 200"));
        let page = one_answer(&stream, &get("/admin/identities"));
        assert!(page.ends_with("[]"), "{page}");
        let counters = "GET /_sandbox/counters HTTP/1.1\r\nHost: x\r\n\r\n";
        assert!(one_answer(&stream, counters).contains("\"total\":1,"));
    }

    #[tokio::test]
    async fn only_loopback_is_listened_on() {
        let anywhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let refused = serve(sandbox(), anywhere).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn dropping_the_server_frees_its_address() {
        let server = served(&sandbox()).await;
        let address = server.address;
        drop(server);
        for _ in 0..500 {
            match TcpStream::connect(address) {
                Err(_) => return,
                Ok(stream) => drop(stream.shutdown(Shutdown::Both)),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("still listening");
    }
}
