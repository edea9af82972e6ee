//! `starling healthcheck`: a probe for containers, which have no curl.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::settings::{Inputs, Settings};

/// Shorter than what the image gives the probe.
const TIMEOUT: Duration = Duration::from_millis(2_500);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Ask only whether the process is alive, as for a liveness probe.
    #[arg(long)]
    live: bool,
}

pub(crate) fn run(inputs: &Inputs, args: &Args) -> Result<()> {
    let address = reachable(Settings::load_listen(inputs)?);
    let path = if args.live { "livez" } else { "readyz" };
    let (status, body) = super::block_on(ask(&format!("http://{address}/{path}")))?;
    super::say(&format!("{status} {body}"))?;
    if status != 200 {
        bail!(
            "the node at {address} is not {}",
            if args.live { "alive" } else { "ready" }
        );
    }
    Ok(())
}

async fn ask(url: &str) -> Result<(u16, String)> {
    // A proxy for the outside world has no business here.
    let client = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build()?;
    let response = client
        .get(url)
        .send()
        .await
        .with_context(|| format!("cannot ask {url}"))?;
    Ok((response.status().as_u16(), response.text().await?))
}

/// A node that listens on all addresses is asked on loopback.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_addresses_are_asked_on_loopback() {
        for (listen, asked) in [
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("[::]:80", "[::1]:80"),
            ("10.1.2.3:80", "10.1.2.3:80"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()), asked.parse().unwrap());
        }
    }
}
