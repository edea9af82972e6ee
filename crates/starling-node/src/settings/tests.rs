use std::path::PathBuf;

use super::*;
use crate::settings::keys::KEYS;

const SECRET: &str = "a secret of thirty-two bytes!!!!";

fn inputs(env: &[(&str, &str)]) -> Inputs {
    let env = env
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Inputs {
        file: None,
        env,
        cluster: true,
    }
}

/// A complete environment but for what is under test.
fn with_secret<'a>(env: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut env = env.to_vec();
    env.push(("STARLING_TOKEN_SECRET", SECRET));
    env
}

fn load(env: &[(&str, &str)]) -> Settings {
    Settings::load(&inputs(&with_secret(env)))
        .unwrap_or_else(|problems| panic!("{problems}"))
        .settings
}

fn cluster(settings: &Settings) -> &ClusterSettings {
    match &settings.backend {
        Backend::Cluster(cluster) => cluster,
        Backend::Standalone { .. } => panic!("it is of no cluster"),
    }
}

fn refused(env: &[(&str, &str)]) -> String {
    Settings::load(&inputs(env))
        .map(|loaded| loaded.settings)
        .expect_err("is refused")
        .to_string()
}

fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("starling.toml");
    std::fs::write(&path, text).unwrap();
    (dir, path)
}

#[test]
fn the_defaults_are_those_of_the_engine_and_the_gateway() {
    let settings = load(&[]);
    let engine = starling_core::Settings::default();
    assert_eq!(settings.sends, engine.sends);
    assert_eq!(
        settings.sends,
        Some(RateLimit {
            per_second: 20,
            burst: 100
        })
    );
    assert_eq!(settings.connections_per_user, engine.connections_per_user);
    assert_eq!(settings.connections_per_user, Some(5));
    let gateway = starling_gateway::GatewaySettings::default();
    assert_eq!(settings.heartbeat, gateway.heartbeat);
    assert_eq!(settings.auth_timeout, gateway.auth_timeout);
    assert_eq!(settings.outbox_bytes, gateway.outbox_bytes);
    let redis = starling_redis::RedisSettings::new("");
    assert_eq!(cluster(&settings).lease_ttl, redis.lease_ttl);
    assert_eq!(cluster(&settings).recent_entries, redis.recent_max_entries);
    assert_eq!(cluster(&settings).recent_ttl, redis.recent_ttl);
    assert_eq!(settings.typing_expiry, engine.typing_expiry);
    assert_eq!(settings.presence_grace, engine.presence_grace);
    assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.cors_origin, CorsOrigin::Same);
    assert!(!settings.node_id.is_empty());
}

#[test]
fn zero_means_no_limit() {
    let settings = load(&[
        ("STARLING_SENDS_PER_SECOND", "0"),
        ("STARLING_CONNECTIONS_PER_USER", "0"),
    ]);
    assert_eq!((settings.sends, settings.connections_per_user), (None, None));
}

#[test]
fn starling_names_win_over_the_seeds_names_and_those_over_the_file() {
    let (_dir, path) =
        file("node_id = 'file'\nconnections_per_user = 1\nsend_burst = 7\nlisten = '127.0.0.1:1'");
    let seeds = [
        ("SERVER_ID", "seed"),
        ("MAX_CONNECTIONS_PER_USER", "2"),
        ("PORT", "3000"),
    ];
    let starling = [
        ("STARLING_NODE_ID", "starling"),
        ("STARLING_LISTEN", "127.0.0.1:2"),
    ];
    let with = |layers: &[&[(&str, &str)]]| {
        let mut inputs = inputs(&with_secret(&layers.concat()));
        inputs.file = Some(path.clone());
        let settings = Settings::load(&inputs).unwrap().settings;
        (
            settings.node_id,
            settings.connections_per_user,
            settings.listen.to_string(),
            settings.sends.unwrap().burst,
        )
    };
    let expect =
        |node: &str, connections, listen: &str| (node.to_owned(), Some(connections), listen.to_owned(), 7);
    assert_eq!(with(&[]), expect("file", 1, "127.0.0.1:1"));
    assert_eq!(with(&[&seeds]), expect("seed", 2, "0.0.0.0:3000"));
    assert_eq!(with(&[&seeds, &starling]), expect("starling", 2, "127.0.0.1:2"));
}

