//! A typical service: axum on tokio, on loopback, with one client.
//!
//! The client keeps its connection, sends a page of orders, and gets it back with a total.

use crate::document;
use axum::{Json, Router, routing::post};
use serde_json::{Value, json};
use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
};
use tokio::{net, runtime, sync::oneshot};

/// Sends requests one after the other; returns the bytes of the responses, or 0 after a failure.
pub fn requests(operations: u64, seed: u64) -> u64 {
    all(operations, &document::orders(seed)).unwrap_or(0)
}

fn all(operations: u64, body: &str) -> io::Result<u64> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let (stop, stopped) = oneshot::channel();
    thread::scope(|scope| {
        let server = scope.spawn(|| serve(listener, stopped));
        let received = ask(address, operations, body);
        // After a failure the server is already gone.
        let _ = stop.send(());
        let served = server
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("a panic")));
        received.and_then(|bytes| served.map(|()| bytes))
    })
}

/// Serves until it is told to stop.
fn serve(listener: TcpListener, stopped: oneshot::Receiver<()>) -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let listener = net::TcpListener::from_std(listener)?;
        let router = Router::new().route("/orders", post(total));
        let stop = async move {
            let _ = stopped.await;
        };
        axum::serve(listener, router)
            .with_graceful_shutdown(stop)
            .await
    })
}

/// Adds the number of orders to a page of orders.
async fn total(Json(mut page): Json<Value>) -> Json<Value> {
    let orders = page
        .get("orders")
        .and_then(Value::as_array)
        .map_or(0, Vec::len);
    if let Some(page) = page.as_object_mut() {
        page.insert("total".to_owned(), json!(orders));
    }
    Json(page)
}

fn ask(address: SocketAddr, operations: u64, body: &str) -> io::Result<u64> {
    let mut connection = TcpStream::connect(address)?;
    connection.set_nodelay(true)?;
    let mut answers = BufReader::new(connection.try_clone()?);
    let length = body.len();
    let request = format!(
        "POST /orders HTTP/1.1\r\nhost: orders\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    );
    let (mut line, mut answer, mut bytes) = (String::new(), Vec::new(), 0);
    for _ in 0..operations {
        connection.write_all(request.as_bytes())?;
        let mut length = 0;
        loop {
            line.clear();
            answers.read_line(&mut line)?;
            match line.trim_end().split_once(": ") {
                Some(("content-length", number)) => length = number.parse().unwrap_or(0),
                Some(_) => {}
                None if line.starts_with("HTTP/1.1 200") => {}
                None if line == "\r\n" => break,
                None => return Err(io::Error::other(line)),
            }
        }
        answer.resize(length, 0);
        answers.read_exact(&mut answer)?;
        bytes += length as u64;
    }
    Ok(bytes)
}
