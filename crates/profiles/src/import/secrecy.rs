//! Values that look secret, by the name that they have or by their form. Better one too many: it then lies in the
//! keychain instead of a file.

/// Words of a name that make its value a secret.
const WORDS: [&str; 20] = [
    "token",
    "secret",
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "pass",
    "key",
    "apikey",
    "auth",
    "authorization",
    "bearer",
    "credential",
    "credentials",
    "pat",
    "cookie",
    "session",
    "jwt",
    "dsn",
    "signature",
];

/// Endings of names without gaps, such as `GITHUBTOKEN`.
const ENDINGS: [&str; 6] = ["token", "secret", "password", "apikey", "passwd", "accesskey"];

/// Last words of names whose values say where or what something is, not what must not be seen.
const HARMLESS: [&str; 14] = [
    "path",
    "file",
    "dir",
    "directory",
    "folder",
    "url",
    "uri",
    "host",
    "id",
    "name",
    "type",
    "method",
    "mode",
    "region",
];

/// Beginnings that only tokens have.
const BEGINNINGS: [&str; 31] = [
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "sk-",
    "sk_live_",
    "sk_test_",
    "rk_live_",
    "pk_live_",
    "xoxb-",
    "xoxp-",
    "xoxa-",
    "xoxs-",
    "xapp-",
    "ya29.",
    "hf_",
    "npm_",
    "pypi-",
    "dop_v1_",
    "shpat_",
    "lin_api_",
    "ntn_",
    "tvly-",
    "figd_",
    "dckr_pat_",
    "Bearer ",
    "Basic ",
    "-----BEGIN ",
];

/// The shortest text that counts as random, in characters.
const SHORTEST_RANDOM: usize = 24;

/// Whether a value with this name looks like one that others must not see: by its name or by its form.
pub fn looks_secret(name: &str, value: &str) -> bool {
    let value = value.trim();
    if value.is_empty() || is_plain(value) {
        return false;
    }
    is_secrets_name(name) || looks_like_token(value)
}

/// Whether the name alone says so.
pub(crate) fn is_secrets_name(name: &str) -> bool {
    let words = words(name);
    match words.last() {
        Some(last) if HARMLESS.contains(&last.as_str()) => false,
        Some(last) if words.iter().any(|word| word == "public") && last == "key" => false,
        _ => {
            words.iter().any(|word| WORDS.contains(&word.as_str()))
                || words.last().is_some_and(|last| ENDINGS.iter().any(|ending| last.ends_with(ending)))
        }
    }
}

/// Whether the form alone says so.
pub(crate) fn looks_like_token(value: &str) -> bool {
    let value = value.trim();
    BEGINNINGS.iter().any(|beginning| value.len() > beginning.len() + 3 && value.starts_with(beginning))
        || is_aws_key(value)
        || is_jwt(value)
        || has_password(value)
        || is_random(value)
}

/// Numbers and switches: `MAX_TOKENS=4096`, `AUTH=true`.
fn is_plain(value: &str) -> bool {
    value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && value.len() < 10
        || matches!(
            value.to_ascii_lowercase().as_str(),
            "true" | "false" | "yes" | "no" | "on" | "off" | "none" | "null"
        )
}

/// `AKIA` or `ASIA` and 16 capitals and digits; Google's `AIza` and 35 more.
fn is_aws_key(value: &str) -> bool {
    let capitals =
        |rest: &str| rest.len() == 16 && rest.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    ["AKIA", "ASIA"].iter().filter_map(|beginning| value.strip_prefix(beginning)).any(capitals)
        || (value.starts_with("AIza") && value.len() == 39)
}

fn is_jwt(value: &str) -> bool {
    value.starts_with("eyJ") && value.split('.').count() == 3
}

/// `scheme://user:password@host`.
fn has_password(value: &str) -> bool {
    let Some((_, rest)) = value.split_once("://") else { return false };
    let authority = rest.split('/').next().unwrap_or(rest);
    authority
        .rsplit_once('@')
        .and_then(|(user, _)| user.split_once(':'))
        .is_some_and(|(_, password)| !password.is_empty())
}