#[test]
fn the_seeds_names_mean_what_they_meant() {
    let redis = |env: &[(&str, &str)]| cluster(&load(env)).redis_url.clone();
    assert_eq!(redis(&[("REDIS_HOST", "cache")]), "redis://cache:6379");
    assert_eq!(redis(&[("REDIS_PORT", "7000")]), "redis://127.0.0.1:7000");
    assert_eq!(
        redis(&[
            ("REDIS_HOST", "c"),
            ("REDIS_PORT", "7"),
            ("REDIS_PASSWORD", "p@/s")
        ]),
        "redis://:p%40%2Fs@c:7"
    );
    assert_eq!(
        redis(&[
            ("REDIS_URL", "rediss://r:1"),
            ("REDIS_HOST", "c"),
            ("REDIS_PORT", "x")
        ]),
        "rediss://r:1"
    );
    assert_eq!(
        cluster(&load(&[("MONGODB_URI", "mongodb://m/chat")])).mongodb_uri,
        "mongodb://m/chat"
    );
    assert_eq!(load(&[("CORS_ORIGIN", "*")]).cors_origin, CorsOrigin::Any);
    let day = Duration::from_secs(24 * 3_600);
    for (messages, seconds, entries, ttl) in [("100", "604800", 100, 7 * day), ("5000", "3600", 1_000, day)] {
        let history = load(&[
            ("MAX_MESSAGE_HISTORY", messages),
            ("MESSAGE_HISTORY_TTL", seconds),
        ]);
        let kept = cluster(&history);
        assert_eq!((kept.recent_entries, kept.recent_ttl), (entries, ttl));
    }
    let sync = load(&[("SYNC_INTERVAL_MINUTES", "7")]).sync_interval;
    assert_eq!(sync, Duration::from_secs(7 * 60));
    let development = load(&[("PORT", "3000"), ("STARLING_DEVELOPMENT", "true")]);
    assert_eq!(development.listen.to_string(), "127.0.0.1:3000");
}

#[test]
fn each_value_is_checked() {
    for (name, value, sentence) in [
        (
            "STARLING_LISTEN",
            "localhost:8080",
            "listen (from STARLING_LISTEN) must be an IP address and a port",
        ),
        (
            "PORT",
            "http",
            "listen (from PORT) must be an IP address and a port",
        ),
        ("STARLING_DEVELOPMENT", "maybe", "must be true or false"),
        (
            "STARLING_NODE_ID",
            "a b",
            "must be 1 to 64 visible ASCII characters",
        ),
        (
            "STARLING_MONGODB_URI",
            "localhost",
            "must be a URI such as mongodb://",
        ),
        (
            "STARLING_MONGODB_URI",
            "mongodb:///x",
            "must be a URI such as mongodb://",
        ),
        (
            "STARLING_REDIS_URL",
            "http://redis",
            "must be a URL such as redis://",
        ),
        (
            "REDIS_PORT",
            "tcp://10.0.0.1:6379",
            "redis_url (from REDIS_PORT) must be a URL",
        ),
        (
            "STARLING_REDIS_TLS_CA_FILE",
            "/nowhere",
            "names a file that cannot be read",
        ),
        ("STARLING_LEASE_TTL_MS", "100", "from 500 to 60000"),
        (
            "MAX_MESSAGE_HISTORY",
            "all",
            "recent_entries (from MAX_MESSAGE_HISTORY) must be a whole number",
        ),
        ("SYNC_INTERVAL_MINUTES", "0", "must be a whole number from 1"),
        (
            "STARLING_COMMUNITY_CHANNEL",
            "d-abc",
            "does not begin with a lower-case letter and a dash",
        ),
        ("STARLING_COMMUNITY_CHANNEL", "a b", "must be an id of"),
        (
            "STARLING_TOKEN_VERIFY_URL",
            "http://auth.example/api/v1/auth/verify-user",
            "must be an https:// URL",
        ),
        (
            "STARLING_SENDS_PER_SECOND",
            "-1",
            "from 0 to 1000000, and is \"-1\"",
        ),
        ("STARLING_SEND_BURST", "0", "from 1 to"),
        (
            "MAX_CONNECTIONS_PER_USER",
            "many",
            "connections_per_user (from MAX_CONNECTIONS_PER_USER) must be",
        ),
        ("STARLING_OUTBOX_BYTES", "1MiB", "must be a whole number"),
        (
            "STARLING_HEARTBEAT_SECONDS",
            "0",
            "must be a number of seconds from 0.1 to 3600",
        ),
        (
            "STARLING_AUTH_TIMEOUT_SECONDS",
            "NaN",
            "must be a number of seconds",
        ),
        ("STARLING_TYPING_EXPIRY_SECONDS", "0", "from 1 to 300"),
        ("STARLING_PRESENCE_GRACE_SECONDS", "-1", "from 0 to 60"),
        ("STARLING_RECENT_ENTRIES", "1001", "from 0 to 1000"),
        ("STARLING_RECENT_DAYS", "0", "from 1 to 365"),
        ("STARLING_TRUSTED_PROXIES", "10.0.0.0/8, proxy", "has \"proxy\""),
        ("CORS_ORIGIN", "chat.example.org", "must be * or origins"),
        (
            "CORS_ORIGIN",
            "https://chat.example.org/",
            "write \"https://chat.example.org\"",
        ),
        ("STARLING_LOG", "info,=", "must be a filter"),
        ("STARLING_LOG_FORMAT", "xml", "must be text or json"),
        (
            "STARLING_OTLP_ENDPOINT",
            "grpc://collector",
            "must be an http:// URL",
        ),
        (
            "STARLING_DRAIN_DELAY_SECONDS",
            "20",
            "drain_delay_seconds must be less than drain_grace_seconds",
        ),
    ] {
        let problems = refused(&with_secret(&[(name, value)]));
        assert!(problems.contains(sentence), "{name}={value}: {problems}");
        assert_eq!(problems.lines().count(), 1, "{problems}");
    }
}

