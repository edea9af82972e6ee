//! Phone numbers, as E.164 has them.

use std::fmt;
use std::sync::Arc;

use phonenumber::Mode;
use starling_protocol::limits::MAX_PHONE_BYTES;

/// A number that exists by its country's plan, in E.164: `+491512…`. Construction checks it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Phone(Arc<str>);

/// What was given is no phone number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`phone` must be a valid phone number with its country's code, such as +4915123456789")]
pub struct NotAPhone;

impl Phone {
    /// Reads a number as people write it: with `+` and the country's code, and perhaps spaces, dots, hyphens, slashes
    /// and brackets.
    ///
    /// # Errors
    /// [`NotAPhone`].
    pub fn new(text: &str) -> Result<Self, NotAPhone> {
        // The library takes letters, extensions and parameters, too; here a number has one spelling of its digits.
        let text = text.trim();
        let is_filler = |c: char| matches!(c, ' ' | '.' | '-' | '/' | '(' | ')' | '\u{a0}');
        let digits: String = text.chars().filter(|c| !is_filler(*c)).collect();
        let plausible = text.len() <= MAX_PHONE_BYTES
            && digits.strip_prefix('+').is_some_and(|rest| {
                (4..=15).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_digit())
            });
        if !plausible {
            return Err(NotAPhone);
        }
        let number = phonenumber::parse(None, &digits).map_err(|_| NotAPhone)?;
        if !number.is_valid() {
            return Err(NotAPhone);
        }
        Ok(Self(number.format().mode(Mode::E164).to_string().into()))
    }

    /// One that was checked before it was stored.
    pub fn from_stored(e164: &str) -> Self {
        Self(e164.into())
    }

    /// In E.164.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Phone {
    /// Numbers are people's own business: logs get the country and the last two digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (head, tail) = (&self.0[..self.0.len().min(3)], self.0.len().saturating_sub(2));
        write!(f, "{head}…{}", &self.0[tail..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_spelling() {
        for text in [
            "+4915123456789",
            "+49 1512 3456789",
            " +49 (1512) 345-67.89 ",
            "+49/1512/3456789",
        ] {
            assert_eq!(Phone::new(text).unwrap().as_str(), "+4915123456789", "{text}");
        }
        assert_eq!(Phone::new("+1 (415) 555-2671").unwrap().as_str(), "+14155552671");
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in [
            "",
            "+",
            "015123456789",
            "4915123456789",
            "+49",
            "+0015123456789",
            "+999123456789",
            "+49151234567890123456",
            "+1 555 CALL NOW",
            "+4915123456789;ext=5",
            "+49 1512 3456789 x5",
            "tel:+4915123456789;phone-context=+1",
            "+٤٩١٥١٢٣٤٥٦٧٨٩",
            "++4915123456789",
            "+12",
            "+1 000 000 0000",
        ] {
            assert_eq!(Phone::new(text), Err(NotAPhone), "{text:?}");
        }
    }

    #[test]
    fn a_number_is_not_shown_whole() {
        let shown = format!("{:?}", Phone::new("+4915123456789").unwrap());
        assert_eq!(shown, "+49…89");
    }
}
