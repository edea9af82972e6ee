//! A router with its engine, a way to call it, and the document that every answer is held to.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request};
use serde_json::{Value, json};
use starling_core::memory::{MemoryCoordination, MemoryStore, ports};
use starling_core::people::SignInGuard;
use starling_core::ports::{RateLimit, SignInId};
use starling_core::{Authenticator, Engine, Identity, Settings};
use starling_protocol::{Error, ErrorCode, UserId};
use starling_rest::{CorsOrigin, Departure, Rest, RestSettings, router};
use tower::ServiceExt;

/// Believes `is:USER`, and `is:USER;SESSION`, which the engine gives to those who sign in.
struct NamedTokens;

#[async_trait]
impl Authenticator for NamedTokens {
    async fn authenticate(&self, token: &str) -> Result<Identity, Error> {
        let (user, session) = match token.split_once(';') {
            Some((user, session)) => (user, Some(SignInId::from_wire(session))),
            None => (token, None),
        };
        let admin = user == "is:the administrator";
        let user = user.strip_prefix("is:").and_then(|user| UserId::new(user).ok());
        let user = user.ok_or_else(|| Error::new(ErrorCode::Unauthenticated, "the token has expired"))?;
        Ok(Identity {
            name: session.is_none().then(|| format!("The {user}")),
            user,
            expires_at: None,
            sign_in: session,
            admin,
        })
    }
}

pub(crate) struct App {
    pub(crate) router: Router,
    pub(crate) document: Value,
    pub(crate) store: MemoryStore,
    pub(crate) coordination: MemoryCoordination,
    pub(crate) engine: Arc<Engine>,
    pub(crate) departure: Departure,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl App {
    pub(crate) async fn new() -> Self {
        Self::with(Settings::default(), CorsOrigin::Same).await
    }

    pub(crate) async fn with_sends(limit: RateLimit) -> Self {
        Self::with(
            Settings {
                sends: Some(limit),
                ..Settings::default()
            },
            CorsOrigin::Same,
        )
        .await
    }

    pub(crate) async fn with(settings: Settings, cors_origin: CorsOrigin) -> Self {
        let (store, coordination) = (MemoryStore::new(), MemoryCoordination::new());
        let settings = Settings {
            node_id: "node1".into(),
            ..settings
        };
        let engine = Engine::start(ports(&store, &coordination), settings)
            .await
            .unwrap();
        let settings = RestSettings {
            service: "starling".into(),
            version: "1.2.3".into(),
            cors_origin,
            metrics: Arc::new(|| "starling_up 1\n".to_owned()),
            client_address: Arc::new(|peer, _| peer),
        };
        let believed = SignInGuard::new(Arc::new(NamedTokens), engine.people());
        let rest = Rest::new(engine.clone(), Arc::new(believed), settings);
        let departure = rest.departure();
        let router = router(rest);
        let mut app = Self {
            router,
            document: Value::Null,
            store,
            coordination,
            engine,
            departure,
        };
        app.document = app
            .raw(Request::get("/openapi.json").body(Body::empty()).unwrap())
            .await
            .body;
        app
    }

    pub(crate) async fn get(&self, user: &str, path: &str) -> Answer {
        self.call("GET", path, user, None).await
    }

    pub(crate) async fn post(&self, user: &str, path: &str, body: Value) -> Answer {
        self.call("POST", path, user, Some(body)).await
    }

    pub(crate) async fn call(&self, method: &str, path: &str, user: &str, body: Option<Value>) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer is:{user}"));
        let request = match body {
            Some(body) => request
                .header("content-type", "application/json")
                .body(Body::from(body.to_string())),
            None => request.body(Body::empty()),
        };
        self.send(request.unwrap()).await
    }

    /// Sends a request to a documented operation, and holds the answer to what the document says.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let (method, path) = (
            request.method().as_str().to_lowercase(),
            request.uri().path().to_owned(),
        );
        let answer = self.raw(request).await;
        let operation = self.operation(&method, &path);
        let documented = &operation["responses"][answer.status.to_string()];
        assert!(
            documented.is_object(),
            "{method} {path}: {} is not documented: {}",
            answer.status,
            answer.body
        );
        match documented["content"].as_object() {
            None => assert_eq!(
                answer.body,
                Value::Null,
                "{method} {path}: a body is not documented"
            ),
            Some(content) if content.contains_key("application/json") => {
                let schema = &content["application/json"]["schema"];
                self.check(schema, &answer.body);
                self.check_code(documented, &answer);
            }
            Some(_) => {}
        }
        answer
    }

    /// Sends a request to wherever it goes.
    pub(crate) async fn raw(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 16 << 20).await.unwrap();
        let text = String::from_utf8(bytes.into()).unwrap();
        let body = match serde_json::from_str(&text) {
            Ok(json) => json,
            Err(_) if text.is_empty() => Value::Null,
            Err(_) => Value::String(text),
        };
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        }
    }

    /// A conversation of alice (its admin) and the others.
    pub(crate) async fn group(&self, others: &[&str]) -> String {
        let answer = self
            .post(
                "alice",
                "/v1/conversations",
                json!({"kind": "group", "members": others}),
            )
            .await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.body["id"].as_str().unwrap().to_owned()
    }

    /// Validates a value against a schema of the document.
    pub(crate) fn check(&self, schema: &Value, value: &Value) {
        let mut schema = schema.clone();
        schema["components"] = self.document["components"].clone();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let faults: Vec<_> = validator
            .iter_errors(value)
            .map(|fault| fault.to_string())
            .collect();
        assert!(faults.is_empty(), "{value} is not as documented: {faults:?}");
    }

    /// The code of an error must be among those that are documented for its status.
    fn check_code(&self, documented: &Value, answer: &Answer) {
        let Some(code) = answer.body["error"]["code"].as_str() else {
            return;
        };
        let examples = &documented["content"]["application/json"]["examples"];
        assert!(
            examples[code].is_object(),
            "{code} is not documented for {}: {documented}",
            answer.status
        );
    }

    fn operation(&self, method: &str, path: &str) -> &Value {
        let paths = self.document["paths"].as_object().unwrap();
        let fits = |template: &str| {
            let (template, path): (Vec<_>, Vec<_>) =
                (template.split('/').collect(), path.split('/').collect());
            template.len() == path.len()
                && template
                    .iter()
                    .zip(&path)
                    .all(|(part, given)| part.starts_with('{') || part == given)
        };
        let found = paths
            .iter()
            .find(|(template, item)| fits(template) && item[method].is_object());
        &found
            .unwrap_or_else(|| panic!("{method} {path} is not documented"))
            .1[method]
    }
}

impl Answer {
    pub(crate) fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}
