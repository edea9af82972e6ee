//! Making a conversation with what it is called.

use starling_protocol::{Body, Command, ConversationSummary, Create, ErrorCode, Kind, Reply, Update};

use crate::cluster::{Client, Cluster, user};

fn named(kind: Kind) -> Create {
    Create {
        name: Some(" Tea ".into()),
        description: Some("Every\nafternoon".into()),
        avatar_url: Some("https://pictures.example.org/tea.png".into()),
        ..Create::of(kind, vec![user("bob")])
    }
}

async fn made(client: &Client, create: Create) -> ConversationSummary {
    match client.call(Command::Create(create)).await.unwrap() {
        Reply::Conversation(summary) => summary,
        other => panic!("not a conversation: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_conversation_is_made_with_name_description_and_picture() {
    let cluster = Cluster::start(2).await;
    let (ann, bob) = (cluster.connect(0, "ann").await, cluster.connect(1, "bob").await);
    let summary = made(&ann, named(Kind::Club)).await;
    let profile = |summary: &ConversationSummary| {
        [&summary.name, &summary.description, &summary.avatar_url].map(Clone::clone)
    };
    let expected = [
        Some("Tea".to_owned()),
        Some("Every\nafternoon".to_owned()),
        Some("https://pictures.example.org/tea.png".to_owned()),
    ];
    assert_eq!(profile(&summary), expected);
    // The log says it, and so does whoever has it from the log alone.
    bob.has(&summary.id, 1, 1).await;
    let created = bob.entries(&summary.id);
    assert!(matches!(
        &created[0].body,
        Body::Created { description: Some(text), avatar_url: Some(_), .. } if text == "Every\nafternoon"
    ));
    let (seen, _) = cluster.nodes[1]
        .conversation(&user("bob"), &summary.id)
        .await
        .unwrap();
    assert_eq!(profile(&seen), expected);

    // What is changed later leaves the rest.
    let rename = Update {
        conversation: summary.id.clone(),
        name: Some("Coffee".into()),
        description: None,
        avatar_url: None,
        open: None,
        client_id: None,
        retry: false,
    };
    ann.call(Command::Update(rename)).await.unwrap();
    let seen = cluster.nodes[1].summary(&user("bob"), &summary.id).await.unwrap();
    assert_eq!(seen.name.as_deref(), Some("Coffee"));
    assert_eq!(profile(&seen)[1..], expected[1..]);
}

#[tokio::test(start_paused = true)]
async fn what_a_conversation_may_not_be_called_makes_none() {
    let cluster = Cluster::start(1).await;
    let ann = cluster.connect(0, "ann").await;
    let direct = Create::of(Kind::Direct, vec![user("bob")]);
    for create in [
        Create {
            name: Some("Tea".into()),
            ..direct.clone()
        },
        Create {
            description: Some("Tea".into()),
            ..direct.clone()
        },
        Create {
            avatar_url: Some("https://pictures.example.org/tea.png".into()),
            ..direct.clone()
        },
        Create {
            open: Some(true),
            ..direct.clone()
        },
        Create {
            avatar_url: Some("http://pictures.example.org/tea.png".into()),
            ..named(Kind::Group)
        },
        Create {
            avatar_url: Some("https://ann:secret@pictures.example.org/tea.png".into()),
            ..named(Kind::Group)
        },
        Create {
            description: Some(" \n".into()),
            ..named(Kind::Group)
        },
    ] {
        let named = format!("{create:?}");
        let refused = ann.call(Command::Create(create)).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::Invalid, "{named}");
    }
    let listed = ann.call(Command::List(starling_protocol::List::default())).await;
    assert!(matches!(listed, Ok(Reply::Conversations(page)) if page.conversations.is_empty()));
    made(
        &ann,
        Create {
            open: Some(false),
            ..direct
        },
    )
    .await;
}
