//! RabbitMQ: one durable topic exchange for all events, and a durable queue bound to it for `message.sent`.
//!
//! Messages are persistent and published with confirms, several conversations' at a time over one channel: a channel
//! keeps the order in which it was given them. After any failure the connection is given up whole, and made anew with
//! all that belongs to it; what was under way is published again.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::uri::AMQPUri;
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ExchangeKind, PublisherConfirm,
};
use starling_core::ports::{EventPage, EventSink, PublishError, Published};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::payload::{Event, EventType, events};

/// How long connecting may take, with all that is declared.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a page may take to be confirmed.
const CONFIRM: Duration = Duration::from_secs(6);
/// After a connection could not be made, none is tried for so long.
const COOLDOWN: Duration = Duration::from_millis(500);
/// How often each side says that it is there, in seconds, unless the URL says.
const HEARTBEAT: u16 = 10;
const PERSISTENT: u8 = 2;

/// Where to, and by which names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RabbitMqSettings {
    /// The topic exchange, 1 to 255 bytes. Routing keys are the types of events.
    pub exchange: String,
    /// The queue that gets every `message.sent`, 1 to 255 bytes; `None`: no queue, consumers bring their own.
    pub queue: Option<String>,
    /// What the connection is called in RabbitMQ's own tools.
    pub connection_name: String,
}

/// A URL is of no use. It does not hold the URL, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be an amqp:// or amqps:// URL such as amqp://user:password@rabbitmq:5672/%2f: {0}")]
pub struct InvalidUrl(String);

/// The sink `rabbitmq`.
pub struct RabbitMq {
    uri: AMQPUri,
    settings: RabbitMqSettings,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    link: Option<Arc<Link>>,
    failed: Option<(Instant, String)>,
}

/// A connection with what belongs to it.
struct Link {
    connection: Connection,
    channel: Channel,
}

/// For people.
type Failure = String;

impl RabbitMq {
    /// Nothing is connected before there is something to say.
    ///
    /// # Errors
    /// [`InvalidUrl`].
    pub fn new(url: &str, settings: RabbitMqSettings) -> Result<Self, InvalidUrl> {
        let mut uri: AMQPUri = url.parse().map_err(InvalidUrl)?;
        if uri.vhost.is_empty() {
            // `amqp://host/` names the host with the empty name, and never means it.
            uri.vhost = "/".into();
        }
        uri.query.heartbeat = uri.query.heartbeat.or(Some(HEARTBEAT));
        Ok(Self {
            uri,
            settings,
            state: Mutex::default(),
        })
    }

    async fn link(&self) -> Result<Arc<Link>, Failure> {
        let mut state = self.state.lock().await;
        if let Some(link) = state.link.as_ref().filter(|link| link.is_open()) {
            return Ok(link.clone());
        }
        state.link = None;
        if let Some((at, reason)) = &state.failed
            && at.elapsed() < COOLDOWN
        {
            return Err(reason.clone());
        }
        let opened = timeout(CONNECT, Box::pin(Link::open(&self.uri, &self.settings))).await;
        match opened.unwrap_or_else(|_| Err(format!("no connection within {CONNECT:?}"))) {
            Ok(link) => {
                tracing::info!(exchange = self.settings.exchange, "connected to RabbitMQ");
                let link = Arc::new(link);
                state.link = Some(link.clone());
                state.failed = None;
                Ok(link)
            }
            Err(reason) => {
                state.failed = Some((Instant::now(), reason.clone()));
                Err(reason)
            }
        }
    }

    /// Gives a connection up that has failed.
    async fn give_up(&self, failed: &Arc<Link>) {
        let mut state = self.state.lock().await;
        let current = state.link.as_ref().is_some_and(|link| Arc::ptr_eq(link, failed));
        if let Some(link) = state.link.take_if(|_| current) {
            tokio::spawn(async move {
                let closed = link.connection.close(200, "given up".into());
                let _ = timeout(CONNECT, closed).await;
            });
        }
    }

    async fn publish_all(&self, page: &EventPage, accepted: &mut usize) -> Result<(), Failure> {
        let link = self.link().await?;
        let confirmed = link.publish(page, &self.settings, accepted);
        let confirmed = timeout(CONFIRM, Box::pin(confirmed)).await;
        let confirmed = confirmed.unwrap_or_else(|_| Err(format!("not confirmed within {CONFIRM:?}")));
        if confirmed.is_err() {
            self.give_up(&link).await;
        }
        confirmed
    }
}

#[async_trait]
impl EventSink for RabbitMq {
    fn name(&self) -> &'static str {
        "rabbitmq"
    }

    async fn publish(&self, page: &EventPage) -> Published {
        let mut accepted = 0;
        let failure = self.publish_all(page, &mut accepted).await.err();
        Published {
            accepted,
            failure: failure.map(PublishError::Away),
        }
    }
}

