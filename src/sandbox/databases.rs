//! Databases inside the simulated pods: which process a pod runs, and what its cluster answers.

use std::collections::{BTreeMap, BTreeSet};

use db_engine::drivers::driver;
use db_engine::engine::Topology;
use db_engine::holdings::Holdings;
use db_engine::iotdb::sim::{Founding, IotdbSim, Load, MemberKind, Ports};
use db_engine::statement::{Answer, Statement};
use serde_json::{Value, json};

use super::api;
use super::cluster::Cluster;
use super::denial::Denial;
use super::nodes;
use super::selectors::has_all;
use super::stateful_sets::is_ready;
use super::trouble::Mood;
use super::values::{self, list, text};
use crate::object;
use crate::object::{Kind, LABEL_CLUSTER, ObjectKey};
use crate::observed::{DatabaseScope, DatabaseView};
use crate::plan::identity::{self, Members};

/// The database process of a pod.
pub(super) struct Process {
    kind: MemberKind,
    address: String,
    env: BTreeMap<String, String>,
}

impl Process {
    fn value(&self, names: [&str; 2]) -> String {
        let found = names.into_iter().find_map(|name| self.env.get(name));
        found.cloned().unwrap_or_default()
    }
}

/// The IoTDB process a pod runs, told by the addresses its environment gives it.
fn process_of(pod: &Value) -> Option<Process> {
    let (kind, container, name) = member_of(pod)?;
    let env = environment(pod, container);
    Some(Process { kind, address: env.get(name)?.clone(), env })
}

/// Which member of IoTDB a pod runs, in which container, and the variable that says its address.
fn member_of(pod: &Value) -> Option<(MemberKind, &Value, &'static str)> {
    let kinds = [
        (MemberKind::ConfigNode, "cn_internal_address"),
        (MemberKind::DataNode, "dn_internal_address"),
    ];
    list(pod, "/spec/containers").iter().find_map(|container| {
        let has = |name: &str| list(container, "/env").iter().any(|one| text(one, "/name") == name);
        let (kind, name) = kinds.into_iter().find(|(_, name)| has(name))?;
        Some((kind, container, name))
    })
}

/// Whether a pod runs a member that serves clients, and so is let in by those that only vote.
pub(super) fn serves_clients(pod: &Value) -> bool {
    member_of(pod).is_some_and(|(kind, ..)| kind == MemberKind::DataNode)
}

/// How long the process in a pod takes to answer after its start, if it is a database's.
pub(super) fn start_ms(pod: &Value) -> Option<u64> {
    member_of(pod).map(|(kind, ..)| match kind {
        MemberKind::ConfigNode => 4_000,
        MemberKind::DataNode => 8_000,
    })
}

/// A container's environment as its process sees it.
fn environment(pod: &Value, container: &Value) -> BTreeMap<String, String> {
    let mut env: BTreeMap<String, String> = BTreeMap::new();
    for variable in list(container, "/env") {
        let value = match text(variable, "/valueFrom/fieldRef/fieldPath") {
            "metadata.name" => text(pod, "/metadata/name").to_owned(),
            "metadata.namespace" => text(pod, "/metadata/namespace").to_owned(),
            _ => expand(text(variable, "/value"), &env),
        };
        env.insert(text(variable, "/name").to_owned(), value);
    }
    env
}

/// Replaces `$(NAME)` of earlier variables; `$$` stands for one `$`, unknown names stay as they are.
fn expand(value: &str, env: &BTreeMap<String, String>) -> String {
    let mut result = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('$') {
        result.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            result.push('$');
            rest = after;
            continue;
        }
        let name = after.strip_prefix('(').and_then(|inner| inner.split_once(')'));
        match name.and_then(|(name, end)| Some((env.get(name)?, end))) {
            Some((known, end)) => {
                result.push_str(known);
                rest = end;
            }
            None => {
                result.push('$');
                rest = after;
            }
        }
    }
    result.push_str(rest);
    result
}

/// The name a pod's cluster is kept under.
fn database_of(key: &ObjectKey, pod: &Value, process: &Process) -> String {
    let label =
        object::at(pod, "/metadata/labels").and_then(|labels| labels.get(LABEL_CLUSTER)?.as_str());
    let cluster = label.map_or_else(|| process.value(["cluster_name"; 2]), str::to_owned);
    format!("{}/{cluster}", key.namespace.as_deref().unwrap_or_default())
}

