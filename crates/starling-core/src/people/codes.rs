//! Asking for a code, and showing it.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use rand::RngExt;
use starling_protocol::{CodeRequest, CodeSent, Error, ErrorCode};

use super::{People, Phone, invalid};
use crate::chance;
use crate::ports::{CodeSender, Quota, TokenIssuer};

/// Tries from one address for each code that may be asked for from it.
const TRIES_PER_CODE: u32 = 5;

/// What signing in by phone needs.
pub(super) struct ByPhone<'a> {
    pub(super) sender: &'a Arc<dyn CodeSender>,
    pub(super) issuer: &'a Arc<dyn TokenIssuer>,
}

impl People {
    /// Sends a code to a phone number. The answer is the same whether the number is known or not.
    ///
    /// # Errors
    /// `invalid`; `rate_limited`, by number and by address; `forbidden` where nobody signs in by phone; `unavailable`
    /// where the code could not be sent.
    pub async fn send_code(&self, request: &CodeRequest, from: IpAddr) -> Result<CodeSent, Error> {
        let sender = self.by_phone()?.sender;
        request.check()?;
        let phone = parse(&request.phone)?;
        let settings = &self.shared.settings.people;
        self.spend("code_from", &network(from), settings.codes_per_address)
            .await?;
        self.spend("code_to", phone.as_str(), settings.codes_per_phone)
            .await?;
        let known = &self.shared.people;
        let code = format!("{:06}", chance::draw(|rng| rng.random_range(0..1_000_000_u32)));
        let subject = known.keys.subject("code", phone.as_str());
        let digest = known.keys.code(&phone, &code);
        let ports = &self.shared.ports.people;
        ports.codes.put(&subject, &digest, settings.code_life).await?;
        let sent = sender.send(&phone, &code, settings.code_life).await;
        let outcome = if sent.is_ok() { "sent" } else { "failed" };
        metrics::counter!("starling_codes_total", "outcome" => outcome).increment(1);
        if let Err(unavailable) = sent {
            tracing::warn!(%unavailable, ?phone, "a code was not sent");
            return Err(Error::new(
                ErrorCode::Unavailable,
                "the code could not be sent now",
            ));
        }
        Ok(CodeSent {
            expires_in: settings.code_life.as_secs(),
            code: settings.code_in_answer.then_some(code),
        })
    }

    /// Whether this is the code that was sent to the number; counts as one try. Does not use it up.
    pub(super) async fn try_code(&self, phone: &Phone, code: &str, from: IpAddr) -> Result<(), Error> {
        let settings = &self.shared.settings.people;
        let codes = settings.codes_per_address;
        let tries = Quota {
            each: codes.each / TRIES_PER_CODE,
            burst: codes.burst.saturating_mul(TRIES_PER_CODE),
        };
        self.spend("try_from", &network(from), tries).await?;
        let keys = &self.shared.people.keys;
        let subject = keys.subject("code", phone.as_str());
        let codes = &self.shared.ports.people.codes;
        let digest = codes.attempt(&subject, settings.code_tries).await?;
        if digest.is_some_and(|digest| keys.is_code(&digest, phone, code)) {
            return Ok(());
        }
        metrics::counter!("starling_sign_ins_total", "outcome" => "wrong_code").increment(1);
        Err(wrong_code())
    }

    /// Uses the code up; of several at the same time one gets it.
    pub(super) async fn use_code(&self, phone: &Phone, code: &str) -> Result<(), Error> {
        let keys = &self.shared.people.keys;
        let (subject, digest) = (keys.subject("code", phone.as_str()), keys.code(phone, code));
        if self.shared.ports.people.codes.consume(&subject, &digest).await? {
            Ok(())
        } else {
            Err(wrong_code())
        }
    }

    /// The ports for it, where nodes have them.
    pub(super) fn by_phone(&self) -> Result<ByPhone<'_>, Error> {
        let ports = &self.shared.ports.people;
        match (&ports.sender, &ports.issuer) {
            (Some(sender), Some(issuer)) => Ok(ByPhone { sender, issuer }),
            _ => Err(Error::new(
                ErrorCode::Forbidden,
                "nobody signs in by phone here: bring a token of the application's issuer",
            )),
        }
    }
}

pub(super) fn parse(phone: &str) -> Result<Phone, Error> {
    Phone::new(phone).map_err(|error| invalid(error.to_string()))
}

/// A code that is void, or was used by someone else, is no better than a wrong one.
fn wrong_code() -> Error {
    Error::new(
        ErrorCode::WrongCode,
        "the code is wrong, too old, or was tried too often: ask for a new one",
    )
}

/// An IPv4 address, or the /64 in which whoever has one IPv6 address has them all.
fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_household_count_as_one() {
        for (address, counted) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ] {
            assert_eq!(network(address.parse().unwrap()), counted);
        }
    }
}
