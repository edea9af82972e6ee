//! Who may ask a node in development mode: programs and pages of this machine.
//!
//! It listens on loopback, and believes whoever reaches it. A browser reaches it, too, and there for every page on the web
//! that its user looks at: a WebSocket goes anywhere, a request that is simple enough does, and a name of the page's own may
//! come to mean this machine. So a request has to name this machine, and a page that sends it has to be of this machine, or
//! one that `cors_origin` names.

use axum::extract::Request;
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::json;
use starling_rest::CorsOrigin;
use url::{Host, Url};

/// The routes for those alone.
pub(crate) fn only_from_here(routes: Router, pages: &CorsOrigin) -> Router {
    let pages = pages.clone();
    routes.layer(middleware::from_fn(move |request: Request, next: Next| {
        let is_let_in = is_let_in(request.headers(), &pages);
        async move {
            if is_let_in {
                next.run(request).await
            } else {
                refusal()
            }
        }
    }))
}

fn refusal() -> Response {
    let message =
        "in development mode only programs and pages of this machine are served: cors_origin names others";
    let body = json!({"error": {"code": "forbidden", "message": message}});
    (StatusCode::FORBIDDEN, Json(body)).into_response()
}

fn is_let_in(headers: &HeaderMap, pages: &CorsOrigin) -> bool {
    let listed = match pages {
        CorsOrigin::Any => return true,
        CorsOrigin::List(listed) => listed.as_slice(),
        CorsOrigin::Same => &[],
    };
    // What is no text names nothing that is let in.
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let host_is_ours = text(HOST).is_none_or(|host| {
        let host = host_of(&format!("http://{host}"));
        host.as_ref().is_some_and(is_nobodys_name) || listed.iter().any(|page| host_of(page) == host)
    });
    let page_is_ours = text(ORIGIN).is_none_or(|origin| {
        host_of(origin).as_ref().is_some_and(is_here) || listed.iter().any(|page| page == origin)
    });
    host_is_ours && page_is_ours
}

fn host_of(url: &str) -> Option<Host<String>> {
    Some(Url::parse(url).ok()?.host()?.to_owned())
}

fn is_here(host: &Host<String>) -> bool {
    match host {
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
        Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
    }
}

/// Whether nobody on the web can have the name come to mean this machine. Containers find it under `.internal`; a name without
/// a dot is of a network of one's own, and what HAProxy's checks send.
fn is_nobodys_name(host: &Host<String>) -> bool {
    match host {
        Host::Ipv4(_) | Host::Ipv6(_) => true,
        Host::Domain(name) => is_here(host) || name.ends_with(".internal") || !name.contains('.'),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;

    async fn status(pages: &CorsOrigin, headers: &[(&str, &str)]) -> u16 {
        let routes = Router::new().route("/", get(async || "served"));
        let mut request = Request::builder().uri("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        let answer = only_from_here(routes, pages).oneshot(request).await.unwrap();
        answer.status().as_u16()
    }

    #[tokio::test]
    async fn pages_of_other_machines_are_not_served() {
        let page = "https://app.example";
        let listed = CorsOrigin::List(vec![page.to_owned()]);
        for (host, origin, alone, with_list) in [
            ("127.0.0.1:8080", "", 200, 200),
            ("localhost:8080", "http://localhost:8080", 200, 200),
            ("[::1]:8080", "http://127.0.0.1:3000", 200, 200),
            ("starling.localhost", "http://[::1]", 200, 200),
            ("host.docker.internal:8080", "", 200, 200),
            ("starling", "", 200, 200),
            ("127.0.0.1:8080", page, 403, 200),
            ("app.example", page, 403, 200),
            ("127.0.0.1:8080", "https://other.example", 403, 403),
            ("127.0.0.1:8080", "http://192.0.2.7", 403, 403),
            ("127.0.0.1:8080", "http://localhost.example", 403, 403),
            ("127.0.0.1:8080", "null", 403, 403),
            // A name that came to mean this machine.
            ("other.example:8080", "", 403, 403),
            ("other.example:8080", "http://other.example:8080", 403, 403),
        ] {
            let mut headers = vec![("host", host)];
            headers.extend((!origin.is_empty()).then_some(("origin", origin)));
            assert_eq!(status(&CorsOrigin::Same, &headers).await, alone, "{headers:?}");
            assert_eq!(status(&listed, &headers).await, with_list, "{headers:?}");
            assert_eq!(status(&CorsOrigin::Any, &headers).await, 200, "{headers:?}");
        }
    }
}
