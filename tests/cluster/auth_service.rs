//! An auth service as Chat Service has one: `GET /api/v1/auth/verify-user`, and the user in a header of the answer.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::http_service::{HttpService, Request};

const PATH: &str = "/api/v1/auth/verify-user";

/// Believes tokens of the form `opaque-USER`, until dropped.
pub(crate) struct AuthService {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<String>>>,
    _service: HttpService,
}

impl AuthService {
    pub(crate) async fn start() -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = asked.clone();
        let service = HttpService::start(move |request| {
            let token = token(&request);
            let answer = answer(&request.path, &token);
            seen.lock().push(token);
            answer
        })
        .await;
        Self {
            url: format!("{}{PATH}", service.url),
            asked,
            _service: service,
        }
    }

    /// How often it was asked, and about how many different tokens.
    pub(crate) fn asked(&self) -> (usize, usize) {
        let asked = self.asked.lock();
        (asked.len(), asked.iter().collect::<BTreeSet<_>>().len())
    }
}

fn token(request: &Request) -> String {
    let header = request.headers.get("authorization").map_or("", String::as_str);
    header.trim_start_matches("Bearer ").to_owned()
}

fn answer(path: &str, token: &str) -> String {
    match token.strip_prefix("opaque-") {
        Some(user) if path == PATH => {
            format!("200 OK\r\nx-user-payload: {{\"userId\":\"{user}\",\"username\":\"{user}_doe\"}}")
        }
        _ => "401 Unauthorized".to_owned(),
    }
}