#[test]
fn each_value_is_taken() {
    let (_dir, path) = file("");
    let ca = path.to_str().unwrap();
    let settings = load(&[
        ("STARLING_LISTEN", "[::]:80"),
        ("STARLING_REDIS_URL", "rediss-cluster://:p@redis:7000?node=b:1"),
        ("STARLING_REDIS_TLS_CA_FILE", ca),
        ("STARLING_TRUSTED_PROXIES", "10.0.0.0/8, 192.0.2.1,fd00::/8"),
        ("STARLING_CORS_ORIGIN", "https://a.example, http://localhost:3000"),
        ("STARLING_HEARTBEAT_SECONDS", "0.5"),
        ("STARLING_TYPING_EXPIRY_SECONDS", "4.5"),
        ("STARLING_PRESENCE_GRACE_SECONDS", "0"),
        ("STARLING_RECENT_ENTRIES", "0"),
        ("STARLING_RECENT_DAYS", "1"),
        ("STARLING_LOG_FORMAT", "json"),
        ("STARLING_OTLP_ENDPOINT", "http://collector:4318"),
        ("STARLING_TOKEN_ISSUER", "https://login.example"),
        (
            "STARLING_TOKEN_VERIFY_URL",
            "https://auth.example/api/v1/auth/verify-user",
        ),
        ("STARLING_TOKEN_VERIFY_CACHE_SECONDS", "0"),
        ("STARLING_COMMUNITY_CHANNEL", "main-chat"),
    ]);
    assert_eq!(
        settings.token_verify.as_ref().map(Url::as_str),
        Some("https://auth.example/api/v1/auth/verify-user")
    );
    assert_eq!(settings.token_verify_cache, Duration::ZERO);
    assert_eq!(settings.community_channel.as_str(), "main-chat");
    assert_eq!(settings.listen.port(), 80);
    assert_eq!(cluster(&settings).redis_tls_ca_file, Some(path));
    let proxies: Vec<_> = settings.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(proxies, ["10.0.0.0/8", "192.0.2.1/32", "fd00::/8"]);
    assert_eq!(
        settings.cors_origin,
        CorsOrigin::List(vec!["https://a.example".into(), "http://localhost:3000".into()])
    );
    assert_eq!(settings.heartbeat, Duration::from_millis(500));
    assert_eq!(settings.typing_expiry, Duration::from_millis(4_500));
    assert_eq!(settings.presence_grace, Duration::ZERO);
    assert_eq!(cluster(&settings).recent_entries, 0);
    assert_eq!(cluster(&settings).recent_ttl, Duration::from_secs(86_400));
    assert_eq!(settings.log_format, LogFormat::Json);
    assert_eq!(
        settings.otlp_endpoint.as_deref(),
        Some("http://collector:4318/v1/traces")
    );
    assert_eq!(settings.token_issuer.as_deref(), Some("https://login.example"));
}

