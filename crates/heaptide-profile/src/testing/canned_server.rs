//! An HTTP server on loopback with a fixed answer for each path.
//!
//! It remembers the requests.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

/// A running server. It ends with the process.
pub struct CannedServer {
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    /// The heads of the requests, in order.
    pub requests: Receiver<String>,
}

/// An answer without its length.
pub struct Canned {
    pub path: &'static str,
    /// The status line without the protocol, and further header lines.
    pub head: &'static str,
    pub body: Vec<u8>,
}

pub fn serve(answers: Vec<Canned>) -> CannedServer {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let (seen, requests) = channel();
    thread::spawn(move || {
        for connection in listener.incoming() {
            answer(connection.expect("a connection"), &answers, &seen);
        }
    });
    CannedServer {
        url: format!("http://{address}"),
        requests,
    }
}

fn answer(mut connection: TcpStream, answers: &[Canned], seen: &Sender<String>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if connection.read(&mut byte).expect("a request") == 0 {
            return;
        }
        head.extend(byte);
    }
    let head = String::from_utf8(head).expect("a request of text");
    let path = head.split(' ').nth(1).expect("a path").to_owned();
    // A test that does not look at requests has dropped the receiver.
    let _ = seen.send(head);
    let bare = path.split('?').next().unwrap_or_default();
    let Some(canned) = answers.iter().find(|canned| canned.path == bare) else {
        return; // Closes the connection without an answer.
    };
    let length = if canned.head.contains("Content-Length") {
        String::new()
    } else {
        format!("Content-Length: {}\r\n", canned.body.len())
    };
    let head = format!(
        "HTTP/1.1 {}\r\n{length}Connection: close\r\n\r\n",
        canned.head
    );
    let sent = connection.write_all(head.as_bytes());
    // A client that refuses a body closes the connection in the middle of it.
    let _ = sent.and_then(|()| connection.write_all(&canned.body));
}
