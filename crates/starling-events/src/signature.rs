//! How a webhook's receiver tells who sent what it got.

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// `t=SECONDS,v1=HEX`: HMAC-SHA256 over `SECONDS.BODY`. `at` is in seconds since the Unix epoch.
pub fn signature(secret: &str, at: u64, body: &str) -> String {
    let mut mac = match Hmac::<Sha256>::new_from_slice(secret.as_bytes()) {
        Ok(mac) => mac,
        Err(_) => unreachable!("HMAC takes keys of any length"),
    };
    mac.update(format!("{at}.{body}").as_bytes());
    format!("t={at},v1={}", HEXLOWER.encode(&mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_any_other_implementation() {
        // printf '1.{}' | openssl dgst -sha256 -hmac 'a secret'
        let expected = "t=1,v1=24ef17698b84b4edea60c6cc9accd86b3cf3f3b23bbc30f4fb1c3f3ca863f4bb";
        assert_eq!(signature("a secret", 1, "{}"), expected);
    }
}