/// Long, of one word, with letters and digits, and without much repetition: hexadecimal or base 64 of something. Paths,
/// versions and UUIDs, which name things, are none.
fn is_random(value: &str) -> bool {
    let is_of_one_word =
        value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+' | b'=' | b'/'));
    let is_path = value.starts_with(['/', '.', '~']) || value.matches('/').count() > 2;
    let is_uuid = uuid::Uuid::try_parse(value).is_ok();
    let (digits, letters) = value.bytes().fold((0, 0), |(digits, letters), byte| {
        (digits + usize::from(byte.is_ascii_digit()), letters + usize::from(byte.is_ascii_alphabetic()))
    });
    // Words with a number behind them have few digits; random text has one in six or more.
    let is_mixed = letters > 0 && digits * 8 >= value.len();
    let is_hex = value.bytes().all(|byte| byte.is_ascii_hexdigit());
    let least = if is_hex { 3.0 } else { 3.5 };
    value.len() >= SHORTEST_RANDOM && is_of_one_word && !is_path && !is_uuid && is_mixed && entropy(value) >= least
}

/// Shannon's entropy in bits for each character.
fn entropy(value: &str) -> f64 {
    let mut counts = [0_u32; 256];
    value.bytes().for_each(|byte| counts[usize::from(byte)] += 1);
    let all = value.len() as f64;
    let share = |count: u32| f64::from(count) / all;
    counts.into_iter().filter(|count| *count > 0).map(|count| -share(count) * share(count).log2()).sum()
}

/// The words of a name, in lower case: `GitHubToken`, `GITHUB_TOKEN` and `github-token` have the same.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && was_lower) {
            words.push(String::new());
        }
        was_lower = c.is_lowercase() || c.is_ascii_digit();
        if let Some(word) = words.last_mut().filter(|_| c.is_alphanumeric()) {
            word.extend(c.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_tell() {
        for name in [
            "GITHUB_TOKEN",
            "apiKey",
            "X-Api-Key",
            "DB_PASSWORD",
            "Authorization",
            "OPENAIAPIKEY",
            "AWS_SECRET_ACCESS_KEY",
        ] {
            assert!(looks_secret(name, "hunter2"), "{name}");
        }
        for (name, value) in [
            ("MAX_TOKENS", "4096"),
            ("USE_AUTH", "true"),
            ("AUTHOR", "ann"),
            ("SSH_KEY_PATH", "/home/ann/.ssh/id"),
            ("GOOGLE_APPLICATION_CREDENTIALS_FILE", "x.json"),
            ("KEYBOARD", "de"),
            ("PUBLIC_KEY", "hunter2"),
            ("CLIENT_ID", "abc"),
            ("API_KEY", ""),
        ] {
            assert!(!looks_secret(name, value), "{name}");
        }
    }

    #[test]
    fn forms_tell() {
        for value in [
            concat!("gh", "p_16C7e42F292c6912E7710c838347Ae178B4a"),
            concat!("sk", "-proj-abc123"),
            concat!("AKIA", "IOSFODNN7EXAMPLE"),
            concat!("eyJ", "hbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln"),
            "postgres://ann:hunter2@db/x",
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "Bearer hunter2",
        ] {
            assert!(looks_secret("X", value), "{value}");
        }
        for value in [
            "/usr/local/share/some-long-folder-name-2024/x1",
            "@modelcontextprotocol/server-filesystem",
            "6f6b2c1e-0d5c-4a3e-9d2f-3a1b5c7d9e0f",
            "https://gateway.example.com/a/long/path/12345678",
            "postgres://db/x",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaa1111",
            "the-quick-brown-fox-jumps-over-the-lazy-dog",
            "sk-",
        ] {
            assert!(!looks_secret("X", value), "{value}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(name in any::<String>(), value in any::<String>()) {
            looks_secret(&name, &value);
        }
    }
}
