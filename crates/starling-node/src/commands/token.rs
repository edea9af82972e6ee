//! `starling token`: mints a token that the nodes with these settings accept.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use starling_protocol::UserId;

use crate::settings::{Inputs, Settings, TokenKey};
use crate::tokens::{TokenRequest, mint};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Whose token it is (its `sub`).
    #[arg(long, value_parser = user_id)]
    user: UserId,
    /// A name to show.
    #[arg(long)]
    name: Option<String>,
    /// How long it is valid, in seconds.
    #[arg(long, default_value_t = 86_400, value_name = "SECONDS")]
    ttl: u64,
    /// With the scope `admin`: for the statistics of the whole cluster.
    #[arg(long)]
    admin: bool,
}

pub(crate) fn run(inputs: &Inputs, args: &Args) -> Result<()> {
    let settings = Settings::load(inputs)?.settings;
    let known = settings.token_key.secret();
    let known = known.context("the secret of this machine cannot be read")?;
    let secret = match (&settings.token_key, &known) {
        (_, Some(secret)) => secret,
        (TokenKey::PublicKey(_), _) => {
            bail!("tokens are checked with a public key, so only the holder of the private one can mint them")
        }
        (TokenKey::Outside, _) => {
            bail!("tokens are checked with their issuer's keys, so only the issuer can mint them")
        }
        (TokenKey::Kept(path), _) => bail!(
            "{} is made when a node starts here for the first time: start one first, or run this where it was started",
            path.display()
        ),
        (TokenKey::MadeUp | TokenKey::Secret(_), _) => bail!(
            "no token_secret is set, so every node in development mode makes up its own, which is not known here: \
             set STARLING_TOKEN_SECRET for both"
        ),
    };
    let request = TokenRequest {
        user: &args.user,
        name: args.name.as_deref(),
        audience: settings.token_audience.as_deref(),
        issuer: settings.token_issuer.as_deref(),
        session: None,
        admin: args.admin,
        lifetime: Duration::from_secs(args.ttl),
    };
    super::say(&mint(secret, &request)?)
}

fn user_id(text: &str) -> Result<UserId, String> {
    UserId::new(text).map_err(|error| error.to_string())
}