#[test]
fn a_file_may_use_numbers_truth_values_and_lists() {
    let (_dir, path) = file(
        "development = true\nsend_burst = 7\nheartbeat_seconds = 1.5\ntrusted_proxies = ['10.0.0.1', '10.0.0.2']",
    );
    let settings = Settings::load(&Inputs {
        file: Some(path),
        cluster: true,
        ..Inputs::default()
    })
    .unwrap()
    .settings;
    assert!(settings.development);
    assert_eq!(settings.sends.unwrap().burst, 7);
    assert_eq!(settings.heartbeat, Duration::from_millis(1_500));
    assert_eq!(settings.trusted_proxies.len(), 2);
    assert_eq!(
        settings.drain_delay,
        Duration::ZERO,
        "nobody waits for a balancer in development"
    );
}

#[test]
fn unknown_names_are_refused_with_what_was_probably_meant() {
    let problems = refused(&with_secret(&[
        ("STARLING_LISTN", "x"),
        ("STARLING_", "y"),
        ("STARLING_Log", "z"),
    ]));
    assert!(problems.contains(
        "the environment sets STARLING_LISTN, which is no setting (did you mean STARLING_LISTEN?)"
    ));
    assert!(
        problems.contains("STARLING_Log, which is no setting (did you mean STARLING_LOG?)"),
        "{problems}"
    );
    assert_eq!(problems.matches("no setting").count(), 3, "{problems}");

    for (text, sentence) in [
        (
            "lissen = 'x'",
            "sets \"lissen\", which is no setting (did you mean listen?)",
        ),
        ("[redis]\nurl = 'x'", "sets \"redis\", which is no setting"),
        (
            "log = { level = 'x' }",
            "gives log a value that is neither text nor a number",
        ),
        ("log = ", "cannot be read"),
    ] {
        let (_dir, path) = file(text);
        let mut inputs = inputs(&with_secret(&[]));
        inputs.file = Some(path.clone());
        let problems = Settings::load(&inputs).unwrap_err().to_string();
        assert!(problems.contains(sentence), "{text}: {problems}");
        assert!(problems.contains(path.to_str().unwrap()), "{problems}");
    }
    let missing = Inputs {
        file: Some("/nowhere.toml".into()),
        ..inputs(&with_secret(&[]))
    };
    assert!(
        Settings::load(&missing)
            .unwrap_err()
            .to_string()
            .contains("/nowhere.toml cannot be read")
    );
}

