//! What a user types as a secret stays away from the page: its HTML, its storage, its console, and what the app says.

use culvert_tests::Fixture;
use culvert_tests::desktop::{Keyring, User, WebDriver, keys};

/// Keeps whatever the page's console is told from now on, and every answer that the page is given over HTTP, which is how
/// the back end answers it.
const RECORD: &str = r#"
    window.__kept = [];
    for (const level of ['log', 'info', 'warn', 'error', 'debug', 'trace']) {
      const before = console[level];
      console[level] = (...words) => {
        window.__kept.push(words.map((word) => { try { return JSON.stringify(word) ?? String(word); } catch { return String(word); } }).join(' '));
        before.apply(console, words);
      };
    }
    window.addEventListener('error', (event) => window.__kept.push(String(event.message)));
    const ask = window.fetch;
    window.__answers = 0;
    window.fetch = async (...what) => {
      const answer = await ask(...what);
      window.__answers += 1;
      answer.clone().text().then((text) => window.__kept.push(text), () => {});
      return answer;
    };
    return true;
"#;

/// All that the page has: its HTML, the values of its fields, its storage, its address, and what was kept.
const EVERYTHING: &str = r#"
    const fields = [...document.querySelectorAll('input, textarea, select')].map((field) => field.value);
    const stored = (storage) => Object.entries(storage).flat();
    return JSON.stringify([document.documentElement.outerHTML, fields, stored(localStorage), stored(sessionStorage),
      document.cookie, location.href, window.__kept, performance.getEntriesByType('resource').map((each) => each.name)]);
"#;

async fn has_no(web: &WebDriver, secret: &str, when: &str) {
    let all = web.script(EVERYTHING, &[]).await.to_string();
    assert!(all.len() > 1000, "the page was read: {all}");
    assert!(!all.contains(secret), "{when}, the page has the secret:\n{all}");
}

#[tokio::test]
async fn what_is_typed_as_a_secret_is_nowhere_in_the_page_afterwards() {
    let (mut user, server) = (User::new().await, Fixture::default());
    user.desktop.keyring(Keyring::Open).await;
    let token = user.token.clone();
    let web = WebDriver::start(&user.desktop, &[]).await;
    web.shows("Nothing is shared yet.").await;
    web.script(RECORD, &[]).await;
    web.choose("button \"Add a server").await;
    web.focus_on("textbox \"Name\"").await;
    web.write("bird").await;
    web.fill(&[("Command line", &server.command()), ("Gateway’s address", &user.gateway.url), ("New token", &token)])
        .await;
    web.choose("button \"Save and connect\"").await;
    web.shows("Online for").await;
    user.calls("bird").await;
    assert!(web.script("return window.__answers", &[]).await.as_u64() > Some(3), "answers were listened to");
    has_no(&web, &token, "once it is online").await;
    web.tab_to("tab \"").await;
    web.press_to(keys::RIGHT, "tab \"Edit\"").await;
    web.tab_to("textbox \"Name\"").await;
    has_no(&web, &token, "when it is edited").await;

    let process = web.processes().processes();
    let app = process.iter().find(|process| process.command.contains("culvert-desktop")).expect("the app runs");
    for file in ["cmdline", "environ"] {
        let text = std::fs::read(format!("/proc/{}/{file}", app.pid)).unwrap();
        assert!(!String::from_utf8_lossy(&text).contains(&token), "{file} of the app");
    }
    assert!(!web.processes().words().contains(&token), "what the app logged");
    assert_eq!(user.files_with(&token), Vec::<std::path::PathBuf>::new(), "only the keychain has it");
    web.quit().await;
}
