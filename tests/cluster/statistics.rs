//! Numbers on a real cluster are those of what MongoDB holds.

use std::collections::BTreeMap;

use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};
use starling_protocol::{ConversationId, List, Seq};

use crate::stage::{Stage, user};

const DAY: i64 = 86_400_000;

/// Of some conversations as MongoDB holds them: messages, those of one user, and by day.
async fn counted(stage: &Stage, ids: &[&ConversationId], sender: &str) -> (u64, u64, BTreeMap<i64, u64>) {
    let (mut messages, mut own, mut days) = (0, 0, BTreeMap::new());
    for id in ids {
        for entry in stage.stored(id).await {
            if entry.get_document("body").unwrap().contains_key("message") {
                messages += 1;
                own += u64::from(entry.get_str("sender").is_ok_and(|of| of == sender));
                let at = entry.get_i64("at").unwrap();
                *days.entry(at / DAY * DAY).or_insert(0) += 1;
            }
        }
    }
    (messages, own, days)
}

fn admins_token(stage: &Stage) -> String {
    let exp = jsonwebtoken::get_current_timestamp() + 3_600;
    let claims = json!({"sub": "ops", "exp": exp, "scope": "admin"});
    let key = EncodingKey::from_secret(stage.token_secret().as_bytes());
    encode(&Header::default(), &claims, &key).unwrap()
}

#[tokio::test]
async fn statistics_and_last_messages_are_those_of_what_is_stored() {
    let stage = Stage::start("statistics").await;
    let (ann, bob) = (stage.client_at(0, "ann").await, stage.client_at(1, "bob").await);
    let shared = ann.create_group(vec![user("bob")]).await.unwrap().id;
    let own = bob.create_group(vec![]).await.unwrap().id;
    let mut last: Seq = 0;
    for n in 0..20 {
        let client = if n % 3 == 0 { &ann } else { &bob };
        last = client.send(&shared, format!("number {n}")).await.unwrap().seq;
    }
    for n in 0..5 {
        bob.send(&own, format!("note {n}")).await.unwrap();
    }
    bob.delete(&own, 2).await.unwrap();
    for n in 0..12 {
        ann.react(&shared, 2, format!("e{n}")).await.unwrap();
    }

    // The last message is not the last entry.
    let page = bob.list(List::default()).await.unwrap();
    let listed = page
        .conversations
        .iter()
        .find(|listed| listed.id == shared)
        .unwrap();
    assert_eq!(
        (listed.head, listed.last.as_ref().unwrap().seq),
        (last + 12, last)
    );

    for (client, name, ids) in [(&ann, "ann", vec![&shared]), (&bob, "bob", vec![&shared, &own])] {
        let (messages, sent, _) = counted(&stage, &ids, name).await;
        let stats = client.my_stats(None).await.unwrap();
        assert_eq!(
            (stats.conversations, stats.messages, stats.sent),
            (ids.len() as u64, messages, sent),
            "{name}"
        );
        let by_day: u64 = stats.days.iter().map(|day| day.messages).sum();
        assert_eq!(by_day, sent, "{name}");
    }

    let http = reqwest::Client::new();
    let get = async |node: usize, path: &str, token: &str| {
        let url = format!("{}{path}", stage.node(node).url());
        let answer = http.get(url).bearer_auth(token).send().await.unwrap();
        let status = answer.status().as_u16();
        let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        (status, body)
    };
    let (messages, _, days) = counted(&stage, &[&shared, &own], "").await;
    let token = admins_token(&stage);
    let (status, all) = get(2, "/v1/admin/stats", &token).await;
    assert_eq!(status, 200, "{all}");
    assert_eq!(
        [
            &all["conversations"],
            &all["messages"],
            &all["counted"],
            &all["senders"]
        ],
        [&json!(2), &json!(messages), &json!(messages), &json!(2)]
    );
    let told: BTreeMap<_, _> = all["days"]
        .as_array()
        .unwrap()
        .iter()
        .map(|day| (day["day"].as_i64().unwrap(), day["messages"].as_u64().unwrap()))
        .collect();
    assert_eq!(told, days);
    let of_own = format!("/v1/admin/conversations/{own}/stats");
    let (status, one) = get(1, &of_own, &token).await;
    assert_eq!((status, &one["messages"]), (200, &json!(5)), "{one}");
    for path in ["/v1/admin/stats", &of_own] {
        let (status, refusal) = get(0, path, &stage.token("bob").unwrap()).await;
        assert_eq!((status, &refusal["error"]["code"]), (403, &json!("forbidden")));
    }
}
