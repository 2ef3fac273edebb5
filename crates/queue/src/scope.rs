//! Which addresses mail may be sent to: the public internet, and the networks that the configuration names.
//!
//! Host names come from strangers: an MX record that points to 127.0.0.1 or into a private network would turn the queue into a way
//! inside. What is public is [`yubin_dns_auth::scope`]'s to say.

use std::net::IpAddr;

use yubin_dns_auth::is_public;
use yubin_types::Network;

/// Where mail may go.
#[derive(Clone, Debug, Default)]
pub struct PermittedAddresses {
    /// Networks that are allowed although they are not public.
    pub allowed: Vec<Network>,
    /// Addresses at which this system itself takes mail: never.
    pub own: Vec<IpAddr>,
}

impl PermittedAddresses {
    /// May mail be sent to this address?
    #[must_use]
    pub fn permits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        !self.own.contains(&address)
            && (is_public(address) || self.allowed.iter().any(|network| network.contains(address)))
    }
}

#[cfg(test)]
mod tests {
    use yubin_types::Network;

    use super::PermittedAddresses;

    fn permits(scope: &PermittedAddresses, address: &str) -> bool {
        scope.permits(address.parse().unwrap())
    }

    #[test]
    fn only_the_public_internet_is_reached_unless_configured() {
        let scope = PermittedAddresses { allowed: vec![], own: vec!["198.51.200.7".parse().unwrap()] };
        for refused in [
            "127.0.0.1",
            "127.255.0.1",
            "0.0.0.0",
            "10.1.2.3",
            "172.31.0.1",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "192.0.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "198.51.200.7",
            "::1",
            "::",
            "::ffff:127.0.0.1",
            "::ffff:198.51.200.7",
            "fe80::1",
            "fc00::1",
            "ff02::1",
            "2001:db8::1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
        ] {
            assert!(!permits(&scope, refused), "{refused}");
        }
        for allowed in ["8.8.8.8", "100.128.0.1", "172.32.0.1", "2001:4860:4860::8888", "64:ff9b::808:808"] {
            assert!(permits(&scope, allowed), "{allowed}");
        }
    }

    #[test]
    fn configured_networks_are_reached_and_own_addresses_never() {
        let network = |text: &str| text.parse::<Network>().unwrap();
        let scope = PermittedAddresses {
            allowed: vec![network("127.0.0.0/8"), network("fd00:1::/32"), network("10.0.0.7")],
            own: vec!["127.0.0.9".parse().unwrap()],
        };
        for (address, expected) in [
            ("127.0.0.2", true),
            ("127.0.0.9", false),
            ("fd00:1::5", true),
            ("fd00:2::5", false),
            ("10.0.0.7", true),
            ("10.0.0.8", false),
        ] {
            assert_eq!(permits(&scope, address), expected, "{address}");
        }
    }
}
