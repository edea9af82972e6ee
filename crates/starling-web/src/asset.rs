//! One file of the page, and how it is answered.

use axum::body::{Body, Bytes};
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::headers::PROTECTION;

/// For what is named by its contents.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// For the rest: it may be kept, and is asked for again each time.
const ASK_AGAIN: &str = "no-cache";

/// A file as it was when the crate was built.
pub(crate) struct Asset {
    pub(crate) path: &'static str,
    content_type: &'static str,
    /// Whether its name changes with its contents.
    is_hashed: bool,
    digest: &'static str,
    plain: &'static [u8],
    gzip: &'static [u8],
}

/// All files of the page.
pub(crate) static ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

impl Asset {
    /// The file, compressed if the client takes that; or that it has not changed.
    pub(crate) fn answer(&self, request: &HeaderMap) -> Response<Body> {
        let compressed = takes_gzip(request);
        let etag = if compressed {
            format!("\"{}-gzip\"", self.digest)
        } else {
            format!("\"{}\"", self.digest)
        };
        let is_known = knows(request, &etag);
        let body = match (is_known, compressed) {
            (true, _) => Body::empty(),
            (false, true) => Body::from(Bytes::from_static(self.gzip)),
            (false, false) => Body::from(Bytes::from_static(self.plain)),
        };
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        for (name, value) in PROTECTION {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let cache = if self.is_hashed { FOR_EVER } else { ASK_AGAIN };
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        if let Ok(etag) = HeaderValue::from_str(&etag) {
            headers.insert(ETAG, etag);
        }
        if is_known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        if compressed {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}

/// Whether the client takes gzip: named, or by `*`, and not with a weight of zero.
fn takes_gzip(request: &HeaderMap) -> bool {
    let mut by_star = false;
    for part in values(request, ACCEPT_ENCODING) {
        let mut parameters = part.split(';').map(str::trim);
        let coding = parameters.next().unwrap_or_default();
        let refused = parameters.any(|parameter| {
            parameter
                .strip_prefix("q=")
                .is_some_and(|weight| weight.parse::<f32>().is_ok_and(|weight| weight <= 0.0))
        });
        match coding {
            "gzip" => return !refused,
            "*" => by_star = !refused,
            _ => {}
        }
    }
    by_star
}

/// Whether the client has exactly this already.
fn knows(request: &HeaderMap, etag: &str) -> bool {
    values(request, IF_NONE_MATCH).any(|known| known == "*" || known.trim_start_matches("W/") == etag)
}

/// The members of a list that a header holds. What is not text is as if it was not there.
fn values(request: &HeaderMap, name: axum::http::HeaderName) -> impl Iterator<Item = &str> {
    request
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use axum::http::{HeaderName, Request};
    use flate2::read::GzDecoder;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;
    use crate::router;

    async fn get(path: &str, headers: &[(HeaderName, &str)]) -> (StatusCode, HeaderMap, Vec<u8>) {
        let mut request = Request::builder().uri(path);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        let response = router()
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes().to_vec();
        (parts.status, parts.headers, bytes)
    }

    /// What `src="…"` and `href="…"` name in the page.
    async fn named_by_the_page() -> Vec<String> {
        let (_, _, page) = get("/", &[]).await;
        let page = String::from_utf8(page).unwrap();
        page.split(['"', '\''])
            .filter(|part| part.starts_with('/'))
            .map(str::to_owned)
            .collect()
    }

    #[tokio::test]
    async fn the_page_and_all_that_it_names_are_there() {
        let (status, headers, page) = get("/", &[]).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(headers[CONTENT_TYPE], "text/html; charset=utf-8");
        assert!(String::from_utf8(page).unwrap().starts_with("<!doctype html>"));
        let named = named_by_the_page().await;
        assert!(named.len() >= 4, "{named:?}");
        for path in named {
            assert_eq!(get(&path, &[]).await.0, StatusCode::OK, "{path}");
        }
    }

    #[tokio::test]
    async fn what_is_named_by_its_contents_is_kept_for_ever_and_the_rest_is_asked_for() {
        for asset in ASSETS {
            let (_, headers, _) = get(asset.path, &[]).await;
            let expected = if asset.path.starts_with("/assets/") {
                FOR_EVER
            } else {
                ASK_AGAIN
            };
            assert_eq!(headers[CACHE_CONTROL], expected, "{}", asset.path);
        }
    }

    #[tokio::test]
    async fn compressed_bytes_are_the_same_file() {
        for asset in ASSETS {
            let (_, headers, gzip) = get(asset.path, &[(ACCEPT_ENCODING, "br, gzip;q=0.8")]).await;
            assert_eq!(headers[CONTENT_ENCODING], "gzip");
            let mut unpacked = Vec::new();
            GzDecoder::new(&gzip[..]).read_to_end(&mut unpacked).unwrap();
            let (_, headers, plain) = get(asset.path, &[]).await;
            assert!(!headers.contains_key(CONTENT_ENCODING));
            assert_eq!(unpacked, plain, "{}", asset.path);
        }
    }

    #[test]
    fn gzip_is_sent_to_those_who_take_it() {
        let check = |value: &'static str, expected| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(value));
            assert_eq!(takes_gzip(&headers), expected, "{value}");
        };
        check("gzip", true);
        check("br, gzip", true);
        check("gzip;q=0", false);
        check("gzip; q=0.0, *", false);
        check("*", true);
        check("*;q=0", false);
        check("identity", false);
        check("", false);
        assert!(!takes_gzip(&HeaderMap::new()));
    }

    #[tokio::test]
    async fn what_the_client_has_is_not_sent_again() {
        for encoding in ["gzip", "identity"] {
            let encoding = (ACCEPT_ENCODING, encoding);
            let (_, headers, _) = get("/", std::slice::from_ref(&encoding)).await;
            let etag = headers[ETAG].to_str().unwrap().to_owned();
            for known in [etag.clone(), format!("\"x\", W/{etag}"), "*".to_owned()] {
                let (status, headers, body) = get("/", &[encoding.clone(), (IF_NONE_MATCH, &known)]).await;
                assert_eq!((status, body.len()), (StatusCode::NOT_MODIFIED, 0));
                assert_eq!(headers[ETAG], etag);
            }
            let (status, ..) = get("/", &[encoding, (IF_NONE_MATCH, "\"x\"")]).await;
            assert_eq!(status, StatusCode::OK);
        }
    }

    #[tokio::test]
    async fn nothing_but_the_page_is_answered() {
        for path in [
            "/v1/me",
            "/ws",
            "/socket.io/",
            "/api/x",
            "/livez",
            "/assets/",
            "/index.html",
            "/assets/../x",
        ] {
            assert_eq!(get(path, &[]).await.0, StatusCode::NOT_FOUND, "{path}");
        }
    }

    /// Markup that would need a policy less strict must not come back.
    #[tokio::test]
    async fn the_page_holds_no_script_and_no_style_of_its_own() {
        let (_, headers, page) = get("/", &[]).await;
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"));
        assert!(!policy.contains("unsafe"));
        let page = String::from_utf8(page).unwrap();
        assert!(!page.contains("<style") && !page.contains(" style=") && !page.contains("javascript:"));
        for script in page.split("<script").skip(1) {
            let (tag, rest) = script.split_once('>').unwrap();
            assert!(tag.contains("src=\"/assets/"), "{tag}");
            assert!(rest.starts_with("</script>"), "{rest}");
        }
    }

    #[test]
    fn the_page_weighs_less_than_150_kilobytes() {
        let weight: usize = ASSETS.iter().map(|asset| asset.gzip.len()).sum();
        assert!(weight < 150_000, "{weight}");
    }
}
