//! A proxy between the real binary and the API server: it writes down every request, and at a chosen
//! write something goes wrong. The program under test is the one that users get, unchanged.

mod wire;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{fs, thread};

use http_body_util::BodyExt as _;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tempfile::TempDir;
use tokio::io::BufReader;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::process::Victim;
use crate::record::{Asked, Record};
use wire::Request;

/// What goes wrong at a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The server is not reached; this is answered in its place.
    Answered(u16),
    /// The connection breaks before the server is reached.
    RequestLost,
    /// It is carried out, and the connection breaks before the answer is there.
    AnswerLost,
    /// It is carried out, but only after so many seconds.
    HeldUp(u64),
    /// The process is killed before the server is reached.
    KilledBefore,
    /// The process is killed when the server has carried it out.
    KilledAfter,
}

impl Fault {
    /// All kinds.
    pub(crate) const ALL: [Self; 8] = [
        Self::Answered(409),
        Self::Answered(429),
        Self::Answered(500),
        Self::RequestLost,
        Self::AnswerLost,
        Self::HeldUp(2),
        Self::KilledBefore,
        Self::KilledAfter,
    ];

    /// Whether the process does not live on.
    pub(crate) fn kills(self) -> bool {
        matches!(self, Self::KilledBefore | Self::KilledAfter)
    }
}

/// A fault that waits for its moment.
struct Trap {
    fault: Fault,
    /// How many writes still pass before.
    passing: usize,
    victim: Arc<Victim>,
}

/// A proxy for one process at a time; it stops when this is dropped.
pub(crate) struct Proxy {
    shared: Arc<Shared>,
    folder: TempDir,
    _stop: oneshot::Sender<()>,
}

struct Shared {
    record: Arc<Record>,
    run: AtomicUsize,
    trap: Mutex<Option<Trap>>,
}

impl Proxy {
    /// Stands before the API server of this kubeconfig, in the network namespace of the calling
    /// thread. Several proxies may write into one record.
    pub(crate) fn start(kubeconfig: &Path, record: &Arc<Record>) -> Self {
        let shared = Arc::new(Shared {
            record: Arc::clone(record),
            run: AtomicUsize::new(record.next_run()),
            trap: Mutex::default(),
        });
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a listener for tokio");
        let port = listener.local_addr().expect("an address").port();
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("kubeconfig"), access(port)).expect("a kubeconfig");
        let (stop, stopped) = oneshot::channel();
        let (kubeconfig, serving) = (kubeconfig.to_owned(), Arc::clone(&shared));
        thread::spawn(move || listen(listener, &kubeconfig, &serving, stopped));
        Self { shared, folder, _stop: stop }
    }

    /// The way through the proxy.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// Another process begins: what it asks is told apart from what was asked before.
    pub(crate) fn begin_run(&self) -> usize {
        let run = self.shared.record.next_run();
        self.shared.run.store(run, Ordering::SeqCst);
        self.shared.set(None);
        run
    }

    /// Lets this go wrong at the n-th write from now on, counted from 0.
    pub(crate) fn set_trap(&self, at: usize, fault: Fault, victim: &Arc<Victim>) {
        self.shared.set(Some(Trap { fault, passing: at, victim: Arc::clone(victim) }));
    }

    /// Whether the fault is still to come.
    pub(crate) fn is_armed(&self) -> bool {
        self.shared.trap.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

/// A kubeconfig without a secret: the proxy has its own.
fn access(port: u16) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: proxy\n\
         clusters: [{{ name: proxy, cluster: {{ server: \"http://127.0.0.1:{port}\" }} }}]\n\
         contexts: [{{ name: proxy, context: {{ cluster: proxy, user: nobody }} }}]\n\
         users: [{{ name: nobody, user: {{}} }}]\n"
    )
}

fn listen(
    listener: std::net::TcpListener,
    kubeconfig: &Path,
    shared: &Arc<Shared>,
    stopped: oneshot::Receiver<()>,
) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let client = client(kubeconfig).await;
        let listener = TcpListener::from_std(listener).expect("a listener");
        let accepting = async {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, client.clone(), Arc::clone(shared)));
            }
        };
        tokio::select! {
            () = accepting => {}
            _ = stopped => {}
        }
    });
}

async fn client(kubeconfig: &Path) -> Client {
    let file = Kubeconfig::read_from(kubeconfig).expect("the bed's kubeconfig");
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
    let mut config = config.expect("a configuration");
    config.default_retry = false;
    config.read_timeout = None;
    Client::try_from(config).expect("a client")
}

/// One connection, one request after the other.
async fn serve(stream: TcpStream, client: Client, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let mut stream = BufReader::new(stream);
    while let Some(request) = wire::read(&mut stream).await {
        if shared.pass(request, &mut stream, &client).await.is_none() {
            return;
        }
    }
}

impl Shared {
    fn set(&self, trap: Option<Trap>) {
        *self.trap.lock().unwrap_or_else(PoisonError::into_inner) = trap;
    }

    /// The trap that this write springs, if it is its turn.
    fn spring(&self, asked: &Asked) -> Option<Trap> {
        let mut trap = self.trap.lock().unwrap_or_else(PoisonError::into_inner);
        if !asked.is_write() {
            return None;
        }
        if let Some(waiting) = trap.as_mut().filter(|trap| trap.passing > 0) {
            waiting.passing -= 1;
            return None;
        }
        trap.take()
    }

    /// Passes a request on, or does what its fault says. `None`: the connection ends.
    async fn pass(
        &self,
        request: Request,
        stream: &mut BufReader<TcpStream>,
        client: &Client,
    ) -> Option<()> {
        let asked = request.asked(self.run.load(Ordering::SeqCst));
        let trap = self.spring(&asked);
        let number = self.record.begins(asked);
        let fault = trap.as_ref().map(|trap| trap.fault);
        match (&trap, fault) {
            (_, Some(Fault::Answered(code))) => {
                self.record.heard(number, code);
                return wire::refuse(stream, code).await;
            }
            (_, Some(Fault::RequestLost)) => return None,
            (Some(trap), Some(Fault::KilledBefore)) => {
                trap.victim.kill();
                return None;
            }
            (_, Some(Fault::HeldUp(time))) => sleep(Duration::from_secs(time)).await,
            _ => {}
        }
        let response = client.send(request.into_forwarded()).await.ok()?;
        let code = response.status().as_u16();
        match (&trap, fault) {
            (Some(trap), Some(Fault::KilledAfter)) => {
                self.record.answered(number, code);
                trap.victim.kill();
                None
            }
            (_, Some(Fault::AnswerLost)) => {
                // All of it was sent: the server is done with it.
                let _ = response.into_body().collect().await;
                self.record.answered(number, code);
                None
            }
            _ => {
                self.record.answered(number, code);
                self.record.heard(number, code);
                wire::answer(stream, response).await
            }
        }
    }
}
