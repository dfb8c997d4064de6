//! What goes on telling the window something until it does not want to hear it any more, or is gone.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use culvert_app::Culvert;
use culvert_app::shown::{Event, Place};
use tauri::async_runtime::JoinHandle;
use tauri::ipc::Channel;

/// Every stream by the number that the window gave it. The window has a handful open; beyond this many the oldest end.
const MOST: usize = 64;

/// The streams of the window.
#[derive(Default)]
pub(crate) struct Streams(Mutex<Inside>);

#[derive(Default)]
struct Inside {
    tasks: HashMap<u32, JoinHandle<()>>,
    /// Where events go besides the world.
    events: HashMap<u32, Channel<Event>>,
    /// The page that a new window is to show first.
    first: Option<Place>,
}

impl Streams {
    /// Tells the world from now on, and whatever else happens.
    pub(crate) fn listen(&self, number: u32, channel: Channel<Event>, culvert: Culvert) {
        let first = {
            let mut inside = self.lock();
            inside.events.insert(number, channel.clone());
            inside.first.take()
        };
        self.run(number, async move {
            let _look = culvert.look();
            let mut world = culvert.world();
            let mut first = first;
            loop {
                let event = Event::World { world: Box::new((**world.borrow_and_update()).clone()) };
                if channel.send(event).is_err() {
                    return;
                }
                if let Some(place) = first.take() {
                    let _ = channel.send(Event::Show { place });
                }
                if world.changed().await.is_err() {
                    return;
                }
            }
        });
    }

    /// Runs a stream until it ends or is not wanted any more.
    pub(crate) fn run(&self, number: u32, stream: impl Future<Output = ()> + Send + 'static) {
        let task = tauri::async_runtime::spawn(stream);
        let mut inside = self.lock();
        if let Some(before) = inside.tasks.insert(number, task) {
            before.abort();
        }
        if inside.tasks.len() > MOST
            && let Some(oldest) = inside.tasks.keys().min().copied()
        {
            inside.end(oldest);
        }
    }

    /// Ends a stream.
    pub(crate) fn end(&self, number: u32) {
        self.lock().end(number);
    }

    /// Ends all of them: the window is gone.
    pub(crate) fn end_all(&self) {
        let mut inside = self.lock();
        let numbers: Vec<u32> = inside.tasks.keys().copied().collect();
        numbers.into_iter().for_each(|number| inside.end(number));
    }

    /// Whether anybody listens.
    pub(crate) fn is_heard(&self) -> bool {
        !self.lock().events.is_empty()
    }

    /// Tells everybody who listens.
    pub(crate) fn send(&self, event: Event) {
        for channel in self.lock().events.values() {
            let _ = channel.send(event.clone());
        }
    }

    /// Asks for a page.
    pub(crate) fn tell(&self, place: Option<Place>) {
        if let Some(place) = place {
            self.send(Event::Show { place });
        }
    }

    /// The page that the next window begins with.
    pub(crate) fn tell_first(&self, place: Option<Place>) {
        self.lock().first = place;
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    fn end(&mut self, number: u32) {
        self.events.remove(&number);
        if let Some(task) = self.tasks.remove(&number) {
            task.abort();
        }
    }
}
