//! Owns the real network: one `reqwest` client, with everything off that could send a request twice or elsewhere.

use std::error::Error as _;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Certificate, Client, Response, redirect, retry};
use url::{Host, Url};

use super::{ANSWER_LIMIT, Answer, EXCHANGE_TIMEOUT, Request, SendError, Transport};
use crate::secret::Secret;

/// Where the API is and how to reach it.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Such as `https://api.workos.com`; may have a path.
    pub base_url: String,
    /// Empty: none is sent.
    pub key: Secret,
    /// PEM certificates to trust beside the system's.
    pub ca_bundle: Option<Vec<u8>>,
    /// Allows `http:` to hosts that are not this machine.
    pub insecure_http: bool,
}

/// How often one read is sent elsewhere: Kratos' admin API sends those who ask for a schema on twice.
const REDIRECTS: usize = 4;

/// What is wrong with the settings of a connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    #[error(
        "The base URL {0:?} cannot be used: {1}. Write it whole, such as https://api.example.com."
    )]
    BaseUrl(String, String),
    #[error(
        "{0} is not encrypted: the key and passwords could be read on the way. Use https:, or --insecure-http if you know the network."
    )]
    Unencrypted(String),
    #[error(
        "The key has characters that no key has (a line break, a space?). Copy it again from where it was given to you."
    )]
    Key,
    #[error(
        "Commands for single objects are for WorkOS. Kratos has a command line of its own for identities."
    )]
    NoObjects,
    #[error("The CA bundle cannot be read: {0}")]
    CertificateBundle(String),
    #[error("The HTTP client cannot be set up: {0}")]
    Client(String),
}

/// Sends requests over the network. Redirects are not followed, nothing is retried, loopback never goes to a proxy.
pub struct HttpTransport {
    client: Client,
    base: Url,
    authorization: Option<HeaderValue>,
    key: [Secret; 1],
}