/// A pod's containers started.
pub(super) fn started(cluster: &mut Cluster, key: &ObjectKey, pod: &Value) {
    let Some(process) = process_of(pod) else { return };
    let now = cluster.clock_ms;
    let name = database_of(key, pod, &process);
    let id = cluster.next_uid();
    let founding = founding(pod, &process, id);
    let sim = cluster.databases.entry(name).or_insert_with(|| IotdbSim::new(founding));
    sim.member_up(process.kind, &process.address, Ports::default_of(process.kind), now);
}

fn founding(pod: &Value, process: &Process, cluster_id: String) -> Founding {
    let seed = process.value(["cn_seed_config_node", "dn_seed_config_node"]);
    let image = text(pod, "/spec/containers/0/image");
    let tag = image.rsplit_once(':').map_or("", |(_, tag)| tag);
    let version = tag.split_once('-').map_or(tag, |(version, _)| version);
    let replicas = |name: &str| process.value([name; 2]).parse().unwrap_or(1);
    Founding {
        cluster_name: process.value(["cluster_name"; 2]),
        cluster_id,
        version: version.to_owned(),
        build_info: "sandbox".to_owned(),
        seed: seed.rsplit_once(':').map_or(seed.clone(), |(host, _)| host.to_owned()),
        schema_replication: replicas("schema_replication_factor"),
        data_replication: replicas("data_replication_factor"),
    }
}

/// A pod's containers ended.
pub(super) fn ended(cluster: &mut Cluster, key: &ObjectKey, pod: &Value) {
    let Some(process) = process_of(pod) else { return };
    let now = cluster.clock_ms;
    if let Some(sim) = cluster.databases.get_mut(&database_of(key, pod, &process)) {
        sim.member_down(&process.address, now);
    }
}

/// Whether the process in a pod answers its readiness probe: a ConfigNode once it has joined, a
/// DataNode once it takes clients, any other at once.
pub(super) fn answers(cluster: &Cluster, key: &ObjectKey, pod: &Value) -> bool {
    let Some(process) = process_of(pod) else { return true };
    let sim = cluster.databases.get(&database_of(key, pod, &process));
    sim.is_some_and(|sim| match process.kind {
        MemberKind::ConfigNode => sim.joined(&process.address, cluster.clock_ms),
        MemberKind::DataNode => sim.serves(&process.address, cluster.clock_ms),
    })
}

/// What a database says of itself, asked through its ready pods in order.
pub(super) fn view(cluster: &Cluster, scope: &DatabaseScope) -> DatabaseView {
    let mut asked: Option<String> = None;
    for (key, pod) in serving(cluster, scope) {
        match ask(cluster, scope, key, pod) {
            Ok(seen) => return seen,
            Err(why) => asked = Some(why),
        }
    }
    asked.map_or(DatabaseView::Absent, |why| DatabaseView::Unreachable { why })
}

fn ask(
    cluster: &Cluster,
    scope: &DatabaseScope,
    key: &ObjectKey,
    pod: &Value,
) -> Result<DatabaseView, String> {
    let engine = driver(scope.engine);
    let silent = || format!("{} does not answer at port {}", key.name, scope.port);
    let process = process_of(pod).ok_or_else(silent)?;
    let name = database_of(key, pod, &process);
    let answers = survey(cluster, &name, &process.address, &engine.survey());
    let topology = engine.read(&answers.ok_or_else(silent)?);
    topology.map(DatabaseView::Seen).map_err(|why| format!("{}: {why}", key.name))
}

/// What the member at an address answers to each of some statements; `None` if not to all.
fn survey(
    cluster: &Cluster,
    name: &str,
    address: &str,
    statements: &[Statement],
) -> Option<Vec<Answer>> {
    let mood = cluster.trouble.mood(name, cluster.clock_ms);
    // Asking may change a database, looking may not change the world.
    let mut sim = cluster.databases.get(name)?.clone();
    let answer = |statement: &Statement| {
        let answer = sim.answer(address, statement, cluster.clock_ms)?;
        if let Some(mood) = mood { mood.turn(answer) } else { Some(answer) }
    };
    statements.iter().map(answer).collect()
}

/// Who holds which region replica in a database that has told who its members are, if one of its pods tells.
pub(super) fn holdings(
    cluster: &Cluster,
    scope: &DatabaseScope,
    topology: &Topology,
) -> Option<Holdings> {
    let engine = driver(scope.engine);
    serving(cluster, scope).find_map(|(key, pod)| {
        let process = process_of(pod)?;
        let name = database_of(key, pod, &process);
        let answers = survey(cluster, &name, &process.address, &engine.holdings())?;
        engine.read_holdings(&answers, topology).ok()
    })
}

