//! Signing in by phone: who sends codes, how many, and how long what is given out is good.

use std::time::Duration;

use starling_core::ports::Quota;
use url::Url;

use super::token_key::{MIN_SECRET_BYTES, strong};
use super::{Reader, Source, TokenKey, parse};
use crate::senders::WebhookSettings;

/// How codes are brought to people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CodeSender {
    /// Nobody signs in by phone.
    None,
    /// Into the log; in development only.
    Log,
    /// To a service of the operator's.
    Webhook(WebhookSettings),
}

/// All of it.
#[derive(Debug, Clone)]
pub(crate) struct SignIn {
    pub(crate) sender: CodeSender,
    pub(crate) code_in_answer: bool,
    pub(crate) codes_per_phone: Quota,
    pub(crate) codes_per_address: Quota,
    pub(crate) access_life: Duration,
    pub(crate) refresh_life: Duration,
}

/// Which sender the setting names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    None,
    Log,
    Webhook,
}

pub(super) fn read(reader: &mut Reader<'_>, development: bool, key: Option<&TokenKey>) -> Option<SignIn> {
    let kind = reader.parse("code_sender", |text| match text {
        "none" => Ok(Kind::None),
        "log" => Ok(Kind::Log),
        "webhook" => Ok(Kind::Webhook),
        _ => Err(format!("must be none, log or webhook, and is {text:?}")),
    })?;
    let by_default = reader
        .layered
        .get("code_sender")
        .is_some_and(|given| given.source == Source::Default);
    // Where it is only the default of development mode, a key of someone else's is reason enough not to.
    let signs = matches!(
        key,
        Some(TokenKey::Secret(_) | TokenKey::Kept(_) | TokenKey::MadeUp)
    );
    let kind = if by_default && !signs { Kind::None } else { kind };
    if kind != Kind::None && !signs && key.is_some() {
        reader.problems.add(
            "code_sender lets people sign in, and their tokens are signed with the cluster's own secret: set \
             token_secret_file or token_secret",
        );
    }
    if kind == Kind::Log && !development {
        reader.problems.add(
            "code_sender is log, which writes the codes into the log for whoever reads it to sign in as anyone: that is \
             for development mode only, use webhook",
        );
    }
    let code_in_answer = reader.parse("code_in_answer", parse::flag);
    if code_in_answer == Some(true) && !development {
        reader
            .problems
            .add("code_in_answer lets everyone sign in as anyone: that is for development mode only");
    }
    let webhook = webhook(reader, &CODE_WEBHOOK, development);
    let sender = match (kind, webhook) {
        (Kind::None, _) => CodeSender::None,
        (Kind::Log, _) => CodeSender::Log,
        (Kind::Webhook, Some(webhook)) => CodeSender::Webhook(webhook),
        (Kind::Webhook, None) => {
            reader.problems.add(format!(
                "code_sender is webhook, and needs code_webhook_url and code_webhook_secret or \
                 code_webhook_secret_file (at least {MIN_SECRET_BYTES} bytes)"
            ));
            return None;
        }
    };
    let per_hour = |count: u64| Quota::per_hour(u32::try_from(count).unwrap_or(u32::MAX));
    let codes_per_phone = reader.parse("codes_per_phone_hour", parse::within(1, 1_000));
    let codes_per_address = reader.parse("codes_per_address_hour", parse::within(1, 1_000_000));
    let access_life = reader.parse("access_token_minutes", parse::within(1, 60));
    let refresh_life = reader.parse("refresh_token_days", parse::within(1, 365));
    Some(SignIn {
        sender,
        code_in_answer: code_in_answer?,
        codes_per_phone: per_hour(codes_per_phone?),
        codes_per_address: per_hour(codes_per_address?),
        access_life: Duration::from_secs(access_life? * 60),
        refresh_life: Duration::from_secs(refresh_life? * 24 * 3600),
    })
}

/// The names of the settings of a webhook.
pub(super) struct WebhookNames {
    pub(super) url: &'static str,
    pub(super) secret: &'static str,
    pub(super) secret_file: &'static str,
}

const CODE_WEBHOOK: WebhookNames = WebhookNames {
    url: "code_webhook_url",
    secret: "code_webhook_secret",
    secret_file: "code_webhook_secret_file",
};

/// Both the URL and the secret, or none.
pub(super) fn webhook(
    reader: &mut Reader<'_>,
    names: &WebhookNames,
    development: bool,
) -> Option<WebhookSettings> {
    let url = reader.optional(names.url, |text| outside_url(text, development));
    let secret = reader.optional(names.secret, |text| strong(text, development, "holds"));
    let from_file = reader.optional(names.secret_file, |path| {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("names a file that cannot be read: {path}: {error}"))?;
        strong(
            text.trim_end_matches(['\r', '\n']),
            development,
            "names a file with",
        )
    });
    if secret.is_some() && from_file.is_some() {
        reader.problems.add(format!(
            "{} and {} are both set, and only one can be used",
            names.secret, names.secret_file
        ));
    }
    Some(WebhookSettings {
        url: url?,
        secret: secret.or(from_file)?,
    })
}

/// What goes there, or comes from there, must not be read or changed on its way.
pub(super) fn outside_url(text: &str, development: bool) -> Result<Url, String> {
    let rule = || "must be an https:// URL (http:// only to this machine, or in development mode)".to_owned();
    let url = Url::parse(text).map_err(|_| rule())?;
    let here = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => return Err(rule()),
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if here || development => Ok(url),
        _ => Err(rule()),
    }
}
