//! Where the server listens: ports, other machines, invalid addresses, and the environment.

use crate::{
    assert_succeeds,
    plain_client::{get, get_as, send},
    process_for, profile,
    service::host,
};
use heaptide::http::{self, Endpoints, Server};
use std::{
    ffi::OsStr,
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::ffi::OsStrExt,
    thread,
};
use tokio::runtime;

pub(crate) fn a_server_runs_without_a_runtime_and_inside_of_one() {
    let server = http::serve("127.0.0.1:0").unwrap();
    profile(&get(server.local_addr(), "/debug/pprof/heap"));
    drop(server);
    let one_thread = runtime::Builder::new_current_thread().enable_all().build();
    let more = runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build();
    for runtime in [one_thread.unwrap(), more.unwrap()] {
        runtime.block_on(async {
            let server = http::serve("127.0.0.1:0").unwrap();
            let address = server.local_addr();
            let asked = thread::spawn(move || profile(&get(address, "/debug/pprof/heap")));
            asked.join().unwrap();
            server.shutdown();
            drop(http::serve("127.0.0.1:0").unwrap());
        });
    }
}

pub(crate) fn servers_have_their_own_ports_and_release_them() {
    let (one, other) = (http::serve("127.0.0.1:0"), http::serve("localhost:0"));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_ne!(one.local_addr().port(), 0);
    assert_ne!(one.local_addr(), other.local_addr());
    let address = one.local_addr();
    assert_eq!(get(address, "/debug/pprof/").status, 200);
    assert_eq!(get(other.local_addr(), "/debug/pprof/").status, 200);

    let error = http::serve(address).unwrap_err();
    assert!(error.is_io());
    let message = error.to_string();
    let expected =
        format!("could not serve heap profiles at {address} (another server has the port");
    assert!(message.starts_with(&expected), "{message}");
    assert!(message.contains("port 0 for a free one"), "{message}");

    drop(one);
    let refused = TcpStream::connect(address).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    let again = http::serve(address).unwrap();
    assert_eq!(get(again.local_addr(), "/debug/pprof/").status, 200);
    assert_eq!(get(other.local_addr(), "/debug/pprof/").status, 200);
}

pub(crate) fn other_machines_are_served_only_if_allowed() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:6060"] {
        let error = http::serve(address).unwrap_err();
        assert!(error.is_setting(), "{error}");
        let message = error.to_string();
        for part in [
            address,
            "127.0.0.1",
            "EndpointsBuilder::token",
            "allow_any_address",
        ] {
            assert!(message.contains(part), "{message}");
        }
    }
    let server = Server::builder().allow_any_address();
    let server = server.serve("0.0.0.0:0").unwrap();
    let port = server.local_addr().port();
    let local = SocketAddr::from(([127, 0, 0, 1], port));
    assert_eq!(get_as(local, "10.1.2.3:6060", "/heap").status, 200);
    assert_eq!(get_as(local, "evil.example", "/heap").status, 403);
}

pub(crate) fn a_token_opens_an_address_to_other_machines() {
    let endpoints = Endpoints::builder().token("a long random word").build();
    let server = Server::builder().endpoints(endpoints.clone());
    let server = server.serve("0.0.0.0:0").unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], server.local_addr().port()));
    let refused = get(address, "/debug/pprof/heap");
    assert_eq!(refused.status, 401);
    let shown = b"GET /debug/pprof/heap HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
        Authorization: Bearer a long random word\r\n\r\n";
    profile(&send(address, shown));
    // A request without the token is refused before its body is read, with no other words.
    let body = b"POST /symbol HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n";
    assert_eq!(send(address, body).status, 401);
    let (_runtime, address) = host(|app| {
        app.route_service("/route", endpoints.service())
            .nest_service("/service", endpoints.service())
    });
    for path in ["/route", "/service", "/service/"] {
        assert_eq!(get(address, path).status, 401, "{path}");
    }
}

pub(crate) fn an_invalid_address_is_refused_with_an_example() {
    for nonsense in [
        "6060",
        "127.0.0.1",
        "127.0.0.1:99999",
        "http://127.0.0.1:6060",
    ] {
        let error = http::serve(nonsense).unwrap_err();
        assert!(error.is_setting(), "{nonsense}: {error}");
        assert!(
            error.to_string().contains("such as 127.0.0.1:6060"),
            "{error}"
        );
    }
    let error = http::serve("127.0.0.1:0").and_then(|_server| {
        let server = Server::builder().allow_host("http://x/");
        server.serve("127.0.0.1:0")
    });
    assert!(error.unwrap_err().to_string().contains("\"http://x/\""));
}

pub(crate) fn print_what_the_environment_starts() {
    match http::serve_from_env() {
        Ok(None) => println!("said: nothing"),
        Ok(Some(server)) => {
            profile(&get(server.local_addr(), "/debug/pprof/heap"));
            println!("said: served");
        }
        Err(error) => println!("said: {error}"),
    }
}

pub(crate) fn serve_from_env_follows_the_environment() {
    let said_of = |variable: Option<&OsStr>| {
        let mut process = process_for("environment");
        process.envs(variable.map(|value| ("HEAPTIDE_HTTP", value)));
        let output = assert_succeeds(process);
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text.lines().find_map(|line| line.split_once("said: "));
        line.unwrap().1.to_owned()
    };
    let said = |variable: Option<&str>| said_of(variable.map(OsStr::new));
    assert_eq!(said(None), "nothing");
    assert_eq!(said(Some("")), "nothing");
    assert_eq!(said(Some("127.0.0.1:0")), "served");
    let bad = said(Some("6060"));
    assert!(bad.starts_with("HEAPTIDE_HTTP=6060: "), "{bad}");
    assert!(bad.contains("such as 127.0.0.1:6060"), "{bad}");
    let open = said(Some("0.0.0.0:6060"));
    assert!(open.starts_with("HEAPTIDE_HTTP=0.0.0.0:6060: "), "{open}");
    assert!(open.contains("allow_any_address"), "{open}");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let in_use = said(Some(&address.to_string()));
    assert!(
        in_use.starts_with(&format!("HEAPTIDE_HTTP={address}: ")),
        "{in_use}"
    );
    assert!(in_use.contains("another server has the port"), "{in_use}");
    let no_text = said_of(Some(OsStr::from_bytes(b"127.0.0.1:\xff")));
    assert!(no_text.starts_with("HEAPTIDE_HTTP=127.0.0.1:"), "{no_text}");
    assert!(no_text.contains("such as 127.0.0.1:6060"), "{no_text}");
}
