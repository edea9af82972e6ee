//! Leaves passwords out of what is printed.

const MASK: &str = "***";

/// The URL without the passwords in it: in `user:password@`, and in options named after secrets. Rather too much
/// is left out than too little: a password that holds an unescaped `/` or `@` goes whole.
pub(crate) fn without_passwords(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return MASK.to_owned();
    };
    let (address, query) = match rest.rsplit_once('@') {
        // A `?` in a password is not the beginning of the options.
        Some((user, after)) => {
            let user = user
                .split_once(':')
                .map_or(user.to_owned(), |(name, _)| format!("{name}:{MASK}"));
            let (host, query) = split_query(after);
            (format!("{user}@{host}"), query)
        }
        None => {
            let (host, query) = split_query(rest);
            (host.to_owned(), query)
        }
    };
    let query = query.map_or_else(String::new, |query| {
        let options: Vec<_> = query.split('&').map(option).collect();
        format!("?{}", options.join("&"))
    });
    format!("{scheme}://{address}{query}")
}

/// Where the URL leads to, and that there is more of it.
pub(crate) fn origin_only(url: &str) -> String {
    let masked = without_passwords(url);
    let Some((scheme, rest)) = masked.split_once("://") else {
        return masked;
    };
    match rest.split_once(['/', '?', '#']) {
        Some((host, after)) if !after.is_empty() => format!("{scheme}://{host}/{MASK}"),
        _ => masked,
    }
}

fn split_query(text: &str) -> (&str, Option<&str>) {
    text.split_once('?')
        .map_or((text, None), |(before, query)| (before, Some(query)))
}

fn option(option: &str) -> String {
    let Some((name, _)) = option.split_once('=') else {
        return option.to_owned();
    };
    let lower = name.to_lowercase();
    // authMechanismProperties may carry an AWS session token.
    let secret = ["pass", "secret", "token", "mechanismproperties", "key"]
        .iter()
        .any(|word| lower.contains(word));
    if secret {
        format!("{name}={MASK}")
    } else {
        option.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_left_out_of_urls() {
        for (url, shown) in [
            ("redis://127.0.0.1:6379", "redis://127.0.0.1:6379"),
            ("redis://:hunter2@redis:6379/1", "redis://:***@redis:6379/1"),
            ("redis://user:hunter2@redis:6379", "redis://user:***@redis:6379"),
            ("redis://user@redis", "redis://user@redis"),
            (
                "mongodb://u:p%40@a:1,b:2/db?replicaSet=rs0",
                "mongodb://u:***@a:1,b:2/db?replicaSet=rs0",
            ),
            (
                "mongodb://u:p/?&x@y@a/db?tls=true",
                "mongodb://u:***@a/db?tls=true",
            ),
            (
                "mongodb://a/db?tlsCertificateKeyFilePassword=x&w=1",
                "mongodb://a/db?tlsCertificateKeyFilePassword=***&w=1",
            ),
            ("hunter2", "***"),
        ] {
            assert_eq!(without_passwords(url), shown);
        }
    }

    #[test]
    fn of_a_webhook_only_the_host_is_shown() {
        for (url, shown) in [
            ("https://hooks.example", "https://hooks.example"),
            ("https://hooks.example/", "https://hooks.example/"),
            ("https://hooks.example/T0/hunter2", "https://hooks.example/***"),
            (
                "https://hooks.example:8443?key=hunter2",
                "https://hooks.example:8443/***",
            ),
            (
                "https://u:hunter2@hooks.example/a",
                "https://u:***@hooks.example/***",
            ),
            (
                "https://u:hunter2/x@hooks.example/a",
                "https://u:***@hooks.example/***",
            ),
            ("hunter2", "***"),
        ] {
            assert_eq!(origin_only(url), shown);
        }
    }
}
