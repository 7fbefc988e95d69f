//! Owns the answer to "which proxy does this address take?", as the HTTP client itself finds it.

use std::env;

use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use url::Url;

use super::http_transport::is_loopback;

/// The proxy between here and an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proxy {
    /// None, whatever the variables say: the address is this machine.
    Loopback,
    /// No variable names one.
    None,
    /// A variable names one, and another one excepts this address.
    Excepted { variable: &'static str },
    /// Named by a variable; the address is without user and password.
    Variable {
        variable: &'static str,
        address: String,
    },
    /// Named by the settings of the operating system.
    System { address: String },
}

/// Which proxy is taken to a base URL. Reads the environment, as the client does; opens nothing.
pub fn proxy_for(base_url: &str) -> Proxy {
    let (Ok(url), Ok(uri)) = (Url::parse(base_url), base_url.parse::<Uri>()) else {
        return Proxy::None;
    };
    if is_loopback(&url) {
        return Proxy::Loopback;
    }
    let named = named_for(&uri);
    match (Matcher::from_system().intercept(&uri), named) {
        (Some(taken), Some((variable, address))) if taken.uri().to_string() == address => {
            Proxy::Variable { variable, address }
        }
        (Some(taken), _) => Proxy::System {
            address: taken.uri().to_string(),
        },
        (None, Some(_)) => set(&["NO_PROXY", "no_proxy"])
            .map_or(Proxy::None, |(variable, _)| Proxy::Excepted { variable }),
        (None, None) => Proxy::None,
    }
}

/// The variable that names a proxy for this kind of address, and the proxy: the one of its own kind goes first.
fn named_for(uri: &Uri) -> Option<(&'static str, String)> {
    let own: &[&'static str] = match uri.scheme_str() {
        Some("https") => &["HTTPS_PROXY", "https_proxy"],
        _ => &["HTTP_PROXY", "http_proxy"],
    };
    [own, &["ALL_PROXY", "all_proxy"]]
        .into_iter()
        .find_map(|names| {
            let (variable, value) = set(names)?;
            let taken = Matcher::builder().all(value).build().intercept(uri)?;
            Some((variable, taken.uri().to_string()))
        })
}

/// The first of these variables that is there, even if it is empty: that is how one is switched off.
fn set(names: &[&'static str]) -> Option<(&'static str, String)> {
    names
        .iter()
        .find_map(|name| Some((*name, env::var(name).ok()?)))
}
