//! What waits to be written to stderr, and the thread that writes it. Whoever reads stderr, or does not, keeps only this
//! thread waiting: a log pipe that nobody empties must not hold up a tunnel. What waits is bounded; lines beyond that
//! are counted, and the count is told once there is room again.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How much may wait, in bytes: some thousand lines.
const ROOM: usize = 256 << 10;

/// Progress is cut here, in characters, so that it does not wrap: a wrapped line cannot be erased as one.
const PROGRESS_WIDTH: usize = 78;

/// What erases the line of progress.
const ERASE: &[u8] = b"\r\x1b[K";

/// Whether a line may be left out when there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    /// It may.
    News,
    /// It may not: the program ends with it.
    LastWord,
}

/// A way to the thread; clones share it.
#[derive(Clone)]
pub(crate) struct Writer(Arc<Shared>);

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// There is something to write.
    more: Condvar,
    /// All is written.
    idle: Condvar,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    /// Lines that found no room.
    left_out: usize,
    /// What each lane shows as progress; empty where nothing.
    progress: Vec<String>,
    /// The line of progress that is on the screen.
    shown: String,
    is_writing: bool,
}

impl Writer {
    /// Starts the thread, which lives as long as the program.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub(crate) fn start(mut out: impl Write + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let writer = Self(Arc::clone(&shared));
        let work = move || loop {
            // A stderr that is closed has no one to complain to.
            let _ = out.write_all(&shared.next()).and_then(|()| out.flush());
        };
        std::thread::Builder::new().name("stderr".to_owned()).stack_size(64 << 10).spawn(work)?;
        Ok(writer)
    }

    /// Writes a whole line, or several, above the progress.
    pub(crate) fn line(&self, line: &[u8], weight: Weight) {
        let mut waiting = self.0.lock();
        if waiting.lines.len() + line.len() > ROOM && weight == Weight::News {
            waiting.left_out += 1;
        } else {
            waiting.lines.extend_from_slice(line);
            self.0.more.notify_one();
        }
    }

    /// Shows `text` as the progress of one lane in place of what it showed before; an empty one erases it.
    pub(crate) fn progress(&self, lane: usize, text: &str) {
        let mut waiting = self.0.lock();
        if waiting.progress.len() <= lane {
            waiting.progress.resize(lane + 1, String::new());
        }
        if waiting.progress[lane] != text {
            text.clone_into(&mut waiting.progress[lane]);
            self.0.more.notify_one();
        }
    }

    /// Takes the progress off the screen and waits until all is written, but not for longer than `limit`.
    pub(crate) fn finish(&self, limit: Duration) {
        self.0.lock().progress.clear();
        self.settle(limit);
    }

    fn settle(&self, limit: Duration) {
        self.0.more.notify_one();
        let busy = |waiting: &mut Waiting| waiting.is_writing || waiting.has_more();
        // The time being over is as good an answer as any.
        let _ = self.0.idle.wait_timeout_while(self.0.lock(), limit, busy);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // A panic while changing it leaves at worst half a line behind.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for something to write.
    fn next(&self) -> Vec<u8> {
        let mut waiting = self.lock();
        waiting.is_writing = false;
        while !waiting.has_more() {
            self.idle.notify_all();
            waiting = self.more.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        waiting.is_writing = true;
        waiting.take()
    }
}

impl Waiting {
    fn has_more(&self) -> bool {
        !self.lines.is_empty() || self.left_out > 0 || self.shown != self.wanted()
    }

    /// The line of progress as it should be.
    fn wanted(&self) -> String {
        let lanes: Vec<_> = self.progress.iter().map(String::as_str).filter(|text| !text.is_empty()).collect();
        lanes.join("; ").chars().take(PROGRESS_WIDTH).collect()
    }

    /// All that is to be written now.
    fn take(&mut self) -> Vec<u8> {
        let mut out = if self.shown.is_empty() { Vec::new() } else { ERASE.to_vec() };
        out.append(&mut self.lines);
        let left_out = std::mem::take(&mut self.left_out);
        if left_out > 0 {
            out.extend_from_slice(
                format!("culvert: warning: {left_out} lines left out, nobody read stderr\n").as_bytes(),
            );
        }
        self.shown = self.wanted();
        out.extend_from_slice(self.shown.as_bytes());
        out
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    /// A stderr for tests: what arrives is kept.
    pub(crate) struct Written {
        bytes: Arc<Mutex<Vec<u8>>>,
        pub(crate) writer: Writer,
    }

    #[derive(Clone)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Default for Written {
        fn default() -> Self {
            let bytes = Arc::new(Mutex::new(Vec::new()));
            Self { writer: Writer::start(Sink(Arc::clone(&bytes))).unwrap(), bytes }
        }
    }

    impl Written {
        /// All that was written so far.
        pub(crate) fn text(&self) -> String {
            self.writer.settle(SOON);
            String::from_utf8(self.bytes.lock().unwrap().clone()).unwrap()
        }
    }

    #[test]
    fn progress_makes_room_for_lines_and_comes_back() {
        let written = Written::default();
        written.writer.progress(0, "starting 1 s");
        assert_eq!(written.text(), "starting 1 s");
        written.writer.progress(0, "starting 1 s");
        written.writer.line(b"log\n", Weight::News);
        assert_eq!(written.text(), "starting 1 s\r\x1b[Klog\nstarting 1 s");
        written.writer.progress(0, "");
        written.writer.line(b"online\n", Weight::News);
        assert!(written.text().ends_with("\r\x1b[Konline\n"));
    }

    #[test]
    fn lanes_share_one_line_that_never_wraps() {
        let written = Written::default();
        written.writer.progress(1, "b");
        written.writer.progress(0, "a");
        assert!(written.text().ends_with("a; b"));
        written.writer.progress(0, &"x".repeat(500));
        assert!(written.text().ends_with(&format!("\r\x1b[K{}", "x".repeat(PROGRESS_WIDTH))));
        written.writer.finish(SOON);
        assert!(written.text().ends_with("x\r\x1b[K"));
    }

    /// A stderr whose reader takes a write when it is told to.
    struct Stalled {
        begun: Sender<()>,
        go_on: Receiver<()>,
        sink: Sink,
    }

    impl Write for Stalled {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.begun.send(()).unwrap();
            self.go_on.recv().unwrap();
            self.sink.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_stalls_holds_nobody_up_and_costs_only_lines() {
        let ((begun, has_begun), (reader, go_on)) = (channel(), channel());
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let writer = Writer::start(Stalled { begun, go_on, sink: Sink(Arc::clone(&bytes)) }).unwrap();
        writer.line(b"first\n", Weight::News);
        has_begun.recv().unwrap();
        let line = [b"x".repeat(1023), b"\n".to_vec()].concat();
        for _ in 0..300 {
            writer.line(&line, Weight::News);
        }
        writer.line(b"the reason\n", Weight::LastWord);
        writer.settle(Duration::from_millis(1));
        assert!(bytes.lock().unwrap().is_empty(), "nothing is read yet");
        for _ in 0..2 {
            reader.send(()).unwrap();
        }
        let written = Written { bytes, writer };
        let text = written.text();
        assert_eq!(text.lines().filter(|line| line.starts_with('x')).count(), ROOM / 1024);
        assert!(text.ends_with("the reason\nculvert: warning: 44 lines left out, nobody read stderr\n"), "{text}");
    }
}
