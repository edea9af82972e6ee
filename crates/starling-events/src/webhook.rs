//! Hands events to a service of the operator's: a signed POST for each.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use starling_core::ports::{EventPage, EventSink, PublishError, Published};
use tokio::time::Instant;

use crate::payload::{Event, events};
use crate::signature::signature;

/// After so long no further event of a page is begun; the rest comes with the next.
const PAGE_TIME: Duration = Duration::from_secs(5);

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// Names and values of headers.
    pub headers: Vec<(&'static str, String)>,
    /// JSON.
    pub body: String,
}

/// Brings requests to where the operator has said.
#[async_trait]
pub trait Post: Send + Sync + 'static {
    /// Posts, and returns the status of the answer. An error says, without the URL, why there is none; it comes within
    /// some seconds.
    async fn post(&self, request: Posted) -> Result<u16, String>;
}

/// The sink `webhook`.
pub struct Webhook {
    post: Arc<dyn Post>,
    secret: String,
}

impl Webhook {
    /// Signs with `secret`.
    pub fn new(post: Arc<dyn Post>, secret: String) -> Self {
        Self { post, secret }
    }

    async fn post(&self, event: Event) -> Result<(), PublishError> {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let signature = signature(&self.secret, at.as_secs(), &event.body);
        let request = Posted {
            headers: vec![
                ("content-type", "application/json".into()),
                ("x-starling-delivery", event.id),
                ("x-starling-event", event.kind.as_str().into()),
                ("x-starling-signature", signature),
            ],
            body: event.body,
        };
        match self.post.post(request).await {
            Ok(200..300) => Ok(()),
            Ok(status @ (429 | 500..)) => Err(PublishError::Away(format!("it answered {status}"))),
            Ok(status) => Err(PublishError::Refused(format!("it answered {status}"))),
            Err(reason) => Err(PublishError::Away(reason)),
        }
    }
}

#[async_trait]
impl EventSink for Webhook {
    fn name(&self) -> &'static str {
        "webhook"
    }

    /// One after the other: a service that handles each as it comes sees a conversation's events in their order.
    async fn publish(&self, page: &EventPage) -> Published {
        let until = Instant::now() + PAGE_TIME;
        let mut accepted = 0;
        for event in events(page) {
            if Instant::now() >= until {
                break;
            }
            if let Some(event) = event
                && let Err(failure) = self.post(event).await
            {
                return Published {
                    accepted,
                    failure: Some(failure),
                };
            }
            accepted += 1;
        }
        Published {
            accepted,
            failure: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;
    use starling_protocol::{Body, Content, ConversationId, Entry};

    use super::*;

    /// What came, and what is answered next; 204 once nothing is said.
    #[derive(Default)]
    struct Service {
        came: Mutex<Vec<Posted>>,
        answers: Mutex<Vec<Result<u16, String>>>,
    }

    #[async_trait]
    impl Post for Service {
        async fn post(&self, request: Posted) -> Result<u16, String> {
            self.came.lock().push(request);
            self.answers.lock().pop().unwrap_or(Ok(204))
        }
    }

    fn page(bodies: impl IntoIterator<Item = Body>) -> EventPage {
        let entries = (1..).zip(bodies).map(|(seq, body)| {
            Arc::new(Entry {
                conversation: ConversationId::new("c").unwrap(),
                seq,
                sender: None,
                client_id: None,
                lamport: seq,
                at: 0,
                messages: seq,
                membership: 0,
                body,
                state: None,
            })
        });
        EventPage {
            entries: entries.collect(),
            pair: Vec::new(),
        }
    }

    fn message() -> Body {
        Body::Message(Content::text("hello"))
    }

    #[tokio::test]
    async fn events_are_posted_signed_and_in_order() {
        let service = Arc::new(Service::default());
        let webhook = Webhook::new(service.clone(), "a secret".into());
        let published = webhook
            .publish(&page([message(), Body::Void {}, message()]))
            .await;
        assert_eq!((published.accepted, published.failure), (3, None));
        let came = service.came.lock();
        let header = |posted: &Posted, wanted: &str| {
            let found = posted.headers.iter().find(|(name, _)| *name == wanted);
            found.unwrap().1.clone()
        };
        let ids: Vec<_> = came
            .iter()
            .map(|posted| header(posted, "x-starling-delivery"))
            .collect();
        assert_eq!(ids, ["c:1", "c:3"], "a void is no event");
        let shown = header(&came[0], "x-starling-signature");
        let at = shown.strip_prefix("t=").unwrap().split(',').next().unwrap();
        assert_eq!(shown, signature("a secret", at.parse().unwrap(), &came[0].body));
    }

    #[tokio::test]
    async fn what_comes_after_a_failure_waits() {
        for (answer, is_away) in [
            (Ok(503), true),
            (Ok(429), true),
            (Err("no answer".to_owned()), true),
            (Ok(400), false),
            (Ok(302), false),
        ] {
            let service = Arc::new(Service::default());
            service.answers.lock().extend([answer.clone(), Ok(200)]);
            let webhook = Webhook::new(service.clone(), "a secret".into());
            let published = webhook.publish(&page([message(), message(), message()])).await;
            assert_eq!(published.accepted, 1, "{answer:?}");
            let away = matches!(published.failure, Some(PublishError::Away(_)));
            assert_eq!((away, published.failure.is_some()), (is_away, true), "{answer:?}");
            assert_eq!(service.came.lock().len(), 2);
        }
    }
}
