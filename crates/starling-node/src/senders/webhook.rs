//! Hands codes to a service of the operator's, which sends them on as it likes: a signed POST.
//!
//! The signature is over the moment and the body, so that the service can tell who sent it and refuse what is old. The
//! same delivery may come more than once: an answer may get lost.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use async_trait::async_trait;
use axum::http::Request;
use axum::http::header::CONTENT_TYPE;
use data_encoding::HEXLOWER;
use http_body_util::Full;
use serde_json::json;
use starling_core::people::Phone;
use starling_core::ports::{CodeSender, Unavailable};
use starling_events::signature;
use url::Url;

use crate::outside::Outside;

/// Of one attempt.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Before each attempt; who waits for the code's answer waits ten seconds at most.
const PAUSES: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_millis(250),
    Duration::from_millis(750),
];

/// Where to, and how it is signed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct WebhookSettings {
    pub(crate) url: Url,
    pub(crate) secret: String,
}

impl fmt::Debug for WebhookSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookSettings").finish_non_exhaustive()
    }
}

pub(crate) struct WebhookSender {
    outside: Outside,
    settings: WebhookSettings,
}

enum Attempt {
    /// Trying again may help.
    Failed(String),
    /// The service does not want it.
    Refused(String),
}

impl WebhookSender {
    pub(crate) fn new(settings: WebhookSettings) -> Result<Self> {
        Ok(Self {
            outside: Outside::new(TIMEOUT)?,
            settings,
        })
    }

    async fn attempt(&self, delivery: &str, body: &str) -> Result<(), Attempt> {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let signature = signature(&self.settings.secret, at.as_secs(), body);
        let request = Request::post(self.settings.url.as_str())
            .header(CONTENT_TYPE, "application/json")
            .header("x-starling-delivery", delivery)
            .header("x-starling-signature", signature)
            .body(Full::from(body.to_owned()))
            .map_err(|error| Attempt::Refused(error.to_string()))?;
        let answer = self.outside.send(request).await;
        let answer = answer.map_err(|error| Attempt::Failed(error.to_string()))?;
        let status = answer.status();
        if status.is_success() {
            Ok(())
        } else if status.is_server_error() || status.as_u16() == 429 {
            Err(Attempt::Failed(format!("it answered {status}")))
        } else {
            Err(Attempt::Refused(format!("it answered {status}")))
        }
    }
}

#[async_trait]
impl CodeSender for WebhookSender {
    async fn send(&self, phone: &Phone, code: &str, life: Duration) -> Result<(), Unavailable> {
        let body = json!({"phone": phone.as_str(), "code": code, "expires_in": life.as_secs()}).to_string();
        let delivery = HEXLOWER.encode(&rand::random::<[u8; 16]>());
        let mut reason = String::new();
        for pause in PAUSES {
            tokio::time::sleep(pause).await;
            match self.attempt(&delivery, &body).await {
                Ok(()) => return Ok(()),
                Err(Attempt::Failed(why)) => reason = why,
                Err(Attempt::Refused(why)) => {
                    reason = why;
                    break;
                }
            }
        }
        Err(Unavailable::new("code sender", reason))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::Router;
    use axum::extract::State;
    use axum::http::{HeaderMap, StatusCode};
    use axum::routing::post;
    use parking_lot::Mutex;

    use super::*;

    /// What came, and what is answered next.
    #[derive(Default)]
    struct Service {
        came: Mutex<Vec<(HeaderMap, String)>>,
        answers: Mutex<Vec<u16>>,
    }

    async fn take(State(service): State<Arc<Service>>, headers: HeaderMap, body: String) -> StatusCode {
        service.came.lock().push((headers, body));
        let answer = service.answers.lock().pop().unwrap_or(204);
        StatusCode::from_u16(answer).unwrap()
    }

    async fn sender(answers: &[u16]) -> (Arc<Service>, WebhookSender) {
        let service = Arc::new(Service::default());
        service.answers.lock().extend(answers.iter().rev());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/codes", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/codes", post(take))
            .with_state(service.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let settings = WebhookSettings {
            url: Url::parse(&url).unwrap(),
            secret: "a secret".into(),
        };
        (service, WebhookSender::new(settings).unwrap())
    }

    async fn send(sender: &WebhookSender) -> Result<(), Unavailable> {
        let phone = Phone::new("+4915123456789").unwrap();
        sender.send(&phone, "271828", Duration::from_secs(300)).await
    }

    #[tokio::test]
    async fn a_code_is_handed_over_signed() {
        let (service, sender) = sender(&[]).await;
        send(&sender).await.unwrap();
        let (headers, body) = service.came.lock().pop().unwrap();
        let said: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            said,
            json!({"phone": "+4915123456789", "code": "271828", "expires_in": 300})
        );
        let shown = headers["x-starling-signature"].to_str().unwrap();
        let at = shown.strip_prefix("t=").unwrap().split(',').next().unwrap();
        assert_eq!(shown, signature("a secret", at.parse().unwrap(), &body));
        assert_ne!(shown, signature("another", at.parse().unwrap(), &body));
    }

    #[tokio::test]
    async fn what_may_help_is_tried_again_a_few_times() {
        for (answers, works, attempts) in [
            (&[503, 429][..], true, 3),
            (&[500, 500, 500, 204], false, 3),
            (&[400], false, 1),
        ] {
            let (service, sender) = sender(answers).await;
            assert_eq!(send(&sender).await.is_ok(), works, "{answers:?}");
            let came = service.came.lock();
            assert_eq!(came.len(), attempts, "{answers:?}");
            let ids: std::collections::BTreeSet<_> = came
                .iter()
                .map(|(headers, _)| headers["x-starling-delivery"].to_str().unwrap().to_owned())
                .collect();
            assert_eq!(ids.len(), 1, "the same delivery");
        }
    }
}
