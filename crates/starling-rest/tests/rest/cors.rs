//! Which web pages may call.

use axum::body::Body;
use axum::http::Request;
use starling_core::Settings;
use starling_rest::CorsOrigin;

use crate::support::{Answer, App};

async fn preflight(app: &App, origin: &str) -> Answer {
    let request = Request::builder()
        .method("OPTIONS")
        .uri("/v1/conversations")
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type");
    app.raw(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn pages_of_other_origins_call_only_where_the_setting_lets_them() {
    const PAGE: &str = "https://chat.example.org";
    for (setting, page, allowed) in [
        (CorsOrigin::Same, PAGE, ""),
        (CorsOrigin::List(vec![PAGE.into()]), PAGE, PAGE),
        (
            CorsOrigin::List(vec![PAGE.into()]),
            "https://evil.example.org",
            "",
        ),
        (CorsOrigin::Any, PAGE, "*"),
    ] {
        let app = App::with(Settings::default(), setting.clone()).await;
        let answer = preflight(&app, page).await;
        assert_eq!(
            answer.header("access-control-allow-origin"),
            allowed,
            "{setting:?}"
        );
        if !allowed.is_empty() {
            assert_eq!(answer.status, 200);
            assert!(
                answer
                    .header("access-control-allow-headers")
                    .contains("authorization")
            );
            let request = Request::get("/v1/conversations")
                .header("origin", page)
                .body(Body::empty())
                .unwrap();
            let answer = app.raw(request).await;
            assert_eq!(
                (answer.status, answer.header("access-control-allow-origin")),
                (401, allowed)
            );
        }
    }
}
