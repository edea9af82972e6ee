//! Systems outside that are told what is stored.

use starling_core::EventsFrom;
use starling_events::{RabbitMq, RabbitMqSettings};

use super::sign_in::{WebhookNames, webhook};
use super::token_key::MIN_SECRET_BYTES;
use super::{Reader, parse};
use crate::senders::WebhookSettings;

/// Who is told, and from when on.
#[derive(Debug, Clone)]
pub(crate) struct Events {
    pub(crate) from: EventsFrom,
    pub(crate) rabbitmq: Option<Broker>,
    pub(crate) webhook: Option<WebhookSettings>,
}

/// A broker, and what belongs to Starling there.
#[derive(Debug, Clone)]
pub(crate) struct Broker {
    /// May hold a password.
    pub(crate) url: String,
    pub(crate) exchange: String,
    pub(crate) queue: Option<String>,
}

impl Broker {
    /// What the connection is called after the node.
    pub(crate) fn settings(&self, node_id: &str) -> RabbitMqSettings {
        RabbitMqSettings {
            exchange: self.exchange.clone(),
            queue: self.queue.clone(),
            connection_name: format!("starling {node_id}"),
        }
    }
}

const WEBHOOK: WebhookNames = WebhookNames {
    url: "event_webhook_url",
    secret: "event_webhook_secret",
    secret_file: "event_webhook_secret_file",
};

pub(super) fn read(reader: &mut Reader<'_>, development: bool) -> Option<Events> {
    let from = reader.parse("events_from", |text| match text {
        "now" => Ok(EventsFrom::Now),
        "beginning" => Ok(EventsFrom::Beginning),
        _ => Err(format!("must be now or beginning, and is {text:?}")),
    });
    let exchange = reader.parse("rabbitmq_exchange", name);
    let queue = reader.optional("rabbitmq_queue_new_message", name);
    let url = reader.optional("rabbitmq_url", parse::text);
    let rabbitmq = url
        .zip(exchange.clone())
        .map(|(url, exchange)| Broker { url, exchange, queue });
    if let Some(broker) = &rabbitmq
        && let Err(invalid) = RabbitMq::new(&broker.url, broker.settings(""))
    {
        let source = reader.source("rabbitmq_url");
        reader.problems.add(format!("rabbitmq_url{source} {invalid}"));
    }
    let is_wanted = reader.optional(WEBHOOK.url, parse::text).is_some();
    let webhook = webhook(reader, &WEBHOOK, development);
    if is_wanted && webhook.is_none() {
        reader.problems.add(format!(
            "event_webhook_url needs event_webhook_secret or event_webhook_secret_file (at least {MIN_SECRET_BYTES} \
             bytes)"
        ));
    }
    exchange?;
    Some(Events {
        from: from?,
        rabbitmq,
        webhook,
    })
}

/// Of an exchange or a queue, as AMQP has it.
fn name(text: &str) -> Result<String, String> {
    if (1..=255).contains(&text.len()) && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err("must be 1 to 255 bytes without control characters".into())
    }
}
