//! Where the server listens, and what callers reach it by.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::value::Text;

/// Where to listen: `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`. `ToSocketAddrs` takes its text as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAddr(String);

impl ListenAddr {
    /// `127.0.0.1:8080`
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Text for ListenAddr {
    fn parse(text: &str) -> Result<Self, String> {
        let problem = match text.rsplit_once(':') {
            _ if text.parse::<SocketAddr>().is_ok() => return Ok(ListenAddr(text.to_owned())),
            Some(("", port)) if port.parse::<u16>().is_ok() => {
                return Err(format!(
                    "lacks the address: write 127.0.0.1:{port}, or 0.0.0.0:{port} for every interface"
                ));
            }
            Some((host, port)) if port.parse::<u16>().is_ok() && is_host_name(host) => {
                return Ok(ListenAddr(text.to_owned()));
            }
            Some((host, _)) if host.contains("//") => "there is no scheme here",
            Some((_, port)) if port.parse::<u16>().is_err() => "the port must be 0 to 65535",
            Some((host, _)) if host.contains(':') => "an IPv6 address stands in brackets",
            Some(_) => "this is no address or host name",
            None => "the port is missing",
        };
        Err(format!("{problem}; write address:port, such as 127.0.0.1:8080, [::1]:8080 or localhost:8080"))
    }
    fn text(&self) -> String {
        self.0.clone()
    }
}

pub(super) fn is_host_name(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // A last label of digits only is a mistyped IPv4 address.
    let last = host.rsplit('.').next().unwrap_or_default();
    host.len() <= 253 && host.split('.').all(label) && !last.bytes().all(|b| b.is_ascii_digit())
}

/// `http://` or `https://`, a host and perhaps a port, in lower case, without a slash at the end: what paths are
/// appended to (D17).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    url: String,
    scheme_len: usize,
}

impl BaseUrl {
    /// `https://licensing.example.com:8443`
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// `https`
    pub fn scheme(&self) -> &str {
        &self.url[..self.scheme_len]
    }

    /// `licensing.example.com:8443`, as in a `Host` header.
    pub fn authority(&self) -> &str {
        &self.url[self.scheme_len + "://".len()..]
    }

    /// `licensing.example.com`; an IPv6 address keeps its brackets.
    pub fn host(&self) -> &str {
        split_authority(self.authority()).0
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.url)
    }
}

impl Text for BaseUrl {
    fn parse(text: &str) -> Result<Self, String> {
        let error = |problem: &str| {
            Err(format!("{problem}; write scheme and host, such as https://licensing.example.com, or nothing"))
        };
        let url = text.to_ascii_lowercase();
        let Some((scheme @ ("http" | "https"), rest)) = url.split_once("://") else {
            return error("must begin with http:// or https://");
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#', '@', '\\']) {
            return error("must have no path, query, fragment, user or password");
        }
        let (host, port) = split_authority(authority);
        let ipv6 = || host.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok();
        if !is_host_name(host) && host.parse::<Ipv4Addr>().is_err() && ipv6().is_none() {
            return error("the host is no host name or address");
        }
        if port.is_some_and(|port| !matches!(port.parse::<u16>(), Ok(1..))) {
            return error("the port must be 1 to 65535");
        }
        Ok(BaseUrl { url: format!("{scheme}://{authority}"), scheme_len: scheme.len() })
    }
    fn text(&self) -> String {
        self.url.clone()
    }
}

fn split_authority(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listen_addresses() {
        for good in ["127.0.0.1:8080", "[::1]:0", "localhost:8080", "my-host.example.com:80"] {
            assert_eq!(ListenAddr::parse(good).unwrap().as_str(), good);
        }
        for (bad, problem) in [
            ("", "the port is missing;"),
            ("8080", "the port is missing;"),
            (":8080", "lacks the address: write 127.0.0.1:8080,"),
            ("localhost:70000", "the port must be 0 to 65535;"),
            ("::1:8080", "an IPv6 address stands in brackets;"),
            ("127.0.0.256:80", "this is no address or host name;"),
            ("http://localhost:80", "there is no scheme here;"),
            ("local host:80", "this is no address or host name;"),
        ] {
            let error = ListenAddr::parse(bad).unwrap_err();
            assert!(error.starts_with(problem), "{bad}: {error}");
        }
    }

    #[test]
    fn public_urls() {
        let url = BaseUrl::parse("HTTPS://Licensing.Example.com:8443/").unwrap();
        assert_eq!(url.as_str(), "https://licensing.example.com:8443");
        assert_eq!(
            (url.scheme(), url.authority(), url.host()),
            ("https", "licensing.example.com:8443", "licensing.example.com")
        );
        assert_eq!(BaseUrl::parse("http://[::1]:8080").unwrap().host(), "[::1]");
        assert_eq!(BaseUrl::parse("http://[::1]").unwrap().host(), "[::1]");
        assert_eq!(BaseUrl::parse("http://localhost").unwrap().authority(), "localhost");
        for bad in [
            "example.com",
            "ftp://example.com",
            "https://",
            "https://a/b",
            "https://a?b",
            "https://u@a",
            "https://a:0",
            "https://a:",
            "https://a b",
            "https://[::1",
        ] {
            assert!(BaseUrl::parse(bad).is_err(), "{bad}");
        }
    }
}