impl HttpTransport {
    /// Sets the client up; opens no connection.
    ///
    /// # Errors
    /// When the base URL, the key or the CA bundle cannot be used.
    pub fn new(connection: &Connection) -> Result<Self, ConnectionError> {
        let base = parse_base_url(&connection.base_url, connection.insecure_http)?;
        let authorization = match connection.key.expose() {
            "" => None,
            key => {
                let mut value = HeaderValue::from_str(&format!("Bearer {key}"))
                    .map_err(|_| ConnectionError::Key)?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        // A second call finds the provider installed, which is what is wanted.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .user_agent(concat!("workos-importer/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .connect_timeout(Duration::from_secs(10))
            .timeout(EXCHANGE_TIMEOUT)
            // Shorter than the idle timeout of common load balancers, so that a request seldom meets a closing connection.
            .pool_idle_timeout(Duration::from_secs(4))
            .http2_keep_alive_interval(Duration::from_secs(15))
            .http2_keep_alive_timeout(Duration::from_secs(10));
        if is_loopback(&base) {
            builder = builder.no_proxy();
        }
        if let Some(bundle) = &connection.ca_bundle {
            builder = builder.tls_certs_merge(certificates_in(bundle)?);
        }
        let client = builder
            .build()
            .map_err(|error| ConnectionError::Client(deepest_cause(&error)))?;
        Ok(Self {
            client,
            base,
            authorization,
            key: [connection.key.clone()],
        })
    }
}

#[async_trait]
impl Transport for HttpTransport {
    async fn send(&self, request: Request) -> Result<Answer, SendError> {
        let url = address(&self.base, &request.target);
        let mut builder = self
            .client
            .request(request.method, url)
            .timeout(request.timeout)
            .header(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(authorization) = &self.authorization {
            builder = builder.header(AUTHORIZATION, authorization.clone());
        }
        if let Some(body) = request.body {
            builder = builder
                .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
                .body(body);
        }
        let mut response = builder.send().await.map_err(classify)?;
        let status = response.status().as_u16();
        let headers = std::mem::take(response.headers_mut());
        let body = body(&mut response).await?;
        Ok(Answer {
            status,
            headers,
            body,
        })
    }

    async fn read_elsewhere(&self, url: &str) -> Result<Answer, SendError> {
        let mut place = self.base.clone();
        let mut next = url.to_owned();
        for _ in 0..REDIRECTS {
            place = place
                .join(&next)
                .map_err(|error| SendError::NeverSent(error.to_string()))?;
            if place.scheme() == "http" && self.base.scheme() == "https" {
                let message = "the redirect leads to an address that is not encrypted";
                return Err(SendError::NeverSent(message.into()));
            }
            let request = self
                .client
                .get(place.clone())
                .header(ACCEPT, HeaderValue::from_static("application/json"));
            let mut response = request.send().await.map_err(classify)?;
            let status = response.status().as_u16();
            let headers = std::mem::take(response.headers_mut());
            let body = body(&mut response).await?;
            let answer = Answer {
                status,
                headers,
                body,
            };
            match answer.header("location").map(str::to_owned) {
                Some(location) if (300..=399).contains(&status) => next = location,
                _ => return Ok(answer),
            }
        }
        Err(SendError::NeverSent("too many redirects".into()))
    }

    fn secrets(&self) -> &[Secret] {
        &self.key
    }
}

/// A target under the base URL. The host is not parsed again for each request.
fn address(base: &Url, target: &str) -> Url {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let mut address = base.clone();
    match base.path().trim_end_matches('/') {
        "" => address.set_path(path),
        prefix => address.set_path(&format!("{prefix}{path}")),
    }
    address.set_query(query);
    address
}

/// How many certificates a CA bundle holds.
///
/// # Errors
/// When it cannot be used.
pub fn count_certificates(bundle: &[u8]) -> Result<usize, ConnectionError> {
    Ok(certificates_in(bundle)?.len())
}

fn certificates_in(bundle: &[u8]) -> Result<Vec<Certificate>, ConnectionError> {
    let certificates = Certificate::from_pem_bundle(bundle)
        .map_err(|error| ConnectionError::CertificateBundle(error.to_string()))?;
    if certificates.is_empty() {
        return Err(ConnectionError::CertificateBundle(
            "it holds no PEM certificate".into(),
        ));
    }
    Ok(certificates)
}

/// The whole body. Most answers come in one piece, which is taken as it is.
async fn body(response: &mut Response) -> Result<Bytes, SendError> {
    let mut first = Bytes::new();
    let mut several = BytesMut::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| SendError::AnswerLost(describe(&error)))?
    {
        if first.len().max(several.len()) + chunk.len() > ANSWER_LIMIT {
            return Err(SendError::AnswerLost(
                "the answer is larger than 8 MiB".into(),
            ));
        }
        if first.is_empty() && several.is_empty() {
            first = chunk;
            continue;
        }
        several.extend_from_slice(&std::mem::take(&mut first));
        several.extend_from_slice(&chunk);
    }
    Ok(if several.is_empty() {
        first
    } else {
        several.freeze()
    })
}

/// Checks the address and returns it parsed.
fn parse_base_url(text: &str, insecure_http: bool) -> Result<Url, ConnectionError> {
    let refuse = |why: &str| ConnectionError::BaseUrl(redact_user(text), why.to_owned());
    let url = Url::parse(text).map_err(|error| refuse(&error.to_string()))?;
    if url.host().is_none() || !matches!(url.scheme(), "http" | "https") {
        return Err(refuse("it is not an http(s) address"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refuse("it has a query or a fragment"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("it holds a user or a password"));
    }
    if url.scheme() == "http" && !is_loopback(&url) && !insecure_http {
        return Err(ConnectionError::Unencrypted(text.to_owned()));
    }
    Ok(url)
}

/// The address without what stands before an `@`, which could be a password.
fn redact_user(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((_, host)) => format!("…@{host}"),
        None => text.to_owned(),
    }
}

pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Tells a request that never left from one whose answer was lost. In doubt it is the latter: the safe side.
fn classify(error: reqwest::Error) -> SendError {
    let description = describe(&error);
    if error.is_connect() || error.is_builder() {
        SendError::NeverSent(description)
    } else {
        SendError::AnswerLost(description)
    }
}

/// What happened, without the address (it could name a user's email in its query).
fn describe(error: &reqwest::Error) -> String {
    let what = if error.is_connect() {
        "could not connect"
    } else if error.is_timeout() {
        "no answer in time"
    } else {
        "the connection broke"
    };
    let cause = deepest_cause(error);
    format!("{what} ({cause})")
}

fn deepest_cause(error: &reqwest::Error) -> String {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = error.source();
    let mut text = None;
    while let Some(inner) = cause {
        text = Some(inner.to_string());
        cause = inner.source();
    }
    text.unwrap_or_else(|| "no further cause is known".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(base_url: &str) -> Connection {
        Connection {
            base_url: base_url.into(),
            key: Secret::new("sk_test_1"),
            ca_bundle: None,
            insecure_http: false,
        }
    }

    #[test]
    fn plain_http_is_for_loopback_only() {
        for address in [
            "http://127.0.0.1:1",
            "http://localhost:1/base/",
            "http://[::1]:1",
            "https://example.com",
        ] {
            assert!(
                HttpTransport::new(&connection(address)).is_ok(),
                "{address}"
            );
        }
        assert!(matches!(
            HttpTransport::new(&connection("http://example.com")),
            Err(ConnectionError::Unencrypted(_))
        ));
        let mut allowed = connection("http://example.com");
        allowed.insecure_http = true;
        assert!(HttpTransport::new(&allowed).is_ok());
    }

    #[test]
    fn a_base_url_may_have_a_path_and_a_slash_at_its_end() {
        for address in ["http://localhost:1/proxy", "http://localhost:1/proxy/"] {
            assert_eq!(
                HttpTransport::new(&connection(address))
                    .ok()
                    .map(|transport| super::address(&transport.base, "/users").to_string()),
                Some("http://localhost:1/proxy/users".into())
            );
        }
    }

    #[test]
    fn an_address_is_what_the_whole_text_would_be_parsed_as() {
        for base in ["https://api.workos.com", "http://localhost:1/a%20b/"] {
            for target in [
                "/user_management/users",
                "/user_management/users?email=a%2Bb%40x.com&limit=1",
                "/organizations/external_id/a%2Fb%3Fc%25%20",
                "/organizations/external_id/%C3%A9?x=",
            ] {
                let whole = format!("{}{target}", base.trim_end_matches('/'));
                let address = super::address(&Url::parse(base).unwrap(), target);
                assert_eq!(address, Url::parse(&whole).unwrap());
            }
        }
    }

    #[test]
    fn what_stands_before_an_at_sign_is_not_repeated() {
        let error = HttpTransport::new(&connection("https://user:hunter2@example.com"))
            .err()
            .map(|e| e.to_string());
        assert!(error.is_some_and(|text| !text.contains("hunter2")));
    }

    #[tokio::test]
    async fn a_refused_connection_never_sent_anything() {
        // Bound and dropped: nobody listens there.
        let address = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let transport = HttpTransport::new(&connection(&format!("http://{address}"))).unwrap();
        let request = Request {
            method: http::Method::GET,
            target: "/users".into(),
            body: None,
            timeout: EXCHANGE_TIMEOUT,
        };
        assert!(matches!(
            transport.send(request).await,
            Err(SendError::NeverSent(_))
        ));
    }
}
