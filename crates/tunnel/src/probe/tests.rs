//! Questions and answers on paused time.

use std::sync::Arc;

use culvert_link::queue;
use culvert_protocol::message::{Message, Shape};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::*;
use crate::ledger::Ledger;
use crate::status::{Online, Status};
use culvert_link::Carriage;

const EVERY: Duration = Duration::from_secs(30);

/// A server whose answers are given by the test.
struct Scene {
    asked: queue::Receiver<Bytes>,
    status: watch::Receiver<Status>,
    ledger: Arc<Ledger>,
    asking: JoinHandle<Infallible>,
    began: Instant,
}

impl Scene {
    fn new(era: Era, last_answer: Option<Duration>) -> Self {
        let ledger = Arc::<Ledger>::default();
        let (sender, status) = watch::channel(Status::Off);
        let report = Arc::new(Report::new(sender, ledger.clone()));
        let (stdin, asked) = queue::bounded(100_000);
        let began = Instant::now();
        if let Some(ago) = last_answer {
            ledger.pulse().beat(began - ago);
        }
        report.online(Carriage::WebSocket, "s".to_owned(), None, Vec::new());
        let asking = tokio::spawn(async move { keep_asking(&Input::Process(stdin), era, &report, EVERY).await });
        Self { asked, status, ledger, asking, began }
    }

    async fn asked(&mut self) -> (u64, String) {
        let line = self.asked.recv().await.unwrap().item;
        (self.began.elapsed().as_secs(), String::from_utf8(line.to_vec()).unwrap())
    }

    /// Waits for a state, and tells after how many seconds it came.
    async fn until(&mut self, word: &str) -> (u64, Online) {
        let is = |status: &Status| matches!(status, Status::Online(online) if online.server.word() == word);
        let status = self.status.wait_for(is).await.unwrap().clone();
        let Status::Online(online) = status else { unreachable!() };
        (self.began.elapsed().as_secs(), online)
    }

    fn answer(&self) {
        self.ledger.pulse().beat(Instant::now());
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.asking.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_answers_calls_is_not_asked() {
    let mut scene = Scene::new(Era::Legacy, Some(Duration::ZERO));
    assert_eq!(scene.until("ready").await.0, 0);
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_secs(20)).await;
        scene.answer();
    }
    assert!(scene.asked.try_recv().is_none());
    let (after, question) = scene.asked().await;
    assert_eq!(after, 430);
    let message = Message::parse(&question).unwrap();
    assert_eq!(message.method(), "ping");
    assert!(matches!(message.shape(), Shape::Request(id) if is_ours(id) && is_reserved(id)));
}

#[tokio::test(start_paused = true)]
async fn one_that_hangs_shows_within_a_minute_of_its_last_answer_and_its_recovery_at_once() {
    let mut scene = Scene::new(Era::Legacy, Some(Duration::ZERO));
    let (after, online) = scene.until("silent").await;
    assert_eq!(after, 50);
    assert_eq!(online.server, Server::Silent { since: scene.began });
    let (_, question) = scene.asked().await;
    let (_, withdrawn) = scene.asked().await;
    assert!(question.contains(r#""culvert-probe-1""#) && withdrawn.contains(r#""requestId":"culvert-probe-1""#));
    // Asked again and again, it stays silent, for nobody is told what has not changed.
    let (after, again) = scene.asked().await;
    assert!(after == 60 && again.contains("culvert-probe-2"), "{again}");
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert!(!scene.status.has_changed().unwrap());
    scene.answer();
    assert_eq!(scene.until("ready").await.0, 67);
}

#[tokio::test(start_paused = true)]
async fn an_answer_between_two_questions_counts() {
    let mut scene = Scene::new(Era::Legacy, Some(Duration::ZERO));
    scene.until("silent").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    scene.answer();
    assert_eq!(scene.until("ready").await.0, 55);
}

#[tokio::test(start_paused = true)]
async fn one_that_has_said_nothing_for_long_is_asked_at_once() {
    tokio::time::advance(Duration::from_secs(1000)).await;
    let mut scene = Scene::new(Era::Modern, None);
    assert_eq!(scene.until("unprobed").await.0, 0);
    let (after, question) = scene.asked().await;
    assert!(after == 0 && question.contains("server/discover") && question.contains("protocolVersion"), "{question}");
    scene.answer();
    assert_eq!(scene.until("ready").await.0, 0);
}
