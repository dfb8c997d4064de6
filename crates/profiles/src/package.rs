//! What a command is about: the package, module, image or script behind the runner that starts it.

/// How the part of a command that says most is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject<'a> {
    /// A package of PyPI or npm, maybe with scope, version, extras or a repository's URL.
    Package(&'a str),
    /// A Python module, dotted.
    Module(&'a str),
    /// A container image, maybe with registry, tag and digest.
    Image(&'a str),
    /// A file: a script, or the program itself.
    File {
        /// Its path as written.
        path: &'a str,
        /// The folder that the command itself changes to.
        folder: Option<&'a str>,
    },
    /// A container that runs already, by its name.
    Container(&'a str),
}

const UVX: &[&str] = &["--from", "--with", "--with-editable", "--with-requirements", "-p", "--python", "--index-url"];
const UVX_MORE: &[&str] = &["-i", "--index", "--default-index", "--extra-index-url", "-f", "--find-links", "-c"];
const UV: &[&str] = &["--directory", "--project", "--with", "--extra", "--group", "-p", "--python", "--env-file"];
const NPX: &[&str] = &["-p", "--package", "-c", "--call", "-w", "--workspace"];
const PYTHON: &[&str] = &["-X", "-W", "--check-hash-based-pycs"];
const NODE: &[&str] = &["-r", "--require", "--import", "--loader", "--env-file", "-C", "--conditions"];
const DENO: &[&str] = &["-c", "--config", "--import-map", "--lock"];
const DOCKER: &[&str] = &[
    "-e",
    "--env",
    "--env-file",
    "-v",
    "--volume",
    "--mount",
    "--name",
    "-p",
    "--publish",
    "--network",
    "--net",
    "-w",
    "--workdir",
    "-u",
    "--user",
    "--entrypoint",
    "-h",
    "--hostname",
    "-l",
    "--label",
    "--platform",
    "--pull",
    "-m",
    "--memory",
    "--cpus",
    "--add-host",
    "--cap-add",
    "--cap-drop",
    "--security-opt",
    "--tmpfs",
    "--gpus",
    "--device",
    "--runtime",
    "--restart",
    "--ulimit",
    "--shm-size",
    "--log-driver",
    "--log-opt",
    "--dns",
    "--ipc",
    "--pid",
    "--userns",
    "--cidfile",
    "--volumes-from",
    "--group-add",
    "--stop-timeout",
];

/// What the command's words are about; `None` without a word.
pub(crate) fn subject(words: &[String]) -> Option<Subject<'_>> {
    let (program, rest) = words.split_first()?;
    Some(runner(&base(program), rest).unwrap_or(Subject::File { path: program, folder: None }))
}

fn runner<'a>(program: &str, rest: &'a [String]) -> Option<Subject<'a>> {
    match program {
        "uvx" => package(rest, &[UVX, UVX_MORE]),
        "npx" | "pnpx" | "bunx" => package(rest, &[NPX]),
        "pipx" => package(after(rest, "run", &[])?, &[&["--spec", "--python"]]),
        "npm" => package(after(rest, "exec", &[]).or_else(|| after(rest, "x", &[]))?, &[NPX]),
        "pnpm" | "yarn" => package(after(rest, "dlx", &[])?, &[NPX]),
        "uv" => uv(rest),
        "bun" => {
            if let Some(rest) = after(rest, "x", &[]) {
                return package(rest, &[NPX]);
            }
            file(after(rest, "run", &[]).unwrap_or(rest), NODE)
        }
        "deno" => file(after(rest, "run", &[])?, DENO),
        "node" | "nodejs" | "tsx" | "ts-node" | "ruby" | "perl" | "php" | "bash" | "sh" | "zsh" => file(rest, NODE),
        "docker" | "podman" | "nerdctl" => match after(rest, "run", &[]) {
            Some(rest) => first(rest, &[DOCKER]).map(|at| Subject::Image(&rest[at])),
            None => {
                let rest = after(rest, "exec", &[])?;
                first(rest, &[DOCKER]).map(|at| Subject::Container(&rest[at]))
            }
        },
        "java" => {
            let at = rest.iter().position(|word| word == "-jar")?;
            rest.get(at + 1).map(|path| Subject::File { path, folder: None })
        }
        "cmd" => subject(rest.get(rest.iter().position(|word| word.eq_ignore_ascii_case("/c"))? + 1..)?),
        "env" | "nice" | "nohup" | "stdbuf" => {
            let at = rest.iter().position(|word| !word.starts_with('-') && !word.contains('='))?;
            subject(&rest[at..])
        }
        python if is_python(python) => python_file(rest, None),
        _ => None,
    }
}

fn is_python(program: &str) -> bool {
    let version = program.strip_prefix("python").or_else(|| program.strip_prefix("pypy"));
    program == "py" || version.is_some_and(|version| version.chars().all(|c| c.is_ascii_digit() || c == '.'))
}

