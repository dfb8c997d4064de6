//! Which processes of a local server run now, and whom each serves.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A process of a local server that runs now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// Whose session it serves, as [`Online::in_use_by`](crate::Online) names it; `None`: no session alone.
    pub serves: Option<Arc<str>>,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Processes(Mutex<Vec<Process>>);

/// One that runs; dropped once it has ended.
#[derive(Debug)]
pub(crate) struct Running {
    all: Arc<Processes>,
    pid: u32,
}

impl Processes {
    pub(crate) fn began(all: &Arc<Self>, pid: u32) -> Running {
        all.lock().push(Process { pid, serves: None });
        Running { all: all.clone(), pid }
    }

    /// From now on a process serves this session alone.
    pub(crate) fn serves(&self, pid: u32, who: &str) {
        if let Some(process) = self.lock().iter_mut().find(|process| process.pid == pid) {
            process.serves = Some(who.into());
        }
    }

    pub(crate) fn now(&self) -> Vec<Process> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Process>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut all = self.all.lock();
        if let Some(at) = all.iter().position(|process| process.pid == self.pid) {
            all.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_listed_until_it_has_ended_with_whom_it_serves() {
        let all = Arc::new(Processes::default());
        let (first, second) = (Processes::began(&all, 7), Processes::began(&all, 9));
        all.serves(9, "claude 1.2");
        all.serves(11, "nobody");
        let told = || all.now().into_iter().map(|process| (process.pid, process.serves)).collect::<Vec<_>>();
        assert_eq!(told(), [(7, None), (9, Some("claude 1.2".into()))]);
        drop(first);
        assert_eq!(told().len(), 1);
        drop(second);
        assert!(told().is_empty());
    }
}
