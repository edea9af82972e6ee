//! Posts events to a service of the operator's.

use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use axum::http::Request;
use http_body_util::Full;
use starling_events::{Post, Posted};
use url::Url;

use crate::outside::Outside;

/// Of one event.
const TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) struct EventPost {
    outside: Outside,
    url: Url,
}

impl EventPost {
    pub(crate) fn new(url: Url) -> Result<Self> {
        Ok(Self {
            outside: Outside::new(TIMEOUT)?,
            url,
        })
    }
}

#[async_trait]
impl Post for EventPost {
    async fn post(&self, posted: Posted) -> Result<u16, String> {
        let mut request = Request::post(self.url.as_str());
        for (name, value) in posted.headers {
            request = request.header(name, value);
        }
        let request = request
            .body(Full::from(posted.body))
            .map_err(|error| error.to_string())?;
        let answer = self
            .outside
            .send(request)
            .await
            .map_err(|error| error.to_string())?;
        Ok(answer.status().as_u16())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::Router;
    use axum::http::{HeaderMap, StatusCode};
    use axum::routing::post;
    use parking_lot::Mutex;

    use super::*;

    #[tokio::test]
    async fn an_event_arrives_as_it_was_posted() {
        let came: Arc<Mutex<Vec<(HeaderMap, String)>>> = Arc::default();
        let taken = came.clone();
        let take = async move |headers: HeaderMap, body: String| {
            taken.lock().push((headers, body));
            StatusCode::ACCEPTED
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/events?key=1", listener.local_addr().unwrap());
        let router = Router::new().route("/events", post(take));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let sender = EventPost::new(Url::parse(&url).unwrap()).unwrap();
        let event = Posted {
            headers: vec![("x-starling-event", "message.sent".into())],
            body: "{}".into(),
        };
        assert_eq!(sender.post(event.clone()).await, Ok(202));
        let (headers, body) = came.lock().pop().unwrap();
        assert_eq!(
            (headers["x-starling-event"].to_str().unwrap(), body.as_str()),
            ("message.sent", "{}")
        );
        // An id of a conversation is fit for a header, whatever it is.
        let strange = Posted {
            headers: vec![("x-starling-event", "a\nb".into())],
            ..event
        };
        assert!(sender.post(strange).await.is_err());
    }
}
