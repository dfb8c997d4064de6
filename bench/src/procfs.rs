//! What the kernel says of processes: who descends from whom, CPU time, memory. Linux only.

use std::fs;
use std::path::Path;
use std::time::Duration;

/// The unit of CPU time in /proc: USER_HZ is 100 on every architecture that Rust builds
/// for, whatever the kernel's own tick.
const TICK: Duration = Duration::from_millis(10);

/// One line of /proc/PID/stat, as far as it is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    parent: i32,
    /// User and system time in ticks, without that of ended children.
    ticks: u32,
    /// Ticks since boot; with the pid it names a process for good.
    started: u64,
}

impl Process {
    /// None when there is no such process (any more).
    fn read(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name comes in parentheses and may itself hold spaces and parentheses.
        let mut fields = stat.rsplit_once(") ")?.1.split(' ');
        Some(Self {
            pid,
            parent: fields.nth(1)?.parse().ok()?,
            ticks: fields.nth(9)?.parse::<u32>().ok()? + fields.next()?.parse::<u32>().ok()?,
            started: fields.nth(6)?.parse().ok()?,
        })
    }

    /// Whether this very process still runs (a zombie does not).
    pub(crate) fn runs(&self) -> bool {
        let same = Self::read(self.pid).is_some_and(|now| now.started == self.started);
        same && fs::read(format!("/proc/{}/cmdline", self.pid)).is_ok_and(|line| !line.is_empty())
    }
}

/// `root` and all that descends from it now.
pub(crate) fn tree(root: u32) -> Vec<Process> {
    let Some(root) = i32::try_from(root).ok().and_then(Process::read) else { return Vec::new() };
    let all: Vec<Process> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| Process::read(entry.ok()?.file_name().to_str()?.parse().ok()?))
        .collect();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(parent) = found.get(next).map(|process| process.pid) {
        found.extend(all.iter().filter(|process| process.parent == parent));
        next += 1;
    }
    found
}

/// What a peer has used: its whole process tree, the echo server apart.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    pub(crate) echo_cpu: Duration,
    /// Resident now, in bytes.
    pub(crate) resident: u64,
    /// Most that was ever resident, in bytes, summed over processes.
    pub(crate) peak: u64,
}

/// Sums over `roots` and all their descendants; those that run `echo` are kept apart.
pub(crate) fn usage(roots: &[u32], echo: &Path) -> Usage {
    let mut sum = Usage::default();
    for process in roots.iter().flat_map(|root| tree(*root)) {
        let cpu = TICK * process.ticks;
        if fs::read_link(format!("/proc/{}/exe", process.pid)).is_ok_and(|exe| exe == echo) {
            sum.echo_cpu += cpu;
            continue;
        }
        sum.cpu += cpu;
        let status = fs::read_to_string(format!("/proc/{}/status", process.pid)).unwrap_or_default();
        sum.resident += kibibytes(&status, "VmRSS:") * 1024;
        sum.peak += kibibytes(&status, "VmHWM:") * 1024;
    }
    sum
}

/// The memory of one process in bytes, with what it shares counted by parts (PSS).
pub(crate) fn proportional(pid: i32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    kibibytes(&rollup, "Pss:") * 1024
}

/// How many descriptors this process has open.
pub(crate) fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// Whether this process runs this program.
pub(crate) fn runs_program(pid: i32, program: &Path) -> bool {
    fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program)
}

fn kibibytes(status: &str, key: &str) -> u64 {
    let value = status.lines().find_map(|line| line.strip_prefix(key));
    value.and_then(|value| value.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(0)
}

/// CPU time of this process.
pub(crate) fn own_cpu() -> Duration {
    let own = i32::try_from(std::process::id()).ok().and_then(Process::read);
    own.map_or(Duration::ZERO, |own| TICK * own.ticks)
}

/// Time that all cores together were not idle, since boot.
pub(crate) fn machine_cpu() -> Duration {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    TICK * busy_ticks(&stat)
}

/// From the first line of /proc/stat: user, nice, system, (idle, iowait,) irq, softirq.
/// Time stolen by other machines is left out: nothing here spent it.
fn busy_ticks(stat: &str) -> u32 {
    let fields: Vec<u32> = stat
        .lines()
        .next()
        .into_iter()
        .flat_map(|line| line.split_ascii_whitespace().skip(1).filter_map(|field| field.parse().ok()))
        .collect();
    [0, 1, 2, 5, 6].iter().filter_map(|at| fields.get(*at)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::process::{Command, Stdio};

    #[test]
    fn finds_a_grandchild_and_leaves_the_echo_server_out() {
        // The shell prints its child's pid and then waits for it.
        let mut shell =
            Command::new("sh").args(["-c", "sleep 60 & echo $!; wait"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = [0; 32];
        let read = shell.stdout.take().unwrap().read(&mut line).unwrap();
        let sleep: i32 = std::str::from_utf8(&line[..read]).unwrap().trim().parse().unwrap();

        // The pid is printed at the fork; the program is another only after the exec.
        let exe = |pid| fs::read_link(format!("/proc/{pid}/exe")).unwrap();
        let until = std::time::Instant::now() + Duration::from_secs(10);
        while exe(sleep) == exe(shell.id().try_into().unwrap()) && std::time::Instant::now() < until {
            std::thread::yield_now();
        }

        let mine = tree(std::process::id());
        let grandchild = *mine.iter().find(|process| process.pid == sleep).unwrap();
        assert!(grandchild.runs());
        let whole = usage(&[shell.id()], Path::new("/nowhere")).resident;
        let apart = usage(&[shell.id()], &exe(sleep)).resident;
        assert!(0 < apart && apart < whole, "{apart} of {whole}");

        nix::sys::signal::kill(nix::unistd::Pid::from_raw(sleep), nix::sys::signal::Signal::SIGKILL).unwrap();
        shell.wait().unwrap();
        assert!(!grandchild.runs());
        assert!(tree(shell.id()).is_empty());
    }

    #[test]
    fn counts_own_cpu_time() {
        let before = (own_cpu(), machine_cpu());
        while own_cpu() < before.0 + TICK * 5 {
            std::hint::black_box(vec![0_u8; 4096]);
        }
        assert!(machine_cpu() >= before.1 + TICK * 3);
    }

    #[test]
    fn reads_the_fields_that_it_names() {
        assert_eq!(busy_ticks("cpu  1 20 300 4000 50000 6 70 800 0 0\ncpu0 9 9"), 1 + 20 + 300 + 6 + 70);
        assert_eq!(kibibytes("VmHWM:\t    1200 kB\nVmRSS:\t     900 kB\n", "VmRSS:"), 900);
        assert_eq!(kibibytes("Name:\tx\n", "VmRSS:"), 0);
    }
}
