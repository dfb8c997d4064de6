//! `ui/src/types.ts` is written from the types in here. `CULVERT_WRITE_TYPES=1` writes it; without, it is compared.

use std::path::Path;

use ts_rs::{Config, TS};

use super::*;

/// One type as TypeScript, with its first line of documentation. That of its members stays with the Rust type.
fn exported<T: TS>() -> String {
    let config = Config::new().with_large_int("number");
    let docs = T::docs().unwrap_or_default();
    let about: Vec<_> =
        docs.lines().map(|line| line.trim_start_matches([' ', '/', '*'])).filter(|line| !line.is_empty()).collect();
    let mut declared = T::decl(&config);
    while let (Some(from), Some(to)) = (declared.find("/**"), declared.find("*/")) {
        declared.replace_range(from..to + 2, "");
    }
    let declared = declared.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("/** {} */\nexport {}\n", about.join(" "), declared.replace(", }", " }"))
}

macro_rules! types {
    ($($name:ident),* $(,)?) => { [$(exported::<$name>()),*].join("\n") };
}

#[test]
fn the_windows_types_are_these() {
    let types = types![
        ProfileId,
        Time,
        Switch,
        Explained,
        Mark,
        ServerState,
        Transport,
        Status,
        Process,
        Tunnel,
        TokenPlace,
        Token,
        WholeCommand,
        ShownPair,
        Problem,
        Calls,
        Profile,
        ProfileFile,
        Gateway,
        Keychain,
        Tray,
        Settings,
        World,
        Platform,
        Facts,
        Place,
        Say,
        Event,
        Tools,
        Preset,
        Tool,
        Effect,
        ToolState,
        Decided,
        ToolChange,
        ToolPart,
        ToolsWish,
        ToolDecision,
        Decision,
        Outcome,
        Call,
        LogLine,
        Typed,
        SecretField,
        PairValue,
        Pair,
        LocalServer,
        ForwardAuth,
        GatewayField,
        OptionKey,
        Start,
        Label,
        ToolsField,
        Draft,
        Field,
        Severity,
        Finding,
        FoundBy,
        FoundProgram,
        Checked,
        OnBroken,
        Saved,
        StepState,
        TestStep,
        Visibility,
        Need,
        Presence,
        FoundServer,
        FoundSource,
        Pick,
        Refusal,
        Imported,
        Client,
        Copied,
    ];
    let head = "// What the window and the back end tell each other. Written from the types in crates/app/src/shown by its\n\
                // tests (CULVERT_WRITE_TYPES=1): change it there.\n\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ui/src/types.ts");
    let text = format!("{head}{types}");
    if std::env::var_os("CULVERT_WRITE_TYPES").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert!(std::fs::read_to_string(&path).unwrap() == text, "run this test again with CULVERT_WRITE_TYPES=1");
}
