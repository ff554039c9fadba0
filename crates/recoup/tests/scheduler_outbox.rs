//! The outbox is emptied beside everything else: notices arrive once, are tried again when they do not, and a channel
//! that never answers holds up nobody.
#![cfg(feature = "daemon")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod scheduler_kit;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use recoup::catalog::Outgoing;
use recoup::clock::Clock;
use recoup::model::notice::{Event, Notice};
use scheduler_kit::Place;

/// A web hook: keeps the bodies that it is sent, and answers as it is told.
struct Ear {
    url: String,
    heard: Arc<Mutex<Vec<String>>>,
    answer: Arc<Mutex<&'static str>>,
}

fn ear(answer: &'static str) -> Ear {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (heard, answer) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(answer)));
    let (keep, says) = (heard.clone(), answer.clone());
    std::thread::spawn(move || {
        let mut silent = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            keep.lock().unwrap().push(request(&mut stream));
            let status = *says.lock().unwrap();
            if status.is_empty() {
                silent.push(stream);
            } else {
                let _ = write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            }
        }
    });
    Ear { url, heard, answer }
}

fn request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return body.to_owned();
            }
        }
        let mut some = [0; 4096];
        match stream.read(&mut some).unwrap() {
            0 => return text,
            n => bytes.extend_from_slice(&some[..n]),
        }
    }
}

impl Ear {
    fn heard(&self) -> usize {
        self.heard.lock().unwrap().len()
    }
}

async fn put(place: &Place, id: &str, channel: &str) {
    let now = place.clock.now();
    let out = Outgoing {
        id: id.into(),
        channel: channel.into(),
        plan: "shop".into(),
        cause: String::new(),
        notice: serde_json::to_value(Notice::new(Event::Success, "shop", now)).unwrap(),
        attempt: 0,
        told_at: None,
        error: None,
    };
    place.engine.catalog().add_outgoing(&out, now).await.unwrap();
}

async fn outgoing(place: &Place, channel: &str) -> Vec<Outgoing> {
    place.engine.catalog().outgoing_of(channel, "shop", 100).await.unwrap()
}

#[tokio::test]
async fn a_channel_that_never_answers_holds_up_neither_others_nor_runs() {
    let (deaf, good) = (ear(""), ear("204"));
    let toml = format!("[notify.deaf]\nwebhook = \"{}\"\n[notify.good]\nwebhook = \"{}\"\n", deaf.url, good.url);
    let place = Place::written("2026-07-01T12:00:00Z", &toml).await;
    place.daily("shop").await;
    for n in 0..3 {
        put(&place, &format!("a{n}"), "deaf").await;
    }
    for n in 0..20 {
        put(&place, &format!("b{n:02}"), "good").await;
    }
    let handle = place.start().await;
    place.until(async || good.heard() == 20 && deaf.heard() == 3).await;
    place.until(async || outgoing(&place, "good").await.iter().all(|out| out.told_at.is_some())).await;
    place.pass_until("2026-07-02T01:00:00Z");
    place.settle(&handle).await;
    assert_eq!(place.runs("shop").await.len(), 1);
    assert_eq!(good.heard(), 20, "each once");
    // Stopping does not wait for those who never answer.
    handle.stop(Duration::from_secs(2)).await;
    assert!(outgoing(&place, "deaf").await.iter().all(|out| out.told_at.is_none()));
}

#[tokio::test]
async fn what_does_not_arrive_is_tried_again_and_then_given_up() {
    let ear = ear("429");
    let toml = format!("[notify.hook]\nwebhook = \"{}\"\n", ear.url);
    let place = Place::written("2026-07-01T12:00:00Z", &toml).await;
    put(&place, "a", "hook").await;
    let handle = place.start().await;
    for attempt in 1..=6 {
        // Each attempt fails with another sentence, so that it shows when it is noted.
        let sentence = ["could not take it", "less often"][attempt % 2];
        place
            .until(async || outgoing(&place, "hook").await[0].error.as_ref().is_some_and(|e| e.contains(sentence)))
            .await;
        assert_eq!(ear.heard(), attempt);
        *ear.answer.lock().unwrap() = ["503", "429"][(attempt + 1) % 2];
        place.clock.pass(Duration::from_secs(7 * 3600));
        handle.wake();
    }
    handle.wake();
    *ear.answer.lock().unwrap() = "200";
    put(&place, "b", "hook").await;
    handle.wake();
    place.until(async || outgoing(&place, "hook").await[0].told_at.is_some()).await;
    assert_eq!(ear.heard(), 7, "the first notice was given up after six attempts");
    assert_eq!(outgoing(&place, "hook").await[1].attempt, 6);
}

#[tokio::test]
async fn a_notice_for_a_channel_that_is_no_more_is_given_up() {
    let place = Place::written("2026-07-01T12:00:00Z", "").await;
    put(&place, "a", "gone").await;
    let handle = place.start().await;
    place.until(async || outgoing(&place, "gone").await[0].error.is_some()).await;
    place.clock.pass(Duration::from_secs(48 * 3600));
    handle.wake();
    handle.check_now().await.unwrap();
    let out = &outgoing(&place, "gone").await[0];
    assert_eq!((out.attempt, out.error.as_deref()), (1, Some("There is no channel gone")));
}
