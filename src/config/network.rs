//! Networks, to tell whose `X-Forwarded-*` headers are believed.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::show::quoted;
use super::value::Text;

/// An address or a network: `10.0.0.1`, `10.0.0.0/8`, `fd00::/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpNet {
    addr: IpAddr,
    prefix: u8,
}

impl IpNet {
    /// Whether the address is in the network. An IPv4 address in IPv6 form (`::ffff:10.0.0.1`, as a listener on
    /// `[::]` reports it) counts as the IPv4 address.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        ip.is_ipv4() == self.addr.is_ipv4() && network_of(ip, self.prefix) == self.addr
    }
}

/// The address with nothing left but its first `prefix` bits.
fn network_of(addr: IpAddr, prefix: u8) -> IpAddr {
    let prefix = u32::from(prefix);
    // A shift by the whole width, for /0, is none.
    match addr {
        IpAddr::V4(ip) => Ipv4Addr::from_bits(ip.to_bits() & u32::MAX.checked_shl(32 - prefix).unwrap_or(0)).into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & u128::MAX.checked_shl(128 - prefix).unwrap_or(0)).into(),
    }
}

impl fmt::Display for IpNet {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match (self.addr, self.prefix) {
            (IpAddr::V4(addr), 32) => write!(f, "{addr}"),
            (IpAddr::V6(addr), 128) => write!(f, "{addr}"),
            (addr, prefix) => write!(f, "{addr}/{prefix}"),
        }
    }
}

impl FromStr for IpNet {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{} is no address or network; write such as 10.0.0.1, 10.0.0.0/8 or fd00::/8", quoted(text));
        let (addr, prefix) = match text.split_once('/') {
            Some((addr, prefix)) => (addr, Some(prefix)),
            None => (text, None),
        };
        let addr: IpAddr = addr.parse().map_err(|_| wrong())?;
        let width = if addr.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => Some(width),
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok(),
            Some(_) => None,
        };
        let prefix = prefix.filter(|prefix| *prefix <= width).ok_or_else(wrong)?;
        let network = network_of(addr, prefix);
        if network != addr {
            // Whoever wrote this meant one or the other, and they differ in whom they trust.
            return Err(format!(
                "{} is neither one address nor a network: write {addr} or {network}/{prefix}",
                quoted(text)
            ));
        }
        match addr.to_canonical() {
            // ::ffff:10.0.0.0/104 is 10.0.0.0/8.
            v4 @ IpAddr::V4(_) if addr.is_ipv6() && prefix >= 96 => Ok(IpNet { addr: v4, prefix: prefix - 96 }),
            _ => Ok(IpNet { addr, prefix }),
        }
    }
}

impl Text for IpNet {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse()
    }
    fn text(&self) -> String {
        self.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        let cases = [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
            ("0.0.0.0/0", "255.255.255.255", true),
            ("0.0.0.0/0", "::1", false),
            ("192.168.1.128/25", "192.168.1.127", false),
            ("192.168.1.128/25", "192.168.1.128", true),
            ("fd00::/8", "fdff::1", true),
            ("fd00::/8", "fe00::1", false),
            ("::/0", "2001:db8::1", true),
            ("::1", "::1", true),
            ("::1", "::2", false),
            ("::ffff:10.0.0.0/104", "10.9.9.9", true),
        ];
        for (net, ip, expected) in cases {
            let parsed: IpNet = net.parse().unwrap();
            assert_eq!(parsed.contains(ip.parse().unwrap()), expected, "{net} {ip}");
            assert_eq!(parsed.to_string().parse::<IpNet>().unwrap(), parsed);
        }
        for bad in [
            "",
            "10.0.0.0/33",
            "::/129",
            "10.0.0/8",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.0/-1",
            "10.0.0.0/8/8",
            "localhost",
        ] {
            assert!(bad.parse::<IpNet>().is_err(), "{bad}");
        }
        let error = "10.0.0.1/8".parse::<IpNet>().unwrap_err();
        assert!(error.ends_with("write 10.0.0.1 or 10.0.0.0/8"), "{error}");
    }
}
