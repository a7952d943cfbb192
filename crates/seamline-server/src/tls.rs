//! TLS for a server that others than this machine reach: connections whose handshake is done, one after the other.

use crate::routes::ServeError;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How long a client may take to say hello.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Handshakes at once; who comes later waits in the kernel's queue.
const AT_ONCE: usize = 256;
/// After an error of accept that is no client's: the process is out of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// A certificate with its key, as files in PEM form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The server's certificate, then those up to the authority's.
    pub chain: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl Certificate {
    /// TLS 1.2 and 1.3 with it. Read once: a renewed certificate counts from the next start.
    pub(crate) fn config(&self) -> Result<Arc<ServerConfig>, ServeError> {
        let failed = |path: &Path, e: &dyn std::fmt::Display| ServeError::Certificate {
            path: path.to_owned(),
            message: e.to_string(),
        };
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&self.chain)
            .and_then(Iterator::collect)
            .map_err(|e| failed(&self.chain, &e))?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|e| failed(&self.key, &e))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| failed(&self.chain, &e))?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|e| failed(&self.chain, &e))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

/// Hands out connections after their handshake. One that is slow at it holds up none of the others.
pub(crate) struct TlsListener {
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    address: SocketAddr,
}

impl TlsListener {
    /// Within a runtime.
    pub(crate) fn new(listener: std::net::TcpListener, config: Arc<ServerConfig>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let listener = TcpListener::from_std(listener)?;
        let (send, ready) = mpsc::channel(AT_ONCE);
        tokio::spawn(greet(listener, TlsAcceptor::from(config), send));
        Ok(Self { ready, address })
    }
}

/// Until nobody waits for connections any more.
async fn greet(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    send: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>,
) {
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let Ok(turn) = turns.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = send.closed() => return,
        };
        match accepted {
            Ok((stream, from)) => {
                let (acceptor, send) = (acceptor.clone(), send.clone());
                tokio::spawn(async move {
                    let greeted = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await;
                    drop(turn);
                    if let Ok(Ok(stream)) = greeted {
                        drop(send.send((stream, from)).await); // nobody waits: the server ends
                    }
                });
            }
            Err(e)
                if matches!(e.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) => {}
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

impl axum::serve::Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(connection) => connection,
            // Whoever greets never ends before this does.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}
