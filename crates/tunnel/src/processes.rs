//! Which processes of a local server run now.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Their ids.
#[derive(Debug, Default)]
pub(crate) struct Processes(Mutex<Vec<u32>>);

/// One that runs; dropped once it has ended.
#[derive(Debug)]
pub(crate) struct Running {
    all: Arc<Processes>,
    pid: u32,
}

impl Processes {
    pub(crate) fn began(all: &Arc<Self>, pid: u32) -> Running {
        all.lock().push(pid);
        Running { all: all.clone(), pid }
    }

    pub(crate) fn now(&self) -> Vec<u32> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut all = self.all.lock();
        if let Some(at) = all.iter().position(|pid| *pid == self.pid) {
            all.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_listed_until_it_has_ended() {
        let all = Arc::new(Processes::default());
        let (first, second) = (Processes::began(&all, 7), Processes::began(&all, 9));
        assert_eq!(all.now(), [7, 9]);
        drop(first);
        assert_eq!(all.now(), [9]);
        drop(second);
        assert!(all.now().is_empty());
    }
}
