//! Each file by itself, as linters and the tools' own parsers see it.

use std::fs;
use std::process::Command;

use culvert_tests::built;
use culvert_tests::peers::peer;

use super::{all, content, folder, text};

/// Long lines are for people with wide windows; the rest is yamllint's usual.
const YAMLLINT: &str = "{extends: default, rules: {line-length: {max: 125}, document-start: disable, \
                        comments: {min-spaces-from-content: 1}, truthy: {check-keys: false}}}";

fn those(is_one: impl Fn(&str) -> bool) -> Vec<String> {
    let found: Vec<_> = all().into_iter().filter(|path| is_one(path)).collect();
    assert!(!found.is_empty());
    found
}

fn is_template(path: &str) -> bool {
    path.starts_with("helm/culvert/templates/")
}

#[test]
fn no_file_is_without_a_check() {
    for path in all() {
        let is_checked = match path.split_once('/').unwrap() {
            // By files.rs and containers.rs.
            ("docker", name) => name.starts_with("Dockerfile"),
            ("compose" | "kubernetes", name) => name.ends_with(".yaml"),
            // By chart.rs.
            ("helm", _) => path.starts_with("helm/culvert/"),
            // By files.rs and units.rs.
            ("systemd", name) => name.ends_with(".service") || name == "example.yaml",
            // Below, and by who installs them: tests/package/ for the command line, the app's own tests for the app.
            ("package", name) => name.ends_with(".sh") || name.starts_with("debian/") || name.starts_with("desktop/"),
            // By proxies.rs.
            ("nginx", name) => name == "culvert.conf",
            ("caddy", name) => name == "Caddyfile",
            // By monitoring.rs.
            ("grafana", name) => matches!(name, "tunnels.json" | "gateway.json"),
            ("prometheus", name) => {
                name == "prometheus.yml" || name.ends_with(".rules.yml") || name.ends_with(".test.yml")
            }
            _ => false,
        };
        assert!(is_checked, "nothing reads deploy/{path}");
    }
}

#[test]
fn the_packages_scripts_are_scripts() {
    let is_script = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or_default();
        path.starts_with("package/") && (name.ends_with(".sh") || name.starts_with("post") || name.starts_with("pre"))
    };
    let scripts = those(is_script);
    assert!(scripts.len() >= 5, "{scripts:?}");
    for script in scripts {
        content(Command::new("sh").arg("-n").arg(folder().join(script)));
    }
}

#[test]
fn hadolint_is_content_with_the_dockerfiles() {
    let files = those(|path| path.starts_with("docker/") && !path.ends_with(".dockerignore"));
    content(Command::new(peer("HADOLINT")).current_dir(folder()).args(files));
}

#[test]
fn yamllint_is_content_with_every_yaml_file() {
    let files = those(|path| (path.ends_with(".yaml") || path.ends_with(".yml")) && !is_template(path));
    content(Command::new(peer("YAMLLINT")).current_dir(folder()).args(["--strict", "-d", YAMLLINT]).args(files));
}

#[test]
fn the_manifests_are_kubernetes_own() {
    let files = those(|path| path.starts_with("kubernetes/"));
    content(Command::new(peer("KUBERNETES_VALIDATE")).current_dir(folder()).arg("--strict").args(files));
}

#[test]
fn compose_takes_the_compose_files() {
    for path in those(|path| path.starts_with("compose/")) {
        let yaml = text(&path);
        // The last Compose written in Python, which Debian 12 has, is older than this key.
        let (name, rest) =
            yaml.split_once("\nname: ").map(|(before, after)| (before, after.split_once('\n').unwrap().1)).unwrap();
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("compose.yaml");
        fs::write(&file, format!("{name}\n{rest}")).unwrap();
        let mut compose = Command::new("docker-compose");
        content(
            compose.arg("--file").arg(file).args(["config", "--quiet"]).env("TOKEN", "t").env("HOST", "gw.example.com"),
        );
    }
}

#[test]
fn systemd_takes_the_units_and_calls_them_confined() {
    let scratch = tempfile::tempdir().unwrap();
    for (unit, instance, most) in [
        // How exposed it may be, in tenths of systemd's 10: at 1.5 stands what starts programs of others, at 1.2 the rest.
        ("systemd/culvert@.service", "culvert@demo.service", Some("15")),
        ("systemd/culvert-gateway.service", "culvert-gateway.service", Some("12")),
        ("systemd/user/culvert.service", "culvert.service", None),
    ] {
        let file = scratch.path().join(instance);
        let program = built::culvert().to_str().unwrap();
        fs::write(&file, text(unit).replace("/usr/bin/culvert", program)).unwrap();
        let words = content(Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&file));
        assert_eq!(words.trim(), "", "{unit}");
        if let Some(most) = most {
            let threshold = format!("--threshold={most}");
            content(
                Command::new("systemd-analyze")
                    .args(["security", "--no-pager", "--offline=true", &threshold])
                    .arg(&file),
            );
        }
    }
}

#[test]
fn the_image_needs_no_library_that_its_base_does_not_have() {
    let words = content(Command::new("ldd").arg(built::culvert()));
    let libraries: Vec<_> = words.lines().filter_map(|line| line.split_whitespace().next()).collect();
    // What gcr.io/distroless/cc-debian12 is for: glibc and libgcc.
    let there =
        ["linux-vdso", "libc.so", "libm.so", "libgcc_s.so", "libdl.so", "libpthread.so", "librt.so", "ld-linux"];
    for library in libraries {
        assert!(there.iter().any(|known| library.contains(known)), "{library} is not in the image:\n{words}");
    }
}

#[test]
fn the_build_gets_every_member_of_the_workspace() {
    let ignored = text("docker/Dockerfile.dockerignore");
    let kept: Vec<_> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    let manifest = fs::read_to_string(folder().join("../Cargo.toml")).unwrap();
    let members = manifest.lines().find_map(|line| line.strip_prefix("members = ")).unwrap();
    let members: Vec<String> = serde_json::from_str(members).unwrap();
    for member in members {
        let member = member.trim_end_matches("/*");
        let is_kept = kept.contains(&member) || kept.contains(&format!("{member}/Cargo.toml").as_str());
        assert!(is_kept, "{member} is missing in {kept:?}");
    }
    assert!(kept.contains(&"Cargo.toml") && kept.contains(&"Cargo.lock"));
}
