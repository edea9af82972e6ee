use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::{SECRET, run, starling};

#[test]
fn it_refuses_to_start_with_bad_settings_and_says_all_that_is_wrong() {
    let env = [
        ("STARLING_LISTEN", "nowhere"),
        ("STARLING_LOG_FROMAT", "json"),
        ("STARLING_TOKEN_SECRET", "hunter2"),
        ("STARLING_DEVELOPMENT", "false"),
    ];
    for args in [&[][..], &["serve"], &["config"], &["token", "--user", "alice"]] {
        let ended = run(args, &env);
        assert_eq!(ended.code, Some(2), "{args:?}: {}", ended.err);
        assert_eq!(ended.out, "");
        for sentence in [
            "STARLING_LOG_FROMAT",
            "STARLING_LOG_FORMAT",
            "must be an IP address",
            "7 bytes",
        ] {
            assert!(ended.err.contains(sentence), "{sentence}: {}", ended.err);
        }
        assert!(!ended.err.contains("hunter2"), "a secret is shown: {}", ended.err);
    }
}

#[test]
fn unknown_commands_and_options_are_refused() {
    for args in [
        &["fly"][..],
        &["serve", "--fast"],
        &["token"],
        &["token", "--user", ""],
        &["secret"],
        &["admin"],
    ] {
        assert_eq!(run(args, &[]).code, Some(2), "{args:?}");
    }
}

#[test]
fn config_prints_the_effective_settings_of_file_and_environment() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("starling.toml");
    fs::write(&file, "node_id = 'filed'\nredis_url = 'redis://:hunter2@cache'").unwrap();
    let file = file.to_str().unwrap();
    let env = [
        ("STARLING_TOKEN_SECRET", SECRET),
        ("SERVER_ID", "seed"),
        ("STARLING_SEND_BURST", ""),
    ];
    let by_variable = [&env[..], &[("STARLING_CONFIG", file)]].concat();
    for ended in [
        run(&["config", "--config", file], &env),
        run(&["--config", file, "config"], &env),
        run(&["config"], &by_variable),
    ] {
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        assert!(
            ended.out.contains("node_id = \"seed\"  # SERVER_ID\n"),
            "{}",
            ended.out
        );
        assert!(
            ended
                .out
                .contains(&format!("redis_url = \"redis://:***@cache\"  # {file}\n")),
            "{}",
            ended.out
        );
        assert!(
            ended.out.contains("send_burst = 100  # default\n"),
            "an empty variable is one that is not set"
        );
        assert!(
            !ended.out.contains("hunter2") && !ended.out.contains(SECRET),
            "{}",
            ended.out
        );
    }
}

#[test]
fn token_prints_a_token_and_nothing_else() {
    let env = [
        ("STARLING_TOKEN_SECRET", SECRET),
        ("STARLING_TOKEN_ISSUER", "login"),
    ];
    let ended = run(
        &["token", "--user", "alice", "--name", "Alice", "--ttl", "60"],
        &env,
    );
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    let parts: Vec<_> = ended.out.trim_end().split('.').collect();
    assert_eq!((parts.len(), ended.out.lines().count()), (3, 1), "{}", ended.out);
    let claims = data_encoding::BASE64URL_NOPAD
        .decode(parts[1].as_bytes())
        .unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(
        (&claims["sub"], &claims["name"], &claims["iss"]),
        (&"alice".into(), &"Alice".into(), &"login".into())
    );
    assert_eq!(
        claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(),
        60
    );
}

#[test]
fn token_mints_an_administrators() {
    let env = [("STARLING_TOKEN_SECRET", SECRET)];
    for (flag, scope) in [(None, serde_json::Value::Null), (Some("--admin"), "admin".into())] {
        let args: Vec<_> = ["token", "--user", "ops"].into_iter().chain(flag).collect();
        let ended = run(&args, &env);
        let claims = ended.out.trim_end().split('.').nth(1).unwrap();
        let claims = data_encoding::BASE64URL_NOPAD.decode(claims.as_bytes()).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!(claims["scope"], scope);
    }
}

#[test]
fn token_cannot_mint_without_a_secret() {
    let ended = run(
        &["token", "--user", "alice"],
        &[
            ("STARLING_DEVELOPMENT", "true"),
            ("STARLING_REDIS_URL", "redis://127.0.0.1"),
        ],
    );
    assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""));
    assert!(ended.err.contains("STARLING_TOKEN_SECRET"), "{}", ended.err);
}

#[test]
fn secret_makes_a_file_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secret");
    let args = ["secret", "--file", path.to_str().unwrap()];
    let ended = run(&args, &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let secret = fs::read_to_string(&path).unwrap();
    assert_eq!(secret.trim_end().len(), 64);
    assert!(secret.trim_end().chars().all(|c| c.is_ascii_hexdigit()));
    assert!(!ended.out.contains(secret.trim_end()), "the secret is shown");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    assert_eq!(run(&args, &[]).code, Some(0), "again");
    assert_eq!(fs::read_to_string(&path).unwrap(), secret);
    let env = [("STARLING_TOKEN_SECRET_FILE", path.to_str().unwrap())];
    assert_eq!(
        run(&["token", "--user", "alice"], &env).code,
        Some(0),
        "and it is strong enough"
    );
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        1,
        "nothing else is left behind"
    );
}

#[test]
fn many_that_make_the_secret_at_once_end_up_with_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secret");
    let args = ["secret", "--file", path.to_str().unwrap()];
    let started: Vec<_> = (0..8)
        .map(|_| {
            starling(&args, &[])
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let said: Vec<_> = started
        .into_iter()
        .map(|child| {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success());
            String::from_utf8(output.stdout).unwrap()
        })
        .collect();
    assert_eq!(
        said.iter().filter(|said| said.contains("new secret")).count(),
        1,
        "{said:?}"
    );
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn secret_says_what_it_cannot_do() {
    let ended = run(&["secret", "--file", "/nowhere/secret"], &[]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("cannot make /nowhere/secret"), "{}", ended.err);
}