impl Link {
    async fn open(uri: &AMQPUri, settings: &RabbitMqSettings) -> Result<Self, Failure> {
        let properties =
            ConnectionProperties::default().with_connection_name(settings.connection_name.as_str().into());
        let connection = Connection::connect_uri(uri.clone(), properties)
            .await
            .map_err(text)?;
        let channel = connection.create_channel().await.map_err(text)?;
        let durable = ExchangeDeclareOptions {
            durable: true,
            ..ExchangeDeclareOptions::default()
        };
        let exchange = settings.exchange.as_str();
        channel
            .exchange_declare(
                exchange.into(),
                ExchangeKind::Topic,
                durable,
                FieldTable::default(),
            )
            .await
            .map_err(text)?;
        if let Some(queue) = &settings.queue {
            declare_queue(&connection, queue).await?;
            channel
                .queue_bind(
                    queue.as_str().into(),
                    exchange.into(),
                    EventType::MessageSent.as_str().into(),
                    QueueBindOptions::default(),
                    FieldTable::default(),
                )
                .await
                .map_err(text)?;
        }
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await
            .map_err(text)?;
        Ok(Self { connection, channel })
    }

    fn is_open(&self) -> bool {
        self.connection.status().connected() && self.channel.status().connected()
    }

    /// Publishes a page, and counts what is confirmed from its beginning on.
    async fn publish(
        &self,
        page: &EventPage,
        settings: &RabbitMqSettings,
        accepted: &mut usize,
    ) -> Result<(), Failure> {
        let mut confirms = Vec::with_capacity(page.entries.len());
        for event in events(page) {
            confirms.push(match event {
                Some(event) => Some(self.send(event, settings).await.map_err(text)?),
                None => None,
            });
        }
        for confirm in confirms {
            if let Some(confirm) = confirm {
                match confirm.await.map_err(text)? {
                    Confirmation::Ack(None) => {}
                    Confirmation::Ack(Some(_)) => return Err("the queue is not bound to the exchange".into()),
                    Confirmation::Nack(_) => return Err("the broker does not take it".into()),
                    Confirmation::NotRequested => return Err("the broker does not confirm".into()),
                }
            }
            *accepted += 1;
        }
        Ok(())
    }

    async fn send(
        &self,
        event: Event,
        settings: &RabbitMqSettings,
    ) -> Result<PublisherConfirm, lapin::Error> {
        let mut headers = FieldTable::default();
        let conversation = LongString::from(event.conversation.as_str());
        headers.insert("conversation".into(), AMQPValue::LongString(conversation));
        let seq = i64::try_from(event.seq).unwrap_or(i64::MAX);
        headers.insert("seq".into(), AMQPValue::LongLongInt(seq));
        let properties = BasicProperties::default()
            .with_content_type("application/json".into())
            .with_content_encoding("utf-8".into())
            .with_delivery_mode(PERSISTENT)
            .with_message_id(event.id.into())
            .with_type(event.kind.as_str().into())
            .with_timestamp(u64::try_from(event.at / 1_000).unwrap_or_default())
            .with_app_id("starling".into())
            .with_headers(headers);
        // A queue that somebody has deleted must not swallow what it was promised: then the broker sends it back.
        let options = BasicPublishOptions {
            mandatory: settings.queue.is_some() && event.kind == EventType::MessageSent,
            ..BasicPublishOptions::default()
        };
        self.channel
            .basic_publish(
                settings.exchange.as_str().into(),
                event.kind.as_str().into(),
                options,
                event.body.as_bytes(),
                properties,
            )
            .await
    }
}

/// Makes the queue if there is none; one that was made otherwise (as a quorum queue, say) stays as it is. A refusal
/// closes the channel that asked, so each question has one of its own.
async fn declare_queue(connection: &Connection, queue: &str) -> Result<(), Failure> {
    let look = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    let asking = connection.create_channel().await.map_err(text)?;
    let found = asking
        .queue_declare(queue.into(), look, FieldTable::default())
        .await;
    let channel = if found.is_ok() {
        asking
    } else {
        let making = connection.create_channel().await.map_err(text)?;
        making
            .queue_declare(
                queue.into(),
                QueueDeclareOptions::durable(),
                FieldTable::default(),
            )
            .await
            .map_err(text)?;
        making
    };
    channel.close(200, "done".into()).await.map_err(text)
}

fn text(error: lapin::Error) -> Failure {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sink(url: &str) -> Result<RabbitMq, InvalidUrl> {
        let settings = RabbitMqSettings {
            exchange: "events".into(),
            queue: None,
            connection_name: "test".into(),
        };
        RabbitMq::new(url, settings)
    }

    #[test]
    fn urls_are_read_as_they_are_meant() {
        for (url, vhost) in [
            ("amqp://rabbitmq:5672", "/"),
            ("amqp://rabbitmq:5672/", "/"),
            ("amqp://rabbitmq/%2f", "/"),
            ("amqps://user:p%40ss@rabbitmq/chat?heartbeat=3", "chat"),
        ] {
            let sink = sink(url).map_err(|invalid| format!("{url}: {invalid}"));
            assert_eq!(sink.map(|sink| sink.uri.vhost), Ok(vhost.into()));
        }
        for url in ["", "http://rabbitmq", "rabbitmq:5672"] {
            assert!(sink(url).is_err(), "{url}");
        }
    }
}