/// `uv run …` and `uv tool run …`, whose folder may stand before or after the sub-command.
fn uv(rest: &[String]) -> Option<Subject<'_>> {
    if let Some(rest) = after(rest, "tool", &[UV]) {
        return package(after(rest, "run", &[])?, &[UVX, UVX_MORE]);
    }
    let folder = rest
        .iter()
        .position(|word| word == "--directory" || word == "--project")
        .and_then(|at| rest.get(at + 1))
        .map(String::as_str);
    let rest = after(rest, "run", &[UV])?;
    let words = &rest[first(rest, &[UV])?..];
    let (program, arguments) = words.split_first()?;
    if is_python(&base(program)) {
        return python_file(arguments, folder);
    }
    Some(Subject::File { path: program, folder })
}

fn python_file<'a>(rest: &'a [String], folder: Option<&'a str>) -> Option<Subject<'a>> {
    let module = rest.iter().position(|word| word == "-m");
    let script = first(rest, &[PYTHON]);
    match (module, script) {
        (Some(module), Some(script)) if module < script => rest.get(module + 1).map(|name| Subject::Module(name)),
        (_, Some(_)) if rest.iter().any(|word| word == "-c") => None,
        (_, Some(script)) => Some(Subject::File { path: &rest[script], folder }),
        _ => None,
    }
}

fn package<'a>(rest: &'a [String], with_value: &[&[&str]]) -> Option<Subject<'a>> {
    first(rest, with_value).map(|at| Subject::Package(&rest[at]))
}

fn file<'a>(rest: &'a [String], with_value: &[&str]) -> Option<Subject<'a>> {
    // The text after `-c` or `-e` is a program, not a file.
    if rest.first().is_some_and(|word| matches!(word.as_str(), "-c" | "-e" | "--eval" | "-lc")) {
        return None;
    }
    first(rest, &[with_value]).map(|at| Subject::File { path: &rest[at], folder: None })
}

/// What follows the sub-command `word`, if that is the first word that is no option.
fn after<'a>(rest: &'a [String], word: &str, with_value: &[&[&str]]) -> Option<&'a [String]> {
    let at = first(rest, with_value)?;
    (rest[at] == word).then(|| &rest[at + 1..])
}

/// The first word that is neither an option nor the value of one of the options `with_value`.
fn first(rest: &[String], with_value: &[&[&str]]) -> Option<usize> {
    let mut at = 0;
    while let Some(word) = rest.get(at) {
        if word == "--" {
            return (at + 1 < rest.len()).then_some(at + 1);
        }
        if !word.starts_with('-') {
            return Some(at);
        }
        at += if with_value.iter().any(|options| options.contains(&word.as_str())) { 2 } else { 1 };
    }
    None
}

/// A program's bare name: no folder, no extension that only says that it is a program, lower case.
fn base(program: &str) -> String {
    let name = program.rsplit(['/', '\\']).next().unwrap_or(program).to_ascii_lowercase();
    [".exe", ".cmd", ".bat", ".ps1"]
        .iter()
        .find_map(|extension| name.strip_suffix(extension))
        .map_or_else(|| name.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runners_are_seen_through() {
        for (line, expected) in [
            ("uvx mcp-server-git --repository x", Subject::Package("mcp-server-git")),
            ("uvx --from git+https://h/a/tool.git tool", Subject::Package("tool")),
            ("uvx -p 3.11 --with x==1 pkg", Subject::Package("pkg")),
            ("uv tool run pkg@latest", Subject::Package("pkg@latest")),
            ("npx -y @scope/server-files /d", Subject::Package("@scope/server-files")),
            ("npx -p typescript -- run-it", Subject::Package("run-it")),
            ("npm exec -y -- pkg", Subject::Package("pkg")),
            ("pnpm dlx pkg", Subject::Package("pkg")),
            ("bun x pkg", Subject::Package("pkg")),
            ("pipx run --spec a b", Subject::Package("b")),
            (r"C:\nodejs\npx.cmd -y pkg", Subject::Package("pkg")),
            ("cmd /c npx -y pkg", Subject::Package("pkg")),
            ("env A=1 B=2 uvx pkg", Subject::Package("pkg")),
            ("python3.11 -u -m mcp_server_time", Subject::Module("mcp_server_time")),
            ("uv run -p 3.12 python -m a.b", Subject::Module("a.b")),
            ("docker run -i --rm -e KEY -v /a:/b mcp/postgres x", Subject::Image("mcp/postgres")),
            ("docker exec -i box server", Subject::Container("box")),
            ("python -u /a/b/server.py -m x", Subject::File { path: "/a/b/server.py", folder: None }),
            ("node --env-file .env dist/index.js", Subject::File { path: "dist/index.js", folder: None }),
            ("uv --directory /w run main.py", Subject::File { path: "main.py", folder: Some("/w") }),
            ("java -Xmx1g -jar a/tool.jar", Subject::File { path: "a/tool.jar", folder: None }),
            ("sh -c 'x'", Subject::File { path: "sh", folder: None }),
            ("python -c 'x'", Subject::File { path: "python", folder: None }),
            ("docker ps", Subject::File { path: "docker", folder: None }),
            ("./server", Subject::File { path: "./server", folder: None }),
        ] {
            let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
            assert_eq!(subject(&words), Some(expected), "{line}");
        }
        assert_eq!(subject(&[]), None);
    }
}
