//! The IoTDB protocol twin: answers in the place of every fake DataNode pod, as a real one would.
//!
//! It listens once, at every pod's address; the address a caller came to says which pod was meant.
//! What a pod is, it learns from the API server, and from the pod's own environment, as the vendor's
//! image does. A simulated cluster lives as long as one of its members' claims: the data directory
//! is where a real one keeps its id and its list of nodes.

mod door;
mod order;
mod pods;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use db_engine::iotdb::sim::{Founding, IotdbSim, Ports};
use db_engine::statement::{Answer, Mode, Statement};

use pods::{Member, Seen};

/// Where a DataNode's REST service listens.
const PORT: u16 = 18080;

/// A namespace and the cluster in it.
type Place = (String, String);

/// The twin; it stops when this is dropped.
pub(crate) struct Twin {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    begun: Instant,
    stopped: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    clusters: BTreeMap<Place, Cluster>,
    /// Ready members by the address their pod was given.
    members: BTreeMap<IpAddr, (Place, String)>,
    /// The `Authorization` header that is let in, where it is not the vendor's default.
    logins: BTreeMap<Place, String>,
    /// How often each statement that changes something was said, and where.
    changes: BTreeMap<Place, BTreeMap<String, usize>>,
}

struct Cluster {
    sim: IotdbSim,
    /// The pod that plays each member that is up, by the member's address.
    up: BTreeMap<String, String>,
    claims: BTreeSet<String>,
}

impl Twin {
    /// Starts to listen and to follow the API server of this kubeconfig, both in the network
    /// namespace of the calling thread.
    pub(crate) fn start(kubeconfig: &Path) -> Self {
        let listener = TcpListener::bind(("0.0.0.0", PORT)).expect("the twin's port is free");
        let shared = Arc::new(Shared {
            begun: Instant::now(),
            stopped: AtomicBool::new(false),
            state: Mutex::default(),
        });
        let (following, listening) = (Arc::clone(&shared), Arc::clone(&shared));
        let kubeconfig = kubeconfig.to_owned();
        thread::spawn(move || pods::follow(&kubeconfig, &following));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if listening.is_stopped() {
                    return;
                }
                let shared = Arc::clone(&listening);
                thread::spawn(move || door::serve(&stream, &shared));
            }
        });
        Self { shared }
    }

    /// Lets in this user alone at a cluster; `root` with password `root` otherwise.
    pub(crate) fn let_in(&self, namespace: &str, cluster: &str, user: &str, password: &str) {
        let place = (namespace.to_owned(), cluster.to_owned());
        self.shared.state().logins.insert(place, basic(user, password));
    }

    /// The statements that were to change something at a cluster, and how often each was said.
    pub(crate) fn changes(&self, namespace: &str, cluster: &str) -> BTreeMap<String, usize> {
        let place = (namespace.to_owned(), cluster.to_owned());
        self.shared.state().changes.get(&place).cloned().unwrap_or_default()
    }
}

impl Drop for Twin {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        // Wakes the listener, which then sees that it is over.
        let _ = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], PORT)));
    }
}

impl Shared {
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Whether a pod's REST service is up; `None` if no pod of ours has this address.
    pub(crate) fn serves(&self, at: IpAddr) -> Option<bool> {
        let state = self.state();
        let (place, address) = state.members.get(&at)?;
        Some(state.clusters.get(place)?.sim.serves(address, self.now()))
    }

    /// Whether a caller with this header is let in by the pod at this address.
    pub(crate) fn lets_in(&self, at: IpAddr, header: &str) -> bool {
        let state = self.state();
        let Some((place, _)) = state.members.get(&at) else { return false };
        match state.logins.get(place) {
            Some(login) => login == header,
            None => basic("root", "root") == header,
        }
    }

    /// What the pod at this address answers; `None` if nobody listens there.
    pub(crate) fn answer(&self, at: IpAddr, statement: &Statement) -> Option<Answer> {
        let now = self.now();
        let mut state = self.state();
        let (place, address) = state.members.get(&at)?.clone();
        if statement.mode == Mode::Change {
            let said = state.changes.entry(place.clone()).or_default();
            *said.entry(statement.text.clone()).or_default() += 1;
        }
        state.clusters.get_mut(&place)?.sim.answer(&address, statement, now)
    }

    /// Takes over what the API server shows now.
    pub(crate) fn update(&self, seen: &Seen) {
        let now = self.now();
        let mut state = self.state();
        state.members.clear();
        for member in &seen.ready {
            state.members.insert(member.ip, (member.place.clone(), member.address.clone()));
        }
        for (place, cluster) in &mut state.clusters {
            let here = |member: &&Member| member.place == *place;
            let pod = |member: &Member| (member.address.clone(), member.uid.clone());
            let up: BTreeMap<String, String> = seen.ready.iter().filter(here).map(pod).collect();
            // Another pod of that name is a process that began anew.
            for (gone, _) in cluster.up.iter().filter(|(name, uid)| up.get(*name) != Some(uid)) {
                cluster.sim.member_down(gone, now);
            }
            cluster.up = up;
        }
        for member in &seen.ready {
            let cluster =
                state.clusters.entry(member.place.clone()).or_insert_with(|| Cluster::new(member));
            cluster.claims.extend(member.claims.iter().cloned());
            cluster.up.insert(member.address.clone(), member.uid.clone());
            let ports = Ports::default_of(member.kind);
            cluster.sim.member_up(member.kind, &member.address, ports, now);
        }
        state.clusters.retain(|(namespace, _), cluster| {
            let kept = |name: &String| seen.claims.contains(&(namespace.clone(), name.clone()));
            !cluster.up.is_empty() || cluster.claims.iter().any(kept)
        });
    }
}

impl Cluster {
    fn new(first: &Member) -> Self {
        let founding = Founding {
            cluster_name: first.cluster_name.clone(),
            // Real ones are random; so is the uid of a pod.
            cluster_id: first.uid.clone(),
            version: first.version.clone(),
            build_info: "twin".to_owned(),
            seed: first.seed.clone(),
            schema_replication: first.schema_replication,
            data_replication: first.data_replication,
        };
        Self { sim: IotdbSim::new(founding), up: BTreeMap::new(), claims: BTreeSet::new() }
    }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}
