//! MCP's Inspector by its command line: it lists and calls, one request a run, or many with `--load`.

use std::time::Duration;

use culvert_tests::CulvertCommand;
use culvert_tests::culvert::Finished;
use culvert_tests::peers::peer;
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct Inspector<'a> {
    pub(crate) url: &'a str,
    pub(crate) token: &'a str,
    /// `legacy`, `auto` or `modern`.
    pub(crate) era: &'static str,
}

impl Inspector<'_> {
    /// What it prints, which is a result of MCP.
    pub(crate) async fn shows(&self, arguments: &[&str]) -> Value {
        let finished = self.run(arguments).await;
        assert_eq!(finished.code, Some(0), "{finished:#?}");
        serde_json::from_str(&finished.out.join("\n")).unwrap_or_else(|error| panic!("{error}: {finished:#?}"))
    }

    /// One call of a tool.
    pub(crate) async fn calls(&self, tool: &str, arguments: &Value) -> Value {
        let arguments = arguments.to_string();
        self.shows(&["--method", "tools/call", "--tool-name", tool, "--tool-args-json", &arguments]).await
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Finished {
        let bearer = format!("Authorization: Bearer {}", self.token);
        CulvertCommand::program(peer("INSPECTOR"))
            .args([
                "--cli",
                self.url,
                "--transport",
                "http",
                "--protocol-era",
                self.era,
                "--header",
                &bearer,
                "--quiet",
            ])
            .args(arguments)
            .start()
            .end_within(PATIENCE)
            .await
    }
}
