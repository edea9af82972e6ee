//! What is wrong is answered with its code and a sentence, and nothing of it is stored.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use starling_cluster::mint_token;
use starling_protocol::{Codec, ServerFrame};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::raw::{Raw, Received};
use crate::stage::{Stage, user};

const JSON: &str = "starling.v1.json";

fn code(frame: &Value) -> &str {
    assert!(
        frame["error"]["message"]
            .as_str()
            .is_some_and(|sentence| sentence.len() > 10),
        "{frame}"
    );
    frame["error"]["code"].as_str().unwrap()
}

#[tokio::test]
async fn bad_frames_are_answered_and_nothing_is_stored() {
    let stage = Stage::start("bad-frames").await;
    let ann = stage.client_at(0, "ann").await;
    let id = ann.create_group(vec![user("bob")]).await.unwrap().id;
    let before = stage.count_stored().await;

    let token = stage.token("eve").unwrap();
    let mut eve = Raw::connect(&stage.node(1).ws_url(), JSON, Some(&token))
        .await
        .unwrap();
    assert!(eve.json().await["ready"].is_object());
    let bob_token = stage.token("bob").unwrap();
    let mut bob = Raw::connect(&stage.node(2).ws_url(), JSON, Some(&bob_token))
        .await
        .unwrap();
    assert!(bob.json().await["ready"].is_object());

    enum Who {
        Eve,
        Bob,
    }
    use Who::{Bob, Eve};
    let send = |conversation: &str, text: &str| {
        json!({"id": 5, "send": {"conversation": conversation, "client_id": "k", "text": text}}).to_string()
    };
    let edit = |seq: u64, text: &str| {
        json!({"id": 5, "edit": {"conversation": id, "seq": seq, "text": text}}).to_string()
    };
    for (who, frame, expected) in [
        (Eve, r#"{"id":5,"fly":{}}"#.to_owned(), "unknown_command"),
        (Eve, send(id.as_str(), "I am not a member"), "not_a_member"),
        (Eve, send("nowhere", "hello?"), "unknown_conversation"),
        (Eve, send("no/such/id", "hello?"), "invalid"),
        (Bob, send(id.as_str(), ""), "invalid"),
        (Bob, send(id.as_str(), " \n\t "), "invalid"),
        (Bob, send(id.as_str(), &"ü".repeat(5_001)), "invalid"),
        (
            Bob,
            r#"{"id":5,"send":{"text":"no conversation"}}"#.to_owned(),
            "invalid",
        ),
        (
            Bob,
            format!(r#"{{"id":5,"send":{{"conversation":"{id}","client_id":"k","text":7}}}}"#),
            "invalid",
        ),
        (
            Bob,
            format!(
                r#"{{"id":5,"send":{{"conversation":"{id}","client_id":"k","text":"x","sender":"ann"}}}}"#
            ),
            "forbidden",
        ),
        (
            Bob,
            format!(r#"{{"id":5,"add":{{"conversation":"{id}","users":["eve"]}}}}"#),
            "forbidden",
        ),
        (Bob, edit(1, "the creation"), "unknown_message"),
        (Bob, edit(99, "not there"), "unknown_message"),
        (Bob, edit(1, " "), "invalid"),
        (Eve, edit(1, "I am not a member"), "not_a_member"),
        (
            Bob,
            format!(r#"{{"id":5,"delete":{{"conversation":"{id}","seq":99}}}}"#),
            "unknown_message",
        ),
        (
            Bob,
            format!(r#"{{"id":5,"react":{{"conversation":"{id}","seq":1,"emoji":"a b"}}}}"#),
            "invalid",
        ),
        (
            Bob,
            format!(
                r#"{{"id":5,"send":{{"conversation":"{id}","client_id":"k","text":"x","reply_to":99}}}}"#
            ),
            "unknown_message",
        ),
        (
            Bob,
            format!(
                r#"{{"id":5,"send":{{"conversation":"{id}","client_id":"k","text":"x","kind":"system"}}}}"#
            ),
            "forbidden",
        ),
        (
            Bob,
            format!(r#"{{"id":5,"delivered":{{"conversation":"{id}","seq":99}}}}"#),
            "cursor_ahead",
        ),
        (
            Bob,
            format!(r#"{{"id":5,"history":{{"conversation":"{id}","limit":1000}}}}"#),
            "invalid",
        ),
    ] {
        let who = match who {
            Eve => &mut eve,
            Bob => &mut bob,
        };
        let reply = who.ask(&frame, 5).await;
        assert_eq!(code(&reply), expected, "{frame}");
    }
    for broken in ["{", "[]", "7", r#"{"send":{}}"#, r#"{"id":1}"#, "\u{0}"] {
        eve.send(Message::text(broken)).await;
        let answer = eve.json().await;
        assert!(
            matches!(code(&answer), "malformed" | "invalid"),
            "{broken:?}: {answer}"
        );
    }
    // 5,000 characters are not too many, however many bytes they take.
    assert!(bob.ask(&send(id.as_str(), &"ü".repeat(5_000)), 5).await["ok"]["sent"].is_object());

    eve.send(Message::text("x".repeat(70_000))).await;
    let mut received = eve.receive().await;
    if let Received::Frame(text) = &received {
        assert_eq!(code(&serde_json::from_str(text).unwrap()), "too_large");
        received = eve.receive().await;
    }
    assert_eq!(received, Received::Closed(4203));
    assert_eq!(
        stage.count_stored().await,
        before + 1,
        "only the good one is stored"
    );
}

#[tokio::test]
async fn bad_messagepack_is_answered_too() {
    let stage = Stage::start("bad-msgpack").await;
    let token = stage.token("eve").unwrap();
    let codec = Codec::MessagePack;
    let mut eve = Raw::connect(&stage.node(0).ws_url(), codec.subprotocol(), Some(&token))
        .await
        .unwrap();
    assert!(matches!(eve.receive().await, Received::Bytes(_)));
    for (bytes, expected) in [
        (vec![0xc1], "malformed"),
        (vec![0x82, 0xa2, b'i', b'd'], "malformed"),
        (
            vec![0x82, 0xa2, b'i', b'd', 0x07, 0xa3, b'f', b'l', b'y', 0x80],
            "unknown_command",
        ),
    ] {
        eve.send(Message::binary(bytes.clone())).await;
        let Received::Bytes(answer) = eve.receive().await else {
            panic!("no answer to {bytes:?}")
        };
        let error = match codec.decode_server(&answer).unwrap() {
            ServerFrame::Reply { result, .. } => result.unwrap_err(),
            ServerFrame::Event(starling_protocol::Event::Error(error)) => error,
            other => panic!("{other:?}"),
        };
        assert_eq!(error.code.as_str(), expected, "{bytes:?}");
    }
}

#[tokio::test]
async fn bad_tokens_are_refused_with_a_sentence_on_both_entrances() {
    let stage = Stage::start_with("bad-tokens", |config| {
        config
            .with_env("STARLING_TOKEN_ISSUER", "the-issuer")
            .with_env("STARLING_TOKEN_AUDIENCE", "starling")
    })
    .await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    let sign = |claims: &Value| {
        let key = EncodingKey::from_secret(stage.token_secret().as_bytes());
        encode(&Header::new(Algorithm::HS256), claims, &key).unwrap()
    };
    let claims = |change: Value| {
        let mut claims = json!({"sub": "eve", "exp": now + 600, "iss": "the-issuer", "aud": "starling"});
        for (name, value) in change.as_object().unwrap() {
            match value {
                Value::Null => claims.as_object_mut().unwrap().remove(name),
                value => claims
                    .as_object_mut()
                    .unwrap()
                    .insert(name.clone(), value.clone()),
            };
        }
        claims
    };
    let good = sign(&claims(json!({})));
    let unsigned = {
        let parts: Vec<_> = good.split('.').collect();
        // {"alg":"none","typ":"JWT"}
        format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{}.", parts[1])
    };
    let other_key = mint_token(
        &"another secret, as long as it must be".repeat(2),
        "eve",
        Duration::from_secs(60),
    );
    let http = reqwest::Client::new();
    let list = format!("{}/v1/conversations", stage.node(0).url());
    for (name, token) in [
        ("expired", sign(&claims(json!({"exp": now - 600})))),
        ("without expiry", sign(&claims(json!({"exp": null})))),
        ("of a wrong issuer", sign(&claims(json!({"iss": "someone"})))),
        ("of a wrong audience", sign(&claims(json!({"aud": "something"})))),
        ("of a later time", sign(&claims(json!({"nbf": now + 600})))),
        ("without subject", sign(&claims(json!({"sub": null})))),
        ("with a bad subject", sign(&claims(json!({"sub": "a\u{7}b"})))),
        ("unsigned", unsigned),
        ("of another key", other_key.unwrap()),
        ("that is none", "nonsense".to_owned()),
    ] {
        match Raw::connect(&stage.node(1).ws_url(), JSON, Some(&token)).await {
            Err(Error::Http(response)) => assert_eq!(response.status(), 401, "{name}"),
            other => panic!("a token {name}: {:?}", other.is_ok()),
        }
        let response = http.get(&list).bearer_auth(&token).send().await.unwrap();
        assert_eq!(response.status(), 401, "{name}");
        let body: Value = response.json().await.unwrap();
        assert_eq!(code(&body), "unauthenticated", "{name}");
        assert!(!body.to_string().contains(&token), "the token is not repeated");
    }
    let response = http.get(&list).bearer_auth(&good).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(
        Raw::connect(&stage.node(1).ws_url(), JSON, Some(&good))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_token_that_expires_ends_the_live_connection() {
    let stage = Stage::start("expiry").await;
    let token = mint_token(stage.token_secret(), "ann", Duration::from_secs(4)).unwrap();
    let mut ann = Raw::connect(&stage.node(0).ws_url(), JSON, Some(&token))
        .await
        .unwrap();
    assert!(ann.json().await["ready"].is_object());
    assert_eq!(ann.receive().await, Received::Closed(4201));
}
