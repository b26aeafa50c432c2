mod reads;
mod writes;

use std::{io, net};

use tokio::{
    net::TcpListener,
    task::{JoinHandle, yield_now},
};

use super::*;
use crate::http1::Direct;

/// Returns both ends of a connection, the client's of which does not wait.
async fn connected() -> (net::TcpStream, Direct) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.set_nonblocking(true).unwrap();
    let server = listener.accept().await.unwrap().0;
    server.set_nodelay(true).unwrap();
    (client, Direct::new(server))
}

/// The same, with batches from now on.
async fn batched() -> (net::TcpStream, Direct, JoinHandle<()>) {
    let batches = tokio::spawn(Batches::new());
    yield_now().await;
    let (client, server) = connected().await;
    (client, server, batches)
}

/// Returns what has arrived by now.
fn arrived(mut client: &net::TcpStream) -> Vec<u8> {
    let mut bytes = vec![];
    if let Err(error) = io::Read::read_to_end(&mut client, &mut bytes) {
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }
    bytes
}

fn is_silent(client: &net::TcpStream) -> bool {
    client.peek(&mut [0]).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}
