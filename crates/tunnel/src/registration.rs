//! What a gateway's answer to `register` means: yes, no, or not now.

use culvert_protocol::{Cause, limits};

/// How a registration that was turned down is to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A reason that no second try changes: an HTTP status from 400 to 499.
    Final(String),
    /// A reason was stated. Once it may be chance, twice it is meant.
    Stated(String),
    /// Nothing was said but that it failed: the gateway's own trouble.
    Bare(String),
    /// It did not come to an end.
    Overdue,
}

/// Bare failures in a row after which the gateway counts as refusing.
const BARE_LIMIT: u32 = 5;

/// Stated refusals in a row after which they are believed.
const STATED_LIMIT: u32 = 2;

impl Refusal {
    /// Sorts a gateway's words.
    pub(crate) fn of(words: &str) -> Self {
        let reason = culvert_protocol::text::clean(words, 300);
        let plain = reason.to_ascii_lowercase();
        let plain = plain.trim_end_matches(['.', '!']);
        if plain.is_empty()
            || matches!(plain, "registration failed" | "error" | "internal error" | "internal server error")
        {
            return Self::Bare(if reason.is_empty() { "it gave no reason".to_owned() } else { reason });
        }
        if names_client_error(&reason) { Self::Final(reason) } else { Self::Stated(reason) }
    }
}

/// Whether a status from 400 to 499 stands in the words as a number of its own; 408 and 429 ask for patience.
fn names_client_error(reason: &str) -> bool {
    reason
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter_map(|word| (word.len() == 3).then(|| word.parse::<u16>().ok()).flatten())
        .any(|status| (400..500).contains(&status) && !matches!(status, 408 | 429))
}

/// Counts refusals over the tries.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    bare: u32,
    stated: u32,
}

impl Refusals {
    /// The cause that a refusal amounts to, after those before it.
    pub(crate) fn cause(&mut self, refusal: Refusal) -> Cause {
        match refusal {
            Refusal::Final(reason) => Cause::RegisterRefused { reason },
            Refusal::Stated(reason) => {
                self.stated += 1;
                self.bare = 0;
                if self.stated >= STATED_LIMIT {
                    Cause::RegisterRefused { reason }
                } else {
                    Cause::RegisterFailed { reason }
                }
            }
            Refusal::Bare(reason) => {
                self.bare += 1;
                self.stated = 0;
                if self.bare >= BARE_LIMIT {
                    Cause::RegisterRefused { reason: format!("{reason} ({BARE_LIMIT} times in a row)") }
                } else {
                    Cause::RegisterFailed { reason }
                }
            }
            Refusal::Overdue => Cause::RegisterTimeout { after: limits::REGISTER_TIMEOUT },
        }
    }

    /// A registration went well.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use culvert_protocol::Explain as _;

    #[test]
    fn a_client_error_is_final_at_once() {
        for words in ["HTTP 409 Conflict", "422: name is taken", "status=403"] {
            assert_eq!(Refusals::default().cause(Refusal::of(words)).code(), "register.refused", "{words}");
        }
        for words in ["429 Too Many Requests", "503 busy", "took 4000 ms", "in row 404a"] {
            assert_eq!(Refusals::default().cause(Refusal::of(words)).code(), "register.failed", "{words}");
        }
    }

    #[test]
    fn a_stated_reason_is_believed_the_second_time() {
        let mut refusals = Refusals::default();
        let codes = [(); 2].map(|()| refusals.cause(Refusal::of("name is reserved")).code());
        assert_eq!(codes, ["register.failed", "register.refused"]);
    }

    #[test]
    fn a_bare_failure_is_the_gateways_trouble_four_times() {
        let mut refusals = Refusals::default();
        let codes: Vec<_> = (0..5).map(|_| refusals.cause(Refusal::of("Registration failed")).code()).collect();
        assert_eq!(codes[..4], ["register.failed"; 4]);
        assert_eq!(codes[4], "register.refused");
        refusals.forget();
        assert_eq!(refusals.cause(Refusal::of("")).code(), "register.failed");
    }
}
