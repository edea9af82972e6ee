//! The OpenAPI document itself.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::App;

const METHODS: [&str; 5] = ["get", "post", "put", "delete", "patch"];

/// What those ask for who have no token yet.
const OPEN: [&str; 3] = ["/v1/auth/code", "/v1/auth/token", "/v1/auth/refresh"];

/// All operations as (method, path, operation).
fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, item)| METHODS.iter().map(move |method| (method, path, &item[*method])))
        .filter(|(.., operation)| operation.is_object())
        .map(|(method, path, operation)| ((*method).to_owned(), path.clone(), operation))
        .collect()
}

#[tokio::test]
async fn every_route_is_documented() {
    let app = App::new().await;
    let found: Vec<_> = operations(&app.document)
        .into_iter()
        .map(|(method, path, _)| format!("{method} {path}"))
        .collect();
    let expected = [
        "get /api/redis/status",
        "get /health",
        "get /livez",
        "get /metrics",
        "get /readyz",
        "get /v1/admin/conversations/{id}/stats",
        "get /v1/admin/stats",
        "post /v1/auth/code",
        "post /v1/auth/refresh",
        "get /v1/auth/sessions",
        "delete /v1/auth/sessions/{session}",
        "post /v1/auth/sign-out",
        "post /v1/auth/token",
        "get /v1/blocks",
        "put /v1/blocks/{user}",
        "delete /v1/blocks/{user}",
        "get /v1/contacts",
        "post /v1/contacts",
        "delete /v1/contacts/{user}",
        "get /v1/conversations",
        "post /v1/conversations",
        "get /v1/conversations/{id}",
        "delete /v1/conversations/{id}",
        "patch /v1/conversations/{id}",
        "put /v1/conversations/{id}/bans/{user}",
        "delete /v1/conversations/{id}/bans/{user}",
        "put /v1/conversations/{id}/delivered",
        "get /v1/conversations/{id}/entries",
        "get /v1/conversations/{id}/entries/{seq}/receipts",
        "get /v1/conversations/{id}/invites",
        "post /v1/conversations/{id}/invites",
        "delete /v1/conversations/{id}/invites/{invite}",
        "post /v1/conversations/{id}/join",
        "post /v1/conversations/{id}/leave",
        "post /v1/conversations/{id}/members",
        "delete /v1/conversations/{id}/members/{user}",
        "put /v1/conversations/{id}/members/{user}/role",
        "get /v1/conversations/{id}/messages",
        "post /v1/conversations/{id}/messages",
        "delete /v1/conversations/{id}/messages/{seq}",
        "patch /v1/conversations/{id}/messages/{seq}",
        "put /v1/conversations/{id}/messages/{seq}/reactions/{emoji}",
        "delete /v1/conversations/{id}/messages/{seq}/reactions/{emoji}",
        "put /v1/conversations/{id}/mutes/{user}",
        "delete /v1/conversations/{id}/mutes/{user}",
        "put /v1/conversations/{id}/read",
        "get /v1/conversations/{id}/receipts",
        "get /v1/conversations/{id}/sanctions",
        "get /v1/conversations/{id}/stats",
        "post /v1/invites/accept",
        "get /v1/me",
        "patch /v1/me",
        "get /v1/me/stats",
        "put /v1/presence",
        "post /v1/presences",
        "get /v1/users/{user}",
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn the_served_document_is_the_one_that_the_library_gives() {
    let app = App::new().await;
    let document: Value = serde_json::from_str(&starling_rest::openapi()).unwrap();
    assert_eq!(app.document, document);
    assert_eq!(document["openapi"], "3.1.0");
}

#[tokio::test]
async fn every_operation_is_described_and_names_its_errors() {
    let app = App::new().await;
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations(&app.document) {
        let at = format!("{method} {path}");
        assert!(
            ids.insert(operation["operationId"].as_str().unwrap()),
            "{at}: the id is taken"
        );
        assert!(
            operation["summary"]
                .as_str()
                .is_some_and(|summary| summary.len() > 5),
            "{at}: no summary"
        );
        let responses = operation["responses"].as_object().unwrap();
        let statuses: BTreeSet<_> = responses.keys().map(String::as_str).collect();
        if path.starts_with("/v1/") {
            let is_open = OPEN.contains(&path.as_str());
            let asks_for_token = operation["security"][0]["token"].is_array();
            assert_eq!(asks_for_token, !is_open, "{at}: security");
            let least = BTreeSet::from(["400", "422", "500", "503"]);
            assert!(statuses.is_superset(&least), "{at}: {statuses:?}");
            assert!(is_open || statuses.contains("401"), "{at}: {statuses:?}");
        }
        if path.contains("{id}") {
            assert!(
                statuses.is_superset(&BTreeSet::from(["403", "404"])),
                "{at}: {statuses:?}"
            );
        }
        if operation["requestBody"].is_object() {
            assert!(
                statuses.is_superset(&BTreeSet::from(["413", "415"])),
                "{at}: {statuses:?}"
            );
        }
        let in_path: Vec<_> = path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .collect();
        let parameters: Vec<_> = operation["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        assert_eq!(parameters, in_path, "{at}");
    }
}

#[tokio::test]
async fn every_example_is_valid() {
    let app = App::new().await;
    let mut checked = 0;
    for (method, path, operation) in operations(&app.document) {
        let contents = operation["responses"]
            .as_object()
            .unwrap()
            .values()
            .chain([&operation["requestBody"]])
            .map(|described| &described["content"]["application/json"])
            .filter(|content| content.is_object());
        for content in contents {
            let several = content["examples"]
                .as_object()
                .into_iter()
                .flat_map(|map| map.values());
            let examples: Vec<_> = several
                .map(|example| &example["value"])
                .chain([&content["example"]])
                .filter(|e| !e.is_null())
                .collect();
            assert!(
                !examples.is_empty(),
                "{method} {path}: there is no example: {content}"
            );
            for example in examples {
                app.check(&content["schema"], example);
                checked += 1;
            }
        }
    }
    assert!(checked > 50, "{checked} examples");
}

#[tokio::test]
async fn every_reference_leads_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str));
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let app = App::new().await;
    let mut found = BTreeSet::new();
    references(&app.document, &mut found);
    assert!(found.len() > 10);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(app.document.pointer(pointer).is_some(), "{reference}");
    }
}

#[tokio::test]
async fn schemas_have_names_that_mean_something() {
    let app = App::new().await;
    for name in app.document["components"]["schemas"].as_object().unwrap().keys() {
        assert!(
            name.starts_with(char::is_uppercase),
            "{name} is a type of the language, not of the API"
        );
    }
}

#[tokio::test]
async fn numbers_have_formats_that_others_know() {
    fn formats<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("format").and_then(Value::as_str));
                map.values().for_each(|value| formats(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| formats(value, found)),
            _ => {}
        }
    }
    let app = App::new().await;
    let mut found = BTreeSet::new();
    formats(&app.document, &mut found);
    // Those of OpenAPI's registry. What is `uint64` is not `int64`: a node takes numbers that `int64` does not hold.
    let known = BTreeSet::from(["int32", "int64", "uint32", "uint64"]);
    assert!(found.contains("uint64") && found.is_subset(&known), "{found:?}");
}