impl Cluster {
    /// Writes to a database, `namespace/cluster`, until it holds so many regions. Whether it could: it is there, has
    /// members enough, and held none.
    pub fn load_database(&mut self, name: &str, load: Load) -> bool {
        let database = self.databases.get_mut(name);
        let is_loaded = database.is_some_and(|database| database.load(load));
        self.revision += u64::from(is_loaded);
        is_loaded
    }
}

/// Says something to a database, through a ready pod that is not the member it is about.
pub(super) fn say(
    cluster: &mut Cluster,
    scope: &DatabaseScope,
    member: &ObjectKey,
    statement: &Statement,
) -> Result<(), Denial> {
    let nobody = || Denial::Invalid("no other member is ready to be told".to_owned());
    let mut pods = serving(cluster, scope).filter(|(key, _)| *key != member);
    let found = pods.find_map(|(key, pod)| {
        let process = process_of(pod)?;
        Some((database_of(key, pod, &process), process))
    });
    drop(pods);
    let (name, process) = found.ok_or_else(nobody)?;
    let now = cluster.clock_ms;
    let mood = cluster.trouble.mood(&name, now);
    let silent = || Denial::Unanswered(format!("`{}` was not answered", statement.text));
    let sim = cluster.databases.get_mut(&name).ok_or_else(nobody)?;
    // One that refuses everything does not do what it is told.
    let answer = match mood {
        Some(Mood::Refusing) => Mood::Refusing.turn(Answer::Accepted),
        Some(mood) => {
            sim.answer(&process.address, statement, now).and_then(|answer| mood.turn(answer))
        }
        None => sim.answer(&process.address, statement, now),
    };
    cluster.revision += 1;
    statement.settled(answer.ok_or_else(silent)?).map_err(Denial::Invalid)
}

/// Writes on claims whose they are, as far as the database says so.
pub(super) fn identify(
    cluster: &mut Cluster,
    stack: &str,
    (scope, known): (&DatabaseScope, &str),
    claims: &Members,
) -> Result<(), Denial> {
    let DatabaseView::Seen(topology) = view(cluster, scope) else { return Ok(()) };
    for (key, ids) in identity::all(&topology, known, claims) {
        if cluster.get(key).is_some() {
            api::amend(cluster, key, |live| identity::mark(key, live, stack, &ids))?;
        }
    }
    Ok(())
}

/// The pods a database may be asked through.
fn serving<'a>(
    cluster: &'a Cluster,
    scope: &'a DatabaseScope,
) -> impl Iterator<Item = (&'a ObjectKey, &'a Value)> {
    let wanted = json!(scope.labels);
    cluster.of_kind(Kind::Pod).filter(move |(key, pod)| {
        key.namespace.as_deref() == Some(&scope.namespace)
            && has_all(values::at(pod, "/metadata/labels"), &wanted)
            && is_ready(pod)
    })
}

/// What becomes of pods whose DataNode has left its database: such a one answers no more, and its
/// process ends. Its container is started again, and that is a new DataNode.
pub(super) fn part(cluster: &mut Cluster) {
    if !cluster.databases.values().any(IotdbSim::is_parting) {
        return;
    }
    let now = cluster.clock_ms;
    for sim in cluster.databases.values_mut() {
        sim.see_off(now);
    }
    for key in cluster.keys_of(Kind::Pod) {
        let Some(held) = cluster.shared(&key) else { continue };
        let Some(process) = process_of(&held.value) else { continue };
        let Some(sim) = cluster.databases.get(&database_of(&key, &held.value, &process)) else {
            continue;
        };
        if sim.ends(&process.address, now) {
            ended(cluster, &key, &held.value);
            nodes::restart(cluster, &key);
        } else if sim.has_left(&process.address, now) {
            nodes::stop_answering(cluster, &key);
        }
    }
}

/// Forgets databases of which neither a pod nor a claim is left: their data are gone.
pub(super) fn forget_the_gone(cluster: &mut Cluster) {
    if cluster.databases.is_empty() {
        return;
    }
    let mut left: BTreeSet<String> = BTreeSet::new();
    for kind in [Kind::Pod, Kind::PersistentVolumeClaim] {
        for (key, value) in cluster.of_kind(kind) {
            let label = object::at(value, "/metadata/labels")
                .and_then(|all| all.get(LABEL_CLUSTER)?.as_str());
            if let Some(name) = label {
                left.insert(format!("{}/{name}", key.namespace.as_deref().unwrap_or_default()));
            } else if let Some(process) = process_of(value) {
                left.insert(database_of(key, value, &process));
            }
        }
    }
    if cluster.databases.keys().any(|name| !left.contains(name)) {
        cluster.databases.retain(|name, _| left.contains(name));
    }
}
