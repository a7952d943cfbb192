//! A real server that speaks S3, over a folder.

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use std::path::Path;
use tokio::net::TcpListener;

/// Serves until the process ends. Folders in `root` are buckets.
pub(crate) async fn serve(listener: TcpListener, root: &Path, key: &str, secret: &str) {
    let files = FileSystem::new(root).expect("a folder");
    let mut builder = S3ServiceBuilder::new(files);
    builder.set_auth(SimpleAuth::from_single(key, secret));
    let service = builder.build();
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        let served = http1::Builder::new().serve_connection(TokioIo::new(socket), service.clone());
        tokio::spawn(async move { drop(served.await) });
    }
}
