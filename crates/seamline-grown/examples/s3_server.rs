//! A server that speaks S3, for tests: `s3_server PORT FOLDER KEY SECRET`. Folders in FOLDER are buckets.

#![allow(clippy::expect_used, clippy::panic)] // a test's tool: it says what is wrong and ends

#[path = "../tests/common/mod.rs"]
mod common;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let [_, port, root, key, secret] = &args[..] else { panic!("usage: s3_server PORT FOLDER KEY SECRET") };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let port: u16 = port.parse().expect("a port");
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.expect("the port");
        common::serve(listener, root.as_ref(), key, secret).await;
    });
}