#[test]
fn other_peoples_variables_are_let_alone() {
    load(&[
        ("STARLING_CONFIG", "/etc/starling.toml"),
        ("STARLING_PORT", "tcp://10.0.0.1:8080"),
        ("STARLING_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ("STARLING_SERVICE_HOST", "10.0.0.1"),
        ("STARLING_SERVICE_PORT_HTTP", "8080"),
        ("PATH", "/bin"),
    ]);
}

#[test]
fn all_problems_are_told_at_once() {
    let problems = refused(&[
        ("STARLING_LISTEN", "x"),
        ("STARLING_LOG_FORMAT", "x"),
        ("STARLING_TYPO", "x"),
    ]);
    for part in [
        "listen",
        "log_format",
        "STARLING_TYPO",
        "there is no key to check tokens with",
    ] {
        assert!(problems.contains(part), "{part}: {problems}");
    }
    assert_eq!(problems.lines().count(), 5, "{problems}");
}

#[test]
fn a_missing_or_weak_secret_refuses_to_start() {
    let (_dir, path) = file("too short\n");
    let path = path.to_str().unwrap();
    for (env, sentence) in [
        (&[][..], "there is no key to check tokens with"),
        (
            &[("STARLING_TOKEN_SECRET", "hunter2")],
            "holds a secret of 7 bytes",
        ),
        (
            &[("STARLING_TOKEN_SECRET_FILE", path)],
            "names a file with a secret of 9 bytes",
        ),
        (
            &[("STARLING_TOKEN_SECRET_FILE", "/nowhere")],
            "names a file that cannot be read: /nowhere",
        ),
        (
            &[("STARLING_TOKEN_PUBLIC_KEY_FILE", path)],
            "holds no PEM public key",
        ),
        (
            &[
                ("STARLING_TOKEN_SECRET", SECRET),
                ("STARLING_TOKEN_SECRET_FILE", path),
            ],
            "there are several: token_secret",
        ),
    ] {
        let problems = refused(env);
        assert!(problems.contains(sentence), "{env:?}: {problems}");
        assert!(
            !problems.contains("hunter2") && !problems.contains("too short"),
            "a secret is shown: {problems}"
        );
    }
    // 31 bytes and 32: what counts is bytes, not characters.
    assert!(refused(&[("STARLING_TOKEN_SECRET", &SECRET[1..])]).contains("31 bytes"));
    let settings = Settings::load(&inputs(&[("STARLING_TOKEN_SECRET", "éééééééééééééééé")]))
        .unwrap()
        .settings;
    assert_eq!(settings.token_key, TokenKey::Secret("éééééééééééééééé".into()));
}

#[test]
fn a_secret_file_may_end_with_a_line_feed() {
    let (_dir, path) = file(&format!("{SECRET}\r\n"));
    let env = [("STARLING_TOKEN_SECRET_FILE", path.to_str().unwrap())];
    assert_eq!(
        Settings::load(&inputs(&env)).unwrap().settings.token_key,
        TokenKey::Secret(SECRET.into())
    );
}

#[test]
fn development_mode_takes_weak_secrets_and_listens_on_loopback_only() {
    let development = ("STARLING_DEVELOPMENT", "1");
    let key = |env: &[_]| Settings::load(&inputs(env)).unwrap().settings.token_key;
    assert_eq!(key(&[development]), TokenKey::MadeUp);
    assert_eq!(
        key(&[development, ("STARLING_TOKEN_SECRET", "weak")]),
        TokenKey::Secret("weak".into())
    );
    for listen in ["0.0.0.0:8080", "[::]:8080", "192.0.2.1:8080"] {
        let problems = refused(&[development, ("STARLING_LISTEN", listen)]);
        assert!(problems.contains("listens on loopback only"), "{problems}");
    }
    assert_eq!(
        load(&[development, ("STARLING_LISTEN", "[::1]:1")]).listen.port(),
        1
    );
}

#[test]
fn the_effective_settings_are_printed_without_secrets_and_can_be_read_back() {
    let env = [
        ("STARLING_MONGODB_URI", "mongodb://u:hunter2@a:1,b:2/db"),
        ("REDIS_HOST", "cache"),
        ("REDIS_PASSWORD", "hunter2"),
        ("STARLING_TOKEN_SECRET", "hunter2hunter2hunter2hunter2hunter2"),
        ("STARLING_LOG", "info,x=\"y\""),
        ("STARLING_NODE_ID", "7"),
    ];
    let env: Vec<_> = env
        .into_iter()
        .filter(|(name, _)| *name != "STARLING_LOG")
        .collect();
    let printed = print(&Settings::load(&inputs(&env)).unwrap());
    assert!(!printed.contains("hunter2"), "{printed}");
    for line in [
        "mongodb_uri = \"mongodb://u:***@a:1,b:2/db\"  # STARLING_MONGODB_URI",
        "redis_url = \"redis://:***@cache:6379\"  # REDIS_HOST, REDIS_PASSWORD",
        "token_secret = \"***\"  # STARLING_TOKEN_SECRET",
        "node_id = \"7\"  # STARLING_NODE_ID",
        "send_burst = 100  # default",
        "# token_issuer is not set",
    ] {
        assert!(
            printed.lines().any(|printed| printed == line),
            "{line}: {printed}"
        );
    }
    let (_dir, path) = file(&printed);
    let read = Inputs {
        file: Some(path),
        ..inputs(&[("STARLING_TOKEN_SECRET", SECRET)])
    };
    assert_eq!(Settings::load(&read).unwrap().settings.node_id, "7");
    let debugged = format!("{:?}", load(&[]).token_key);
    assert!(!debugged.contains(SECRET), "{debugged}");
}

#[test]
fn where_a_node_listens_is_told_whatever_else_is_wrong() {
    let broken = inputs(&[
        ("STARLING_LISTEN", "127.0.0.1:7"),
        ("STARLING_TYPO", "x"),
        ("STARLING_LOG_FORMAT", "x"),
    ]);
    assert_eq!(Settings::load_listen(&broken).unwrap().port(), 7);
    assert!(Settings::load_listen(&inputs(&[("PORT", "x")])).is_err());
}

/// The table for people and the table for the program are one.
#[test]
fn the_operations_guide_names_every_setting_with_its_default() {
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operations.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let row = |name: &str| {
        guide
            .lines()
            .find(|line| line.starts_with(&format!("| `{name}` |")))
    };
    for key in KEYS {
        let row = row(key.name).unwrap_or_else(|| panic!("docs/operations.md has no row for {}", key.name));
        if let Some(default) = key.default {
            assert!(
                row.contains(&format!("| `{default}` |")),
                "the default of {} is {default}: {row}",
                key.name
            );
        }
    }
    let rows = guide
        .lines()
        .filter(|line| line.starts_with("| `") && line.contains("` | `STARLING_"))
        .count();
    assert_eq!(rows, KEYS.len(), "settings in docs/operations.md that are none");
}

#[test]
fn one_outside_issuer_is_believed_at_most() {
    let verify = ("STARLING_TOKEN_VERIFY_URL", "https://auth.example/verify");
    let problems = refused(&[verify, ("STARLING_TOKEN_JWKS_URL", "https://issuer.example/keys")]);
    assert!(
        problems.contains("token_jwks_url and token_verify_url are both set"),
        "{problems}"
    );
    let settings = Settings::load(&inputs(&[verify])).unwrap().settings;
    assert_eq!(settings.token_key, TokenKey::Outside, "the service is enough");
    let beside = Settings::load(&inputs(&with_secret(&[verify]))).unwrap().settings;
    assert_eq!(beside.token_key, TokenKey::Secret(SECRET.into()));
}

#[test]
fn codes_go_into_the_log_in_development_only() {
    assert_eq!(load(&[]).sign_in.sender, CodeSender::None);
    let development = load(&[("STARLING_DEVELOPMENT", "1")]).sign_in;
    assert_eq!(development.sender, CodeSender::Log);
    assert!(
        development.code_in_answer,
        "as those of Chatter are used to, who never had a code"
    );
    assert!(!load(&[]).sign_in.code_in_answer);
    for (name, value, sentence) in [
        ("STARLING_CODE_SENDER", "log", "development mode only"),
        ("STARLING_CODE_IN_ANSWER", "true", "development mode only"),
        ("STARLING_CODE_SENDER", "sms", "must be none, log or webhook"),
        (
            "STARLING_CODE_SENDER",
            "webhook",
            "needs code_webhook_url and code_webhook_secret",
        ),
        ("STARLING_CODES_PER_PHONE_HOUR", "0", "from 1 to 1000"),
        ("STARLING_ACCESS_TOKEN_MINUTES", "61", "from 1 to 60"),
        ("STARLING_REFRESH_TOKEN_DAYS", "0", "from 1 to 365"),
    ] {
        let refusal = refused(&with_secret(&[(name, value)]));
        assert!(refusal.contains(sentence), "{name}={value}: {refusal}");
    }
}

#[test]
fn a_webhook_is_reached_safely() {
    const URL: (&str, &str) = (
        "STARLING_CODE_WEBHOOK_URL",
        "https://codes.example.org/send?key=1",
    );
    const HOOK: (&str, &str) = ("STARLING_CODE_WEBHOOK_SECRET", SECRET);
    const SENDER: (&str, &str) = ("STARLING_CODE_SENDER", "webhook");
    match load(&[SENDER, URL, HOOK]).sign_in.sender {
        CodeSender::Webhook(webhook) => {
            assert_eq!(webhook.url.as_str(), URL.1);
            assert!(!format!("{webhook:?}").contains("secret of"));
        }
        other => panic!("{other:?}"),
    }
    for (env, sentence) in [
        (vec![SENDER, HOOK], "needs code_webhook_url"),
        (vec![SENDER, URL], "code_webhook_secret"),
        (
            vec![
                SENDER,
                HOOK,
                ("STARLING_CODE_WEBHOOK_URL", "http://codes.example.org/"),
            ],
            "must be an https:// URL",
        ),
        (
            vec![SENDER, HOOK, ("STARLING_CODE_WEBHOOK_URL", "codes")],
            "must be an https:// URL",
        ),
        (
            vec![SENDER, URL, ("STARLING_CODE_WEBHOOK_SECRET", "short")],
            "at least 32",
        ),
    ] {
        let refusal = refused(&with_secret(&env));
        assert!(refusal.contains(sentence), "{env:?}: {refusal}");
    }
    let here = load(&[SENDER, HOOK, ("STARLING_CODE_WEBHOOK_URL", "http://127.0.0.1:9/")]);
    assert!(matches!(here.sign_in.sender, CodeSender::Webhook(_)));
}

#[test]
fn systems_outside_are_told_of_events_where_they_are_named() {
    let off = load(&[("RABBITMQ_QUEUE_NEW_MESSAGE", "new_message")]).events;
    assert!(off.rabbitmq.is_none() && off.webhook.is_none());
    assert_eq!(off.from, starling_core::EventsFrom::Now);
    let seed = [
        ("RABBITMQ_URL", "amqp://user:hunter2@rabbitmq:5672"),
        ("RABBITMQ_QUEUE_NEW_MESSAGE", "new_message"),
        ("STARLING_EVENTS_FROM", "beginning"),
    ];
    let on = load(&seed).events;
    let broker = on.rabbitmq.unwrap();
    assert_eq!(broker.url, "amqp://user:hunter2@rabbitmq:5672");
    assert_eq!(
        (broker.exchange.as_str(), broker.queue.as_deref()),
        ("starling.events", Some("new_message"))
    );
    assert_eq!(on.from, starling_core::EventsFrom::Beginning);
    let printed = print(&Settings::load(&inputs(&with_secret(&seed))).unwrap());
    assert!(!printed.contains("hunter2"), "{printed}");
    const HOOK: (&str, &str) = ("STARLING_EVENT_WEBHOOK_URL", "https://events.example.org/");
    let hook = load(&[HOOK, ("STARLING_EVENT_WEBHOOK_SECRET", SECRET)]).events;
    assert_eq!(hook.webhook.unwrap().url.as_str(), HOOK.1);
    for (env, sentence) in [
        (vec![HOOK], "needs event_webhook_secret"),
        (
            vec![("STARLING_EVENT_WEBHOOK_URL", "http://events.example.org/")],
            "must be an https:// URL",
        ),
        (vec![("RABBITMQ_URL", "http://rabbitmq")], "must be an amqp://"),
        (
            vec![("STARLING_RABBITMQ_EXCHANGE", "a\tb")],
            "without control characters",
        ),
        (vec![("STARLING_EVENTS_FROM", "then")], "must be now or beginning"),
    ] {
        let refusal = refused(&with_secret(&env));
        assert!(refusal.contains(sentence), "{env:?}: {refusal}");
    }
}

#[test]
fn an_outside_issuer_stands_alone_or_beside_the_secret() {
    const KEYS_URL: (&str, &str) = ("STARLING_TOKEN_JWKS_URL", "https://login.example.org/keys");
    let alone = Settings::load(&inputs(&[KEYS_URL])).unwrap().settings;
    assert_eq!(alone.token_key, TokenKey::Outside);
    assert_eq!(alone.token_jwks.unwrap().as_str(), KEYS_URL.1);
    assert!(matches!(load(&[KEYS_URL]).token_key, TokenKey::Secret(_)));
    let refusal = refused(&with_secret(&[(
        "STARLING_TOKEN_JWKS_URL",
        "http://login.example.org/keys",
    )]));
    assert!(refusal.contains("must be an https:// URL"), "{refusal}");
    // Whoever signs in here needs tokens that this cluster signs.
    let refusal = refused(&[
        KEYS_URL,
        ("STARLING_CODE_SENDER", "webhook"),
        ("STARLING_CODE_WEBHOOK_URL", "https://codes.example.org/"),
        ("STARLING_CODE_WEBHOOK_SECRET", SECRET),
    ]);
    assert!(refusal.contains("the cluster's own secret"), "{refusal}");
    let development = Settings::load(&inputs(&[KEYS_URL, ("STARLING_DEVELOPMENT", "1")])).unwrap();
    assert_eq!(development.settings.sign_in.sender, CodeSender::None);
}

/// What is asked for without `--cluster`.
fn alone(env: &[(&str, &str)]) -> Inputs {
    Inputs {
        cluster: false,
        ..inputs(env)
    }
}

#[test]
fn without_settings_it_is_a_machine_alone_in_development_mode() {
    let settings = Settings::load(&alone(&[])).unwrap().settings;
    let data_dir = PathBuf::from("./data");
    assert_eq!(settings.token_key, TokenKey::Kept(data_dir.join("secret")));
    assert_eq!(settings.backend, Backend::Standalone { data_dir });
    assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
    assert!(settings.development && settings.open_rooms && settings.sign_in.code_in_answer);
    assert_eq!(settings.sign_in.sender, CodeSender::Log);
    let told = Settings::load(&alone(&[("RABBITMQ_URL", "amqp://127.0.0.1")])).unwrap();
    assert!(matches!(told.settings.backend, Backend::Standalone { .. }));
    assert!(told.settings.events.rabbitmq.is_some(), "a sink makes no cluster");

    let everywhere = Settings::load(&alone(&[("STARLING_LISTEN", "0.0.0.0:80")]));
    assert!(everywhere.unwrap_err().to_string().contains("loopback only"));
    let told = [
        ("STARLING_LISTEN", "0.0.0.0:80"),
        ("STARLING_DEVELOPMENT", "false"),
        ("STARLING_DATA_DIR", "/var/lib/starling"),
    ];
    let told = Settings::load(&alone(&told)).unwrap().settings;
    assert_eq!(told.token_key, TokenKey::Kept("/var/lib/starling/secret".into()));
    assert!(!told.development && !told.open_rooms && !told.sign_in.code_in_answer);
    let (_dir, file) = file("");
    let no_directory = [("STARLING_DATA_DIR", file.to_str().unwrap())];
    let refusal = Settings::load(&alone(&no_directory)).unwrap_err().to_string();
    assert!(refusal.contains("must name a directory"), "{refusal}");
}

#[test]
fn a_kept_secret_that_can_be_guessed_is_not_used() {
    for (kept, works) in [("", false), ("\n", false), ("short\n", false), (SECRET, true)] {
        let (_dir, file) = file(kept);
        let secret = TokenKey::Kept(file).secret();
        assert_eq!(secret.is_ok(), works, "{kept:?}: {secret:?}");
    }
    let not_made_yet = TokenKey::Kept("/nowhere/secret".into());
    assert_eq!(not_made_yet.secret().unwrap(), None);
}

#[test]
fn one_service_that_is_set_makes_a_cluster() {
    for env in [
        ("STARLING_MONGODB_URI", "mongodb://127.0.0.1:27017/starling"),
        ("STARLING_REDIS_URL", "redis://127.0.0.1:6379"),
        ("REDIS_HOST", "127.0.0.1"),
    ] {
        let settings = Settings::load(&alone(&with_secret(&[env]))).unwrap().settings;
        assert_eq!(
            cluster(&settings).mongodb_uri,
            "mongodb://127.0.0.1:27017/starling"
        );
        assert_eq!(cluster(&settings).redis_url, "redis://127.0.0.1:6379");
        assert!(!settings.development, "{env:?}");
    }
}
